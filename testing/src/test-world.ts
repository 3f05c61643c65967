import { type ToProxy, UpstreamBatch, UpstreamKind } from "@atlasnet/core";
import { ModuleContext, Shard, TypeScriptModule } from "@atlasnet/gameserver";
import {
  ByteReader,
  ByteWriter,
  type ClientMessagesOf,
  type CloseCode,
  type CompiledDefinition,
  compileDefinition,
  type InputsOf,
  type JoinOf,
  type Plain,
  type Player,
  type ServerMessagesOf,
  type World,
  type WorldContext,
  type WorldSpec,
} from "@atlasnet/world";
import { readReliable } from "./read-downstream.ts";

export interface TestWorldOptions {
  /** Seed of the world's random numbers. Default 1. */
  seed?: number;
  /** The world's `config`. */
  config?: Plain;
  /** Ticks a session waits for its lost client. Default 100. */
  graceTicks?: number;
}

/** A world without a server: join players, send, tick, look. */
export interface TestWorld<S extends WorldSpec> {
  /** The world's own view of itself, for looking at entities, players and keys. */
  readonly ctx: WorldContext<S>;
  readonly tick: number;
  /** Joins a player and makes one tick. Throws when the world refuses it. */
  join(
    account: string,
    options?: { name?: string; data?: Plain; params?: JoinOf<S> },
  ): TestPlayer<S>;
  /** Makes `ticks` ticks (default 1). Throws what a handler threw. */
  run(ticks?: number): void;
  /** Hash of the whole state. */
  hash(): string;
  /**
   * Plays everything so far again in a fresh world and compares the hash of every tick; then
   * restores a snapshot and compares its hash. Throws where they differ: the world uses something
   * besides its state (a variable, the clock, Math.random).
   */
  checkDeterminism(): void;
}

export interface TestPlayer<S extends WorldSpec> {
  readonly player: Player<S>;
  /** Sends a reliable message; it is handled in the next tick. */
  send<M extends keyof ClientMessagesOf<S> & string>(
    name: M,
    payload: ClientMessagesOf<S>[M],
  ): void;
  input<I extends keyof InputsOf<S> & string>(name: I, payload: InputsOf<S>[I]): void;
  /** Messages the world sent to this player since the last call, oldest first. */
  received<M extends keyof ServerMessagesOf<S> & string>(name: M): ServerMessagesOf<S>[M][];
  /** Loses the connection; the grace period begins with the next tick. */
  drop(): void;
  /** Leaves the world with the next tick. */
  leave(): void;
  /** Why the world or the server ended the session, if it did. */
  readonly closed: { code: CloseCode; reason: string } | undefined;
}

const PEER = 1;
const SHARD = "test/0";
const EPOCH = 1;

/** Puts a world under test. Deterministic: the same calls give the same hashes. */
export function testWorld<S extends WorldSpec>(
  world: World<S>,
  options: TestWorldOptions = {},
): TestWorld<S> {
  return new ShardUnderTest(world, options);
}

type Step =
  | { kind: "message"; message: Parameters<Shard["receive"]>[1] }
  | { kind: "tick"; hash: string };

class ShardUnderTest<S extends WorldSpec> implements TestWorld<S> {
  readonly ctx: WorldContext<S>;
  readonly definition: CompiledDefinition;
  private readonly world: World<S>;
  private readonly options: TestWorldOptions;
  private readonly shard: Shard;
  private readonly players = new Map<number, Handle<S>>();
  private readonly steps: Step[] = [];
  private nextAttach = 1;

  constructor(world: World<S>, options: TestWorldOptions) {
    this.world = world;
    this.options = options;
    this.definition = compileDefinition(world.definition.data);
    this.shard = this.makeShard();
    this.shard.create();
    // A second context over the same store: it reads and writes what the world's own does.
    this.ctx = new ModuleContext(this.shard.store, options.config ?? null) as never;
  }

  get tick(): number {
    return this.shard.store.tick;
  }

  private makeShard(): Shard {
    const module = new TypeScriptModule(
      this.world as unknown as World,
      this.options.config ?? null,
    );
    return new Shard(
      {
        shard: SHARD,
        epoch: EPOCH,
        timeline: 1,
        seed: this.options.seed ?? 1,
        graceTicks: this.options.graceTicks ?? 100,
        maxSessions: 100_000,
        outboxMessages: 1_000_000,
        outboxBytes: 1_000_000_000,
      },
      {
        module,
        definition: this.definition,
        guard: (run) => {
          run();
          return "done";
        },
      },
    );
  }

  join(
    account: string,
    options: { name?: string; data?: Plain; params?: JoinOf<S> } = {},
  ): TestPlayer<S> {
    const attach = this.nextAttach++;
    const stream = new Uint8Array(8);
    new DataView(stream.buffer).setUint32(0, attach);
    const writer = new ByteWriter();
    this.definition.join.encode(writer, this.definition.join.check(options.params ?? {}, "params"));
    const handle = new Handle<S>(this, attach, account);
    this.players.set(attach, handle);
    this.receive({
      type: "attach",
      shard: SHARD,
      epoch: EPOCH,
      attach,
      account,
      name: options.name ?? account,
      data: options.data ?? null,
      stream,
      attempt: 0,
      firstUnacked: 1,
      lastReceived: 0,
      schema: this.definition.hash,
      params: writer.finish(),
    });
    this.run();
    if (handle.session === 0)
      throw new Error(
        `${account} was not let in: ${handle.closed?.code ?? "no answer"} (${handle.closed?.reason ?? ""})`,
      );
    return handle;
  }

  receive(message: Parameters<Shard["receive"]>[1]): void {
    this.steps.push({ kind: "message", message });
    this.shard.receive(PEER, message);
  }

  run(ticks = 1): void {
    for (let i = 0; i < ticks; i++) {
      const result = this.shard.tick();
      this.steps.push({ kind: "tick", hash: this.shard.hash() });
      for (const { message } of result.messages) this.deliver(message);
      const fault = result.faults[0];
      if (fault !== undefined)
        throw new Error(`${fault.event} threw at tick ${fault.tick}: ${fault.message}`, {
          cause: fault.stack,
        });
    }
  }

  private deliver(message: ToProxy): void {
    if (message.type === "downstream") {
      for (const { attach, index, payload } of readReliable(message.batch))
        this.players.get(attach)?.deliver(index, payload);
    } else if (message.type === "attached") {
      this.players.get(message.attach)?.attached(message.session);
    } else if (message.type === "closed") {
      this.players.get(message.attach)?.close(message.code, message.reason);
    }
  }

  player(session: number): Player<S> {
    const player = this.ctx.player(session);
    if (player === undefined) throw new Error("the player has left the world");
    return player;
  }

  hash(): string {
    return this.shard.hash();
  }

  checkDeterminism(): void {
    const twin = this.makeShard();
    twin.create();
    for (const step of this.steps) {
      if (step.kind === "message") twin.receive(PEER, step.message);
      else {
        const { tick } = twin.tick();
        const hash = twin.hash();
        if (hash !== step.hash)
          throw new Error(
            `the world is not deterministic: at tick ${tick} a second run has another state (${hash}, not ${step.hash})`,
          );
      }
    }
    const restored = this.makeShard();
    restored.load(this.shard.snapshot());
    if (restored.hash() !== this.shard.hash())
      throw new Error("a restored snapshot has another state hash than the world it was taken of");
  }
}

class Handle<S extends WorldSpec> implements TestPlayer<S> {
  private readonly world: ShardUnderTest<S>;
  private readonly attach: number;
  private readonly account: string;
  private readonly inbox: { name: string; payload: unknown }[] = [];
  private seq = 0;
  private inputs = 0;
  session = 0;
  closed: { code: CloseCode; reason: string } | undefined;

  constructor(world: ShardUnderTest<S>, attach: number, account: string) {
    this.world = world;
    this.attach = attach;
    this.account = account;
  }

  get player(): Player<S> {
    if (this.session === 0) throw new Error(`${this.account} is not in the world`);
    return this.world.player(this.session);
  }

  attached(session: number): void {
    this.session = session;
  }

  close(code: CloseCode, reason: string): void {
    this.closed = { code, reason };
  }

  deliver(index: number, payload: Uint8Array): void {
    const struct = this.world.definition.serverMessages[index];
    if (struct === undefined) throw new Error(`server message ${index} is not in the definition`);
    this.inbox.push({ name: struct.name, payload: struct.codec.decode(new ByteReader(payload)) });
  }

  send(name: string, payload: object): void {
    this.seq += 1;
    this.upstream(
      UpstreamKind.message,
      this.seq,
      this.world.definition.clientMessages,
      name,
      payload,
    );
  }

  input(name: string, payload: object): void {
    this.inputs += 1;
    this.upstream(UpstreamKind.input, this.inputs, this.world.definition.inputs, name, payload);
  }

  private upstream(
    kind: UpstreamKind,
    n: number,
    structs: CompiledDefinition["inputs"],
    name: string,
    payload: object,
  ): void {
    const struct = structs.find((s) => s.name === name);
    if (struct === undefined) throw new TypeError(`"${name}" is not in the definition`);
    const writer = new ByteWriter();
    struct.codec.encode(writer, struct.codec.check({ ...payload }, name));
    const batch = new UpstreamBatch();
    batch.add(this.attach, kind, n, struct.index, writer.finish());
    this.world.receive({ type: "upstream", shard: SHARD, epoch: EPOCH, batch: batch.take() });
  }

  received<M extends keyof ServerMessagesOf<S> & string>(name: M): ServerMessagesOf<S>[M][] {
    const found: ServerMessagesOf<S>[M][] = [];
    for (let i = 0; i < this.inbox.length; ) {
      const message = this.inbox[i];
      if (message?.name === name) {
        found.push(message.payload as ServerMessagesOf<S>[M]);
        this.inbox.splice(i, 1);
      } else i += 1;
    }
    return found;
  }

  drop(): void {
    this.world.receive({ type: "detach", shard: SHARD, epoch: EPOCH, attach: this.attach });
  }

  leave(): void {
    this.world.receive({ type: "leave", shard: SHARD, epoch: EPOCH, attach: this.attach });
  }
}
