import {
  ApiserverLink,
  type ApiserverLinkOptions,
  type Clock,
  type Link,
  type LinkNetwork,
  noopLogger,
  type Peer,
  RemoteStore,
  type RemoteStoreOptions,
  type RenewalAnswer,
} from "@atlasnet/core";
import { SeededRandom } from "@atlasnet/core/sim";
import type { Renewals } from "../../leader/lease-keeper.ts";
import { LocalLog } from "../../store/local-log.ts";
import { ReplicatedStore } from "../../store/replicated-store.ts";
import { NodeLinks } from "../node-links.ts";

export interface NodeSceneOptions {
  readonly clock: Clock;
  readonly network: { node(self: Peer): LinkNetwork };
  readonly seed: string;
  /** Delay of the log, in ms. */
  readonly delayMs?: () => number;
  /** Nodes are held to what they may do. Default false: they may do everything. */
  readonly restricted?: boolean;
  readonly renewals?: Renewals;
}

export const API_1 = "api-1";
export const API_2 = "api-2";

const nobodyRenews: Renewals = {
  renew: async (): Promise<RenewalAnswer> => ({ ok: false, code: "unknown-node" }),
};

/** One store, with two apiservers in front of it that nodes link to. */
export class NodeScene {
  readonly store: ReplicatedStore;
  readonly leases = new Set<string>();
  /** Links that nodes have opened, also those that ended. */
  readonly opened: Link[] = [];
  readonly servers = new Map<string, NodeLinks>();
  private readonly options: NodeSceneOptions;
  private readonly random: SeededRandom;
  private readonly clients: { stop(): void }[] = [];

  private constructor(options: NodeSceneOptions) {
    const { clock, seed, delayMs = () => 0 } = options;
    this.options = options;
    this.random = new SeededRandom(seed);
    this.store = new ReplicatedStore(
      {},
      {
        log: new LocalLog({ delayMs }, { clock }),
        clock,
        random: this.random.fork("store"),
        holdsLease: (node) => this.leases.has(node),
      },
    );
  }

  static async create(options: NodeSceneOptions): Promise<NodeScene> {
    const scene = new NodeScene(options);
    for (const node of [API_1, API_2]) await scene.serve(node);
    return scene;
  }

  /** A node with its link, which begins to connect. */
  node(
    peer: Peer,
    apiservers: readonly string[],
    options: {
      readonly store?: RemoteStoreOptions;
      readonly link?: Partial<ApiserverLinkOptions>;
    } = {},
  ): { readonly store: RemoteStore; readonly link: ApiserverLink; stop(): void } {
    const { clock, network } = this.options;
    const random = this.random.fork(peer.node);
    const link = new ApiserverLink(
      { apiservers, software: "test", cluster: "test", ...options.link },
      { network: network.node(peer), clock, random, logger: noopLogger },
    );
    const store = new RemoteStore(options.store ?? {}, { calls: link, clock, random });
    link.start();
    const node = {
      ...{ store, link },
      stop: () => {
        store.stop();
        link.stop();
      },
    };
    this.clients.push(node);
    return node;
  }

  stop(): void {
    for (const client of this.clients) client.stop();
    for (const server of this.servers.values()) server.stop();
    this.store.stop();
  }

  private async serve(node: string): Promise<void> {
    const { clock, network, restricted = false, renewals = nobodyRenews } = this.options;
    const server = new NodeLinks(
      { cluster: "test", node, software: "test" },
      {
        ...{ store: this.store, clock, renewals, logger: noopLogger },
        members: () => [API_1, API_2].map((id) => ({ node: id, address: `${id}:2556` })),
        unrestricted: !restricted,
      },
    );
    this.servers.set(node, server);
    await network.node({ role: "apiserver", node }).listen((link) => {
      this.opened.push(link);
      server.accept(link);
    });
  }
}
