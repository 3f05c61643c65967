import assert from "node:assert/strict";
import {
  type Attach,
  type Attached,
  linkMessageProblem,
  MAX_BLOCK_BYTES,
  RESYNC_MESSAGES,
  readDownstreamHead,
  SessionFlag,
  type ToProxy,
  UpstreamBatch,
  UpstreamKind,
} from "@atlasnet/core";
import {
  ByteReader,
  ByteWriter,
  type CloseCode,
  type CompiledDefinition,
  compileDefinition,
  type Plain,
  StateFlag,
  type StructValue,
  WorldMirror,
} from "@atlasnet/world";
import { TypeScriptModule } from "../module/typescript-module.ts";
import {
  Shard,
  type ShardDependencies,
  type ShardOptions,
  type TickResult,
} from "../shard/shard.ts";
import { type Hooks, puppetWorld } from "./puppet-world.ts";

export interface Batch {
  tick: number;
  dilation: number;
  topics: Map<number, { delta: Uint8Array; full: Uint8Array }>;
  sessions: Map<number, SessionEntry>;
}

export interface SessionEntry {
  flags: number;
  slots: { slot: number; topic: number }[];
  privateBytes: Uint8Array;
  messages: { seq: number; index: number; payload: Uint8Array }[];
  ack: number | undefined;
  resync: number | undefined;
}

/** Reads a batch in the form of core/src/wire/downstream.ts. */
export function readBatch(bytes: Uint8Array): Batch {
  const reader = new ByteReader(bytes);
  const batch: Batch = { ...readDownstreamHead(reader), topics: new Map(), sessions: new Map() };
  for (let left = reader.varint(); left > 0; left--) {
    const topic = reader.varint();
    assert.ok(!batch.topics.has(topic), `topic ${topic} stands twice in a batch`);
    const delta = reader.block(MAX_BLOCK_BYTES);
    batch.topics.set(topic, { delta, full: reader.block(MAX_BLOCK_BYTES) });
  }
  for (let left = reader.varint(); left > 0; left--) {
    const attach = reader.varint();
    const flags = reader.varint();
    const slots: SessionEntry["slots"] = [];
    if (flags & SessionFlag.slots)
      for (let n = reader.varint(); n > 0; n--)
        slots.push({ slot: reader.varint(), topic: reader.varint() - 1 });
    const privateBytes =
      flags & SessionFlag.private ? reader.block(MAX_BLOCK_BYTES) : new Uint8Array(0);
    const messages: SessionEntry["messages"] = [];
    if (flags & SessionFlag.messages)
      for (let n = reader.varint(); n > 0; n--)
        messages.push({
          seq: reader.varint(),
          index: reader.varint(),
          payload: reader.block(MAX_BLOCK_BYTES),
        });
    batch.sessions.set(attach, {
      flags,
      slots,
      privateBytes,
      messages,
      ack: flags & SessionFlag.ack ? reader.varint() : undefined,
      resync: flags & SessionFlag.resync ? reader.varint() : undefined,
    });
  }
  reader.end();
  return batch;
}

/** A client behind a proxy: it takes its part of every batch, as docs/protocol.md says. */
export class TestClient {
  readonly attach: number;
  readonly peer: number;
  readonly account: string;
  readonly stream: Uint8Array;
  mirror: WorldMirror;
  readonly slots: (number | undefined)[] = [];
  /** What the client believes of its slots; behind `slots` while it was deaf. */
  private told: (number | undefined)[] = [];
  /** One more than the highest slot the client was told of. */
  private width = 0;
  welcome: Attached | undefined;
  closed: { code: CloseCode; reason: string } | undefined;
  transferred: string | undefined;
  readonly received: { seq: number; index: number; payload: Uint8Array }[] = [];
  acked = 0;
  resynced: number | undefined;
  seq = 0;
  inputs = 0;
  /** Leaves out frames while true, like a proxy whose client is too slow. */
  deaf = false;
  gaps = 0;
  private readonly test: TestShard;

  constructor(
    test: TestShard,
    attach: number,
    peer: number,
    account: string,
    stream = streamOf(attach),
  ) {
    this.stream = stream;
    this.test = test;
    this.attach = attach;
    this.peer = peer;
    this.account = account;
    this.mirror = new WorldMirror(test.definition);
  }

  get session(): number {
    assert.ok(this.welcome !== undefined, `${this.account} has no welcome`);
    return this.welcome.session;
  }

  take(message: ToProxy): void {
    switch (message.type) {
      case "attached":
        assert.equal(this.welcome, undefined, "one welcome per attach");
        this.welcome = message;
        return;
      case "closed":
        assert.equal(this.closed, undefined, "closed once");
        this.closed = { code: message.code, reason: message.reason };
        return;
      case "transfer":
        assert.ok(this.welcome !== undefined, "a transfer comes after the welcome");
        this.transferred = message.world;
    }
  }

  batch(batch: Batch): void {
    const entry = batch.sessions.get(this.attach);
    if (entry !== undefined) {
      assert.equal(this.closed, undefined, "nothing comes after the close");
      for (const message of entry.messages) this.received.push(message);
      if (entry.ack !== undefined) this.acked = entry.ack;
      if (entry.resync !== undefined) this.resynced = entry.resync;
      for (const { slot, topic } of entry.slots) this.slots[slot] = topic < 0 ? undefined : topic;
    }
    if (!this.deaf) this.frame(batch, entry);
  }

  private frame(batch: Batch, entry: SessionEntry | undefined): void {
    const flags = entry?.flags ?? 0;
    const fresh = new Set(entry?.slots.map(({ slot }) => slot));
    const slots = this.slotChanges();
    for (const { slot, topic } of slots)
      if (topic >= 0) this.width = Math.max(this.width, slot + 1);
    const { width } = this;
    const mask = new Uint8Array(Math.ceil(width / 8));
    const sections: Uint8Array[] = [];
    this.slots.forEach((topic, slot) => {
      if (topic === undefined) return;
      const full = (flags & SessionFlag.full) !== 0 || fresh.has(slot);
      const bytes = batch.topics.get(topic)?.[full ? "full" : "delta"];
      if (full) assert.ok(bytes !== undefined && bytes.length > 0, "full state of a new slot");
      if (bytes === undefined || bytes.length === 0) return;
      mask[slot >> 3] = (mask[slot >> 3] ?? 0) | (1 << (slot & 7));
      sections.push(bytes);
    });
    const hasPrivate = (flags & SessionFlag.private) !== 0;
    if (sections.length === 0 && !hasPrivate && slots.length === 0) return;
    const writer = new ByteWriter();
    writer.varint(batch.tick);
    writer.varint(
      (slots.length > 0 ? StateFlag.slots : 0) |
        (hasPrivate ? StateFlag.private : 0) |
        (hasPrivate && flags & SessionFlag.full ? StateFlag.ownAll : 0),
    );
    if (slots.length > 0) writer.varint(slots.length);
    for (const { slot, topic } of slots) {
      writer.varint(slot);
      writer.varint(topic + 1);
    }
    writer.raw(entry?.privateBytes ?? new Uint8Array(0));
    writer.raw(mask);
    for (const section of sections) writer.raw(section);
    const before = new Set(this.mirror.entities.keys());
    const changes = this.mirror.apply(writer.finish());
    if (changes.gap) this.gaps += 1;
    for (const { id } of changes.removed)
      assert.ok(before.has(id), `entity ${id} removed without ever being seen`);
    for (const { id } of changes.added) assert.ok(!before.has(id), `entity ${id} added twice`);
  }

  /** What brings the client's slots to those of the shard: freed ones first. */
  private slotChanges(): { slot: number; topic: number }[] {
    const changed = this.slots.map((topic, slot) => ({ slot, topic, was: this.told[slot] }));
    const differ = changed.filter(({ topic, was }) => topic !== was);
    this.told = [...this.slots];
    return [
      ...differ.filter(({ was }) => was !== undefined).map(({ slot }) => ({ slot, topic: -1 })),
      ...differ.flatMap(({ slot, topic }) => (topic === undefined ? [] : [{ slot, topic }])),
    ];
  }

  say(words: string, seq = ++this.seq): void {
    this.send(UpstreamKind.message, seq, "say", { text: words });
  }

  move(dx: number, dy: number, n = ++this.inputs): void {
    this.send(UpstreamKind.input, n, "move", { dx, dy });
  }

  ack(seq: number): void {
    this.upstream(UpstreamKind.ack, seq, 0, new Uint8Array(0));
  }

  resync(messages = false): void {
    this.upstream(UpstreamKind.resync, messages ? RESYNC_MESSAGES : 0, 0, new Uint8Array(0));
  }

  private send(kind: UpstreamKind, n: number, name: string, value: StructValue): void {
    const { inputs, clientMessages } = this.test.definition;
    const structs = kind === UpstreamKind.input ? inputs : clientMessages;
    const struct = structs.find((s) => s.name === name);
    assert.ok(struct !== undefined);
    const writer = new ByteWriter();
    struct.codec.encode(writer, struct.codec.check(value, name));
    this.upstream(kind, n, struct.index, writer.finish());
  }

  upstream(kind: UpstreamKind, n: number, index: number, payload: Uint8Array): void {
    const batch = new UpstreamBatch();
    batch.add(this.attach, kind, n, index, payload);
    this.test.shard.receive(this.peer, {
      type: "upstream",
      ...this.test.address,
      batch: batch.take(),
    });
  }

  detach(): void {
    this.test.shard.receive(this.peer, {
      type: "detach",
      ...this.test.address,
      attach: this.attach,
    });
  }

  leave(): void {
    this.test.shard.receive(this.peer, {
      type: "leave",
      ...this.test.address,
      attach: this.attach,
    });
  }
}

export interface TestShardOptions {
  hooks?: Hooks;
  space?: "2d" | "3d";
  hasTick?: boolean;
  guard?: ShardDependencies["guard"];
  options?: Partial<ShardOptions>;
}

const unlimited: ShardDependencies["guard"] = (run) => {
  run();
  return "done";
};

let attaches = 0;

/** A shard with a puppet world; every message it sends is checked against the link's bounds. */
export class TestShard {
  readonly hooks: Hooks;
  readonly definition: CompiledDefinition;
  readonly shard: Shard;
  readonly clients: TestClient[] = [];
  readonly others: ToProxy[] = [];
  batches: { peer: number; batch: Batch }[] = [];
  private readonly given: TestShardOptions;

  constructor(given: TestShardOptions = {}) {
    this.given = given;
    this.hooks = given.hooks ?? {};
    const world = puppetWorld(this.hooks, given);
    this.definition = compileDefinition(world.definition.data);
    this.shard = new Shard(
      {
        shard: "puppet/0",
        epoch: 1,
        timeline: 1,
        seed: 7,
        graceTicks: 10,
        maxSessions: 100,
        outboxMessages: 1000,
        outboxBytes: 1_000_000,
        ...given.options,
      },
      {
        module: new TypeScriptModule(world, null),
        definition: this.definition,
        guard: given.guard ?? unlimited,
      },
    );
  }

  get address(): { shard: string; epoch: number } {
    return { shard: "puppet/0", epoch: this.shard.options.epoch };
  }

  /** A shard that goes on from this one's state. */
  successor(options: Partial<ShardOptions>, snapshot = this.shard.snapshot()): TestShard {
    const next = new TestShard({ ...this.given, options: { ...this.given.options, ...options } });
    next.shard.succession.restore(snapshot, []);
    return next;
  }

  attach(account: string, message: Partial<Attach> = {}, peer = 1): TestClient {
    const attach = ++attaches;
    const client = new TestClient(this, attach, peer, account, message.stream);
    this.clients.push(client);
    this.shard.receive(peer, {
      type: "attach",
      ...this.address,
      attach,
      account,
      name: account,
      data: null satisfies Plain,
      stream: client.stream,
      attempt: 0,
      firstUnacked: 1,
      lastReceived: 0,
      schema: this.definition.hash,
      ...message,
    });
    return client;
  }

  /** Comes back to a session on the same stream, as a client or its proxy does. */
  resume(client: TestClient, message: Partial<Attach> = {}, peer = client.peer): TestClient {
    const back = this.attach(
      client.account,
      {
        session: client.session,
        stream: client.stream,
        attempt: (client.welcome?.attempt ?? 0) + 1,
        firstUnacked: client.seq + 1,
        lastReceived: client.received.at(-1)?.seq ?? 0,
        timeline: client.welcome?.timeline ?? 0,
        ...message,
      },
      peer,
    );
    back.seq = client.seq;
    return back;
  }

  watch(topic: string, authorized = false, peer = 1): TestClient {
    const client = new TestClient(this, ++attaches, peer, "");
    this.clients.push(client);
    this.shard.receive(peer, {
      type: "watch",
      ...this.address,
      attach: client.attach,
      topic,
      authorized,
    });
    return client;
  }

  tick(tick?: number): TickResult {
    const result = this.shard.tick(tick);
    this.batches = [];
    for (const { peer, message } of result.messages) {
      assert.equal(linkMessageProblem(message), undefined);
      if (message.type === "downstream") {
        const batch = readBatch(message.batch);
        this.batches.push({ peer, batch });
        for (const client of this.clients) if (client.peer === peer) client.batch(batch);
      } else if ("attach" in message) {
        const client = this.clients.find((c) => c.attach === message.attach && c.peer === peer);
        assert.ok(client !== undefined, "an answer to nobody");
        client.take(message);
      }
      this.others.push(message);
    }
    return result;
  }

  ticks(count: number): TickResult[] {
    return Array.from({ length: count }, () => this.tick());
  }

  join(account: string, message: Partial<Attach> = {}, peer = 1): TestClient {
    const client = this.attach(account, message, peer);
    this.tick();
    assert.ok(client.welcome !== undefined, `${account}: ${client.closed?.code}`);
    return client;
  }
}

export function streamOf(n: number): Uint8Array {
  const stream = new Uint8Array(8);
  new DataView(stream.buffer).setUint32(0, n);
  return stream;
}
