import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type AtlasNetClient, connect } from "@atlasnet/client";
import { type Clock, type Logger, noopLogger, type Peer, type TicketKeys } from "@atlasnet/core";
import { loadOrCreateKeyFile } from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { inProcessLinks, type LinkNetworks } from "@atlasnet/core/testing";
import { DEFAULT_OUTBOX_BYTES, Gameserver } from "@atlasnet/gameserver";
import {
  createProxy,
  defaultLimits,
  type ProxyLimits,
  type ProxyOptions,
  type ProxyService,
} from "@atlasnet/proxy";
import { createNoopMeter } from "@opentelemetry/api";
import { CutNetwork } from "./cut-network.ts";
import { LedgerPlayer } from "./ledger-player.ts";
import { definition } from "./ledger-world.ts";
import { Workplace } from "./workplace.ts";

/** Time for proxies runs so much faster: pauses between tries are short, whatever they are bound to. */
const HURRY = 10;

const hurried: Clock = {
  now: () => systemClock.now() * HURRY,
  wallTime: () => systemClock.wallTime(),
  setTimer: (ms, fn) => systemClock.setTimer(ms / HURRY, fn),
};

/** A player may have to wait for gameservers that are yet to start. */
const JOIN_TIMEOUT_MS = 30_000;

const LEDGER = fileURLToPath(new URL("./ledger-world.js", import.meta.url));

/** The nodes that a test may have. */
export const CLUSTER_PEERS: readonly Peer[] = [
  { role: "proxy", node: "p1" },
  { role: "proxy", node: "p2" },
  { role: "gameserver", node: "g1" },
  { role: "gameserver", node: "g2" },
];

export interface Surroundings {
  /** For `CLUSTER_PEERS`; the cluster stops them. Default: links in this process. */
  readonly networks: LinkNetworks;
  readonly logger: Logger;
}

/** Gameservers and proxies of one process, over links that a test can cut. Ends with its test. */
export class TestCluster {
  readonly network: CutNetwork;
  private readonly keys: TicketKeys;
  private readonly logger: Logger;
  private readonly place: Workplace;

  private constructor(place: Workplace, keys: TicketKeys, { networks, logger }: Surroundings) {
    this.place = place;
    this.keys = keys;
    this.network = new CutNetwork(networks);
    this.logger = logger;
  }

  static async start(t: TestContext, given: Partial<Surroundings> = {}): Promise<TestCluster> {
    const { logger = noopLogger } = given;
    const networks = given.networks ?? (await inProcessLinks.create(CLUSTER_PEERS));
    const place = await Workplace.create(t);
    place.undo(() => networks.stop?.());
    const { keys } = await loadOrCreateKeyFile(join(place.dir, "tickets.jwks.json"));
    return new TestCluster(place, keys, { networks, logger });
  }

  /** Adds a step for the end of the test; they are taken in reverse. */
  undo(step: () => unknown): void {
    this.place.undo(step);
  }

  /** A gameserver with a ledger under each name, that takes links. */
  async gameserver(node: string, worlds: readonly string[]): Promise<Gameserver> {
    const gameserver = new Gameserver(
      {
        node,
        threads: 1,
        outboxMessages: 1024,
        outboxBytes: DEFAULT_OUTBOX_BYTES,
        maxSessionsPerWorld: 100,
        thread: {
          dataDir: undefined,
          tickLimitMs: 0,
          snapshotIntervalMs: 60_000,
          keepSnapshots: 2,
          journalSyncMs: 1_000,
          development: false,
        },
      },
      {
        links: this.network.node({ role: "gameserver", node }),
        logger: this.logger.child({ node, role: "gameserver" }),
        randomSeed: () => 5,
        services: new Map(),
        onStats: () => undefined,
        onPlaced: () => undefined,
        onFault: () => undefined,
      },
    );
    this.undo(() => gameserver.stop());
    for (const world of worlds) await this.open(gameserver, world);
    await gameserver.start();
    return gameserver;
  }

  async open(gameserver: Gameserver, world: string): Promise<void> {
    const kept = { durability: "none", graceSeconds: 60, fresh: false } as const;
    await gameserver.open({ world, module: LEDGER, config: null, ...kept }, ".");
  }

  /** A proxy that takes players; it may not have heard its peers yet. */
  async proxy(
    node: string,
    peers: readonly string[],
    options: {
      endpoints?: readonly string[];
      limits?: Partial<ProxyLimits>;
      udp?: NonNullable<ProxyOptions["udp"]>;
    } = {},
  ): Promise<{ proxy: ProxyService; address: string }> {
    const limits = {
      ...defaultLimits,
      handshakeTimeoutMs: HURRY * defaultLimits.handshakeTimeoutMs,
      idleTimeoutMs: HURRY * defaultLimits.idleTimeoutMs,
      unavailableTimeoutMs: HURRY * defaultLimits.unavailableTimeoutMs,
      goElsewhereMs: HURRY * defaultLimits.goElsewhereMs,
      messagesPerSecond: 1e6,
      bytesPerSecond: 1e9,
      ...options.limits,
    };
    const { endpoints = [], udp } = options;
    const proxy = createProxy(
      {
        ...{ node, peers, host: "127.0.0.1", port: 0, allowGuests: true, endpoints, limits },
        ...(udp !== undefined && { udp }),
      },
      {
        links: this.network.node({ role: "proxy", node }),
        keys: this.keys,
        clock: hurried,
        random: systemRandom,
        logger: this.logger.child({ node, role: "proxy" }),
        meter: createNoopMeter(),
      },
    );
    this.undo(() => proxy.stop());
    await proxy.start();
    const [address = ""] = proxy.addresses;
    return { proxy, address };
  }

  /** Lets an account into any world. */
  ticket(account: string): Promise<string> {
    const expiresAt = Math.floor(Date.now() / 1000) + 3_600;
    return this.keys.issue({ account, world: "*", name: account, data: null, expiresAt });
  }

  /** A player of a ledger, by way of the first of these proxies that lets it in. */
  async player(
    address: string | readonly string[],
    world: string,
    options: { readonly ticket?: string } = {},
  ): Promise<LedgerPlayer> {
    const addresses = typeof address === "string" ? [address] : address;
    const client: AtlasNetClient = connect({ url: addresses.map((it) => `tcp://${it}`) });
    this.undo(() => client.close());
    const player = new LedgerPlayer(
      await client.join(definition, { world, timeoutMs: JOIN_TIMEOUT_MS, ...options }),
    );
    this.undo(() => player.stop());
    return player;
  }
}
