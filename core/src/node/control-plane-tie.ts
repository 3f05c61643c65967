import type { LeaderInfo } from "../control/control-store.ts";
import { Pauses, pause } from "../control/pauses.ts";
import { ApiserverLink } from "../control/remote/apiserver-link.ts";
import {
  type ApiserverMember,
  OLDEST_CONTROL_CALLS_VERSION,
} from "../control/remote/control-call-codec.ts";
import type { ControlCalls } from "../control/remote/control-calls.ts";
import { OperatingError } from "../errors.ts";
import { type CallAnswer, callCode } from "../link/calls.ts";
import type { LinkNetwork } from "../link/link.ts";
import type { Logger } from "../logging/logger.ts";
import type { Clock } from "../ports/clock.ts";
import type { PseudoRandom } from "../ports/random.ts";
import { messageOf } from "../system/storage-error.ts";
import type { NodeAddress } from "./cluster-links.ts";
import type { FindApiservers, FoundApiservers } from "./control-plane-discovery.ts";

export interface ApiserverTieOptions {
  /** Of the apiservers' HTTP APIs; at least one. */
  readonly urls: readonly string[];
  readonly cluster: string;
  /** For the apiserver's log. */
  readonly software: string;
}

export interface ApiserverTieDependencies {
  readonly network: Pick<LinkNetwork, "connect">;
  readonly clock: Clock;
  readonly random: PseudoRandom;
  readonly logger: Logger;
  readonly find: FindApiservers;
  /** PEM, as renewed last. */
  authorities(): string;
}

/** While there is no link, the HTTP APIs are asked again so often: apiservers may have moved. */
const REFRESH_MS = 5000;
const MIN_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2000;
/** Apiservers whose addresses are remembered. */
const MAX_APISERVERS = 64;

const ADDRESS = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/;

/**
 * Finds the apiservers by their HTTP APIs, and keeps a link to one of them. While none answers it goes on
 * trying: it says so once in the log, and to whoever asks for the problem.
 */
export class ApiserverTie implements ControlCalls {
  private readonly options: ApiserverTieOptions;
  private readonly deps: ApiserverTieDependencies;
  private readonly stopping = new AbortController();
  private readonly addresses = new Map<string, NodeAddress>();
  private readonly handlers: ((leader: LeaderInfo | undefined) => void)[] = [];
  private readonly onRefused: ((error: Error) => void)[] = [];
  private link: ApiserverLink | undefined;
  private linked: ReadonlySet<string> = new Set();
  private at = 0;
  private trouble: string | undefined = "no apiserver was asked yet";
  private warned = false;
  private local = "127.0.0.1";

  constructor(options: ApiserverTieOptions, dependencies: ApiserverTieDependencies) {
    this.options = options;
    this.deps = dependencies;
  }

  /** The address of this machine from which it reached an apiserver. */
  get localAddress(): string {
    return this.local;
  }

  /** Why there is no link to an apiserver, for people; undefined while there is one. */
  get problem(): string | undefined {
    return this.link?.connected === undefined ? this.trouble : undefined;
  }

  /** The apiserver that is linked now. */
  get connectedTo(): string | undefined {
    return this.link?.connected?.node;
  }

  get version(): number {
    return this.link?.version ?? OLDEST_CONTROL_CALLS_VERSION;
  }

  /** Where an apiserver takes links. */
  lookup(node: string): (NodeAddress & { readonly role: "apiserver" }) | undefined {
    const address = this.addresses.get(node);
    return address && { ...address, role: "apiserver" };
  }

  /** All apiservers refuse this node's links. Told again and again. */
  refused(handler: (error: Error) => void): void {
    this.onRefused.push(handler);
  }

  /**
   * Resolves once an apiserver said where they take links; from then on there is a link whenever one takes it.
   * @throws OperatingError "wrong-cluster", "stopped"
   */
  async start(): Promise<void> {
    const pauses = new Pauses(
      { minMs: MIN_PAUSE_MS, maxMs: MAX_PAUSE_MS },
      { ...this.deps, signal: this.stopping.signal },
    );
    while (!this.stopping.signal.aborted) {
      if (await this.findAny(true)) {
        void this.refresh();
        return;
      }
      await pauses.wait();
    }
    throw new OperatingError("stopped", "this node was stopped before it found an apiserver", {
      hint: "Nothing is wrong; start it again.",
    });
  }

  async ask(method: string, body: Uint8Array, timeoutMs: number): Promise<CallAnswer> {
    return (await this.link?.ask(method, body, timeoutMs)) ?? callCode("unreachable");
  }

  onConnected(handler: (leader: LeaderInfo | undefined) => void): void {
    this.handlers.push(handler);
    this.link?.onConnected(handler);
  }

  moveOn(): void {
    this.link?.moveOn();
  }

  /** Idempotent. */
  stop(): void {
    this.stopping.abort();
    this.link?.stop();
  }

  /** Never rejects. */
  private async refresh(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      await pause(this.deps.clock, REFRESH_MS, signal);
      if (!signal.aborted && this.link?.connected === undefined) await this.findAny(false);
    }
  }

  /** Asks one after another, beginning with the one that answered last. */
  private async findAny(isFirst: boolean): Promise<boolean> {
    const { urls, cluster } = this.options;
    const problems: string[] = [];
    let foreign = 0;
    for (let tried = 0; tried < urls.length && !this.stopping.signal.aborted; tried++) {
      const url = urls[this.at % urls.length] ?? "";
      const found = await this.findAt(url);
      if (typeof found === "string") problems.push(`${url}: ${found}`);
      else if (found.cluster === cluster) {
        this.take(found);
        return true;
      } else {
        foreign += 1;
        problems.push(`${url}: it is of the cluster ${found.cluster}`);
      }
      this.at += 1;
    }
    if (isFirst && foreign > 0 && problems.length === foreign)
      throw wrongCluster(cluster, problems);
    this.fails(`no apiserver answers (${problems.join("; ")})`);
    return false;
  }

  private async findAt(url: string): Promise<FoundApiservers | string> {
    const { find, authorities } = this.deps;
    try {
      const found = await find(url, {
        authorities: authorities(),
        cluster: this.options.cluster,
        signal: this.stopping.signal,
      });
      return found.apiservers.length > 0 ? found : "it knows of no apiserver's address";
    } catch (error) {
      return messageOf(error);
    }
  }

  private fails(problem: string): void {
    this.trouble = problem;
    if (this.warned || this.stopping.signal.aborted) return;
    this.warned = true;
    this.deps.logger.warn("No apiserver can be reached; this node goes on trying.", {
      apiservers: this.options.urls.join(", "),
      problem,
    });
  }

  private take({ apiservers, localAddress }: FoundApiservers): void {
    this.local = localAddress;
    this.remember(apiservers);
    const nodes = apiservers.map(({ node }) => node);
    if (this.link !== undefined && nodes.every((node) => this.linked.has(node))) return;
    // Others than before: the whole group may be a new one.
    this.link?.stop();
    this.trouble = `there is no link to ${nodes.join(", ")} yet`;
    this.linked = new Set(nodes);
    this.link = this.newLink(nodes);
    this.link.start();
  }

  private newLink(apiservers: readonly string[]): ApiserverLink {
    const { cluster, software } = this.options;
    const { logger } = this.deps;
    const link = new ApiserverLink(
      { apiservers, cluster, software },
      {
        ...this.deps,
        events: {
          connected: ({ node }) => {
            this.warned = false;
            logger.info("Linked to an apiserver.", { apiserver: node });
          },
          disconnected: (node, why) => {
            this.trouble = `the link to ${node} ended: ${why}`;
            logger.info("The link to an apiserver ended; others are tried.", {
              apiserver: node,
              why,
            });
          },
          refused: (error) => {
            this.fails(error.message);
            for (const handler of this.onRefused) handler(error);
          },
          members: (members) => this.remember(members),
        },
      },
    );
    for (const handler of this.handlers) link.onConnected(handler);
    return link;
  }

  private remember(members: readonly ApiserverMember[]): void {
    for (const { node, address } of members) {
      const [, bracketed, plain, digits] = ADDRESS.exec(address) ?? [];
      const host = bracketed ?? plain;
      if (host === undefined) continue;
      this.addresses.delete(node);
      this.addresses.set(node, { host, port: Number(digits) });
    }
    // The ones that were told of longest ago go first.
    for (const node of this.addresses.keys()) {
      if (this.addresses.size <= MAX_APISERVERS) break;
      this.addresses.delete(node);
    }
  }
}

function wrongCluster(cluster: string, problems: readonly string[]): OperatingError {
  return new OperatingError(
    "wrong-cluster",
    `cluster.apiservers: this node is of the cluster ${cluster} (${problems.join("; ")})`,
    {
      facts: { cluster },
      hint: "Name the apiservers of that cluster, or give this node another identity.dir and a token of the other one.",
    },
  );
}
