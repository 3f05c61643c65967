import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import { type AtlasNetClient, connect } from "@atlasnet/client";
import {
  type Clock,
  InProcessNetwork,
  type Logger,
  noopLogger,
  type TicketKeys,
} from "@atlasnet/core";
import { loadOrCreateKeyFile, systemClock, systemRandom } from "@atlasnet/core/node";
import { DEFAULT_OUTBOX_BYTES, Gameserver } from "@atlasnet/gameserver";
import {
  createProxy,
  defaultLimits,
  type ProxyLimits,
  type ProxyOptions,
  type ProxyService,
} from "@atlasnet/proxy";
import { createNoopMeter } from "@opentelemetry/api";
import { CutNetwork, type Networks } from "./cut-network.ts";
import { LedgerPlayer } from "./ledger-player.ts";
import { definition } from "./ledger-world.ts";

/** Time for proxies runs so much faster: pauses between tries are short, whatever they are bound to. */
const HURRY = 10;

const hurried: Clock = {
  now: () => systemClock.now() * HURRY,
  wallTime: () => systemClock.wallTime(),
  setTimer: (ms, fn) => systemClock.setTimer(ms / HURRY, fn),
};

const LEDGER = fileURLToPath(new URL("./ledger-world.js", import.meta.url));

export interface Surroundings {
  /** Default: links in this process. */
  readonly networks: Networks;
  readonly logger: Logger;
}

/** Gameservers and proxies of one process, over links that a test can cut. Ends with its test. */
export class TestCluster {
  readonly network: CutNetwork;
  private readonly keys: TicketKeys;
  private readonly logger: Logger;
  /** Taken in reverse. */
  private readonly steps: (() => unknown)[] = [];

  private constructor(keys: TicketKeys, { networks, logger }: Surroundings) {
    this.keys = keys;
    this.network = new CutNetwork(networks);
    this.logger = logger;
  }

  static async start(t: TestContext, given: Partial<Surroundings> = {}): Promise<TestCluster> {
    const { logger = noopLogger } = given;
    // Messages go through the codec, as they would between processes.
    const networks: Networks = given.networks ?? new InProcessNetwork({ verify: true });
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-cluster-"));
    const { keys } = await loadOrCreateKeyFile(join(dir, "tickets.jwks.json"));
    const cluster = new TestCluster(keys, { networks, logger });
    cluster.undo(() => rm(dir, { recursive: true, force: true }));
    cluster.undo(() => networks.stop?.());
    t.after(async () => {
      for (const step of cluster.steps.reverse()) await step();
    });
    return cluster;
  }

  undo(step: () => unknown): void {
    this.steps.push(step);
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

  /** A player of a ledger, by way of the proxy at the address. */
  async player(address: string, world: string): Promise<LedgerPlayer> {
    const client: AtlasNetClient = connect({ url: `tcp://${address}` });
    this.undo(() => client.close());
    const player = new LedgerPlayer(await client.join(definition, { world }));
    this.undo(() => player.stop());
    return player;
  }
}
