import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  InProcessNetwork,
  type Link,
  type LinkMessage,
  type LogFacts,
  type Logger,
  type MigrationProgress,
  NODE_CHANNEL,
  noopLogger,
  shardChannel,
  snapshotKey,
} from "@atlasnet/core";
import { noopMeter } from "@atlasnet/core/node";
import { NodeDisk, systemClock } from "@atlasnet/core/system";
import { reached, type TinyStore, wrappedLink } from "@atlasnet/core/testing";
import { ByteReader, compileDefinition, defineWorld, text } from "@atlasnet/world";
import { WorldHost } from "../cluster/world-host.ts";
import { WorldModules } from "../cluster/world-modules.ts";
import { MigrationHost } from "../migration/migration-host.ts";
import type { MirrorHost } from "../mirror/mirror-host.ts";
import { Gameserver } from "../server/gameserver.ts";
import type { StoreOfShard } from "../snapshots/snapshot-store.ts";
import { WorldSnapshots } from "../snapshots/world-snapshots.ts";
import { FakeControlPlane } from "./fake-control-plane.ts";
import { readBatch } from "./test-shard.ts";

const definition = defineWorld({
  name: "counter",
  tickRate: 60,
  components: {},
  serverMessages: { said: { text: text(100) } },
});
const [said] = compileDefinition(definition.data).serverMessages;

/** Counts ticks, and says how many there were. */
const COUNTER = `
  create(ctx) { ctx.kv.set("n", 0); },
  tick(ctx) { ctx.kv.set("n", ctx.kv.get("n") + 1); ctx.broadcast("said", { text: String(ctx.kv.get("n")) }); },
`;

export interface CountingNodeOptions {
  readonly node: string;
  /** Everything of the test is below it. */
  readonly dir: string;
  readonly tiny: TinyStore;
  readonly storeOf: StoreOfShard;
  readonly finishMs?: number;
  /** Shared by nodes whose worlds move between them while they run. */
  readonly network?: InProcessNetwork;
  /** What comes to it from gameservers that it follows, as it hears it; undefined: the link ends there. */
  readonly hears?: (message: LinkMessage) => LinkMessage | undefined;
}

/** A player of the counting world, who comes again where it runs. */
export interface Counted {
  readonly account: string;
  readonly session: number;
  readonly timeline: number;
  readonly epoch: number;
  readonly attach: number;
  /** As it was welcomed: up to which number the messages mean the same to it. */
  readonly outSeq: number;
  /** Of each message, in order. */
  readonly seqs: readonly number[];
  readonly counts: readonly number[];
  /**
   * What an owner said that still came after the player had come again elsewhere: proxies and clients drop it, and it
   * is the same as what the player is told there, or somebody acted who may not (see `oneStory`).
   */
  readonly late: readonly { readonly seq: number; readonly count: number }[];
}

/** A whole gameserver of a cluster in this process, whose worlds count their ticks. */
export class CountingNode {
  readonly control: FakeControlPlane;
  readonly snapshots: WorldSnapshots;
  readonly host: WorldHost;
  private readonly migrations: MigrationHost | undefined;
  readonly server: Gameserver;
  readonly lines: string[] = [];
  /** What the gameserver told its proxy of worlds that move. */
  readonly told: LinkMessage[] = [];
  private readonly network: InProcessNetwork;
  private link: Link | undefined;
  private attaches = 0;
  /** Of players who came again elsewhere. */
  private static readonly gone = new WeakSet<Counted["late"]>();

  constructor({
    node,
    dir,
    tiny,
    storeOf,
    finishMs = 20_000,
    network,
    hears,
  }: CountingNodeOptions) {
    this.network = network ?? new InProcessNetwork();
    const links = this.network.node({ role: "gameserver", node });
    const worlds = join(dir, "worlds");
    mkdirSync(worlds, { recursive: true });
    writeFileSync(
      join(worlds, "counter.mjs"),
      `export const world = { definition: { data: ${JSON.stringify(definition.data)} }, behaviour: {${COUNTER}} };`,
    );
    const dataDir = join(dir, node);
    const note = (message: string, facts?: LogFacts) =>
      void this.lines.push(`${message} ${facts?.["reason"] ?? ""}`);
    const logger: Logger = { ...noopLogger, warn: note, error: note, child: () => logger };
    this.control = new FakeControlPlane({ node, tiny });
    this.snapshots = new WorldSnapshots(
      { node, dataDir, keep: 2, uploadBytesPerSecond: 1e9, finishMs },
      { storeOf, control: this.control.store, disk: new NodeDisk(), clock: systemClock, logger },
    );
    this.migrations =
      network &&
      new MigrationHost(
        { bytesPerSecond: 1e9 },
        {
          network: {
            connect: async (peer) => heard(await links.connect(peer), hears ?? ((all) => all)),
          },
          ...{ clock: systemClock, logger, meter: noopMeter },
        },
      );
    const stored = { fileOf: async () => assert.fail("none"), hold: () => () => undefined };
    this.host = new WorldHost({
      control: this.control,
      modules: new WorldModules({ dir: worlds }, { stored }),
      snapshots: this.snapshots,
      migrations: this.migrations,
      clock: systemClock,
      logger,
    });
    this.server = new Gameserver(
      {
        node,
        threads: 1,
        thread: {
          dataDir,
          tickLimitMs: 1_000,
          snapshotIntervalMs: 3_600_000,
          keepSnapshots: 2,
          journalSyncMs: 10,
          development: false,
        },
        outboxMessages: 1_000,
        outboxBytes: 1_000_000,
        maxSessionsPerWorld: 10,
      },
      {
        links,
        logger,
        randomSeed: () => 5,
        services: new Map(),
        control: this.host,
        onStats: () => undefined,
        onPlaced: () => undefined,
        onFault: () => undefined,
      },
    );
  }

  async start(): Promise<void> {
    await this.server.start();
    await this.host.start(this.server, () => assert.fail("nobody asks for the load here"));
    this.link = await this.network.node({ role: "proxy", node: "p" }).connect(this.control.node);
    this.link.channel(NODE_CHANNEL).onMessage((message) => void this.told.push(message));
  }

  async stop(): Promise<void> {
    this.host.stop();
    this.snapshots.stop();
    await this.server.stop();
  }

  /** How far the first migration is that this node takes part in. */
  get migrating(): MigrationProgress | undefined {
    return [...(this.migrations?.progress() ?? [])][0];
  }

  get mirrors(): MirrorHost | undefined {
    return this.migrations?.mirrors;
  }

  get epoch(): number | undefined {
    return this.server.hosted[0]?.epoch;
  }

  /** A player goes for good, if the world keeps no places. */
  leave({ epoch, attach }: Counted): void {
    const shard = "arena/0";
    this.link?.channel(shardChannel(shard)).send({ type: "detach", shard, epoch, attach });
  }

  /** A player comes into the only world, once it runs here: its timeline, and what it counts. */
  async watch(before?: Counted): Promise<Counted> {
    await until(() => this.epoch !== undefined);
    const shard = "arena/0";
    const channel = this.link?.channel(shardChannel(shard));
    assert.ok(channel !== undefined);
    const counts: number[] = [];
    const seqs: number[] = [];
    const late: { seq: number; count: number }[] = [];
    if (before !== undefined) CountingNode.gone.add(before.late);
    let attached: Extract<LinkMessage, { type: "attached" }> | undefined;
    let refused: Extract<LinkMessage, { type: "closed" }> | undefined;
    const attach = Math.max(++this.attaches, (before?.attach ?? 0) + 1);
    this.attaches = attach;
    channel.onMessage((message: LinkMessage) => {
      if (message.type === "attached" && message.attach === attach) attached = message;
      else if (message.type === "closed" && message.attach === attach) refused = message;
      else if (message.type === "shard-sealed" || message.type === "shard-unsealed")
        this.told.push(message);
      if (message.type !== "downstream") return;
      for (const { messages } of readBatch(message.batch).sessions.values())
        for (const { seq, payload } of messages) {
          const count = Number(said?.codec.decode(new ByteReader(payload))["text"]);
          if (CountingNode.gone.has(late)) late.push({ seq, count });
          else {
            seqs.push(seq);
            counts.push(count);
          }
        }
    });
    const account = before?.account ?? `${this.control.node}${attach}`;
    const { session, timeline } = before ?? {};
    channel.send({
      ...{ type: "attach", shard, epoch: this.epoch ?? 0, attach },
      ...{ account, name: "Ann", data: null, stream: new Uint8Array(8), attempt: attach },
      ...{ firstUnacked: 1, lastReceived: before?.seqs.at(-1) ?? 0 },
      ...(session !== undefined && { session }),
      ...(timeline !== undefined && { timeline }),
    });
    await until(() => refused !== undefined || (attached !== undefined && counts.length > 0));
    assert.ok(attached !== undefined && refused === undefined, JSON.stringify(refused));
    const { epoch, outSeq } = attached;
    return {
      ...{ account, attach, epoch, outSeq, seqs, counts, late },
      ...{ session: attached.session, timeline: attached.timeline },
    };
  }
}

/** Snapshots that a node records of the counting world wait until they are let go. */
export function holdRecords({ control: { store } }: CountingNode): readonly (() => void)[] {
  const held: (() => void)[] = [];
  const { txn } = store;
  store.txn = async (request) => {
    const isRecord = request.then?.some((op) => "key" in op && op.key === snapshotKey("arena/0"));
    if (isRecord === true) await new Promise<void>((resolve) => held.push(resolve));
    return txn(request);
  };
  return held;
}

/** Waits for a state that another thread brings about, and leaves the processor to it. */
export const until = reached;

/** A link whose messages are heard in another way than they were sent. */
function heard(link: Link, hears: (message: LinkMessage) => LinkMessage | undefined): Link {
  return wrappedLink(link, (channel) => ({
    name: channel.name,
    send: (message) => channel.send(message),
    onDrain: (handler) => channel.onDrain(handler),
    onMessage: (handler) =>
      channel.onMessage((message) => {
        const instead = hears(message);
        if (instead === undefined) link.close({ code: "peer-gone", detail: "planted" });
        else handler(instead);
      }),
  }));
}
