import type { ToShard } from "@atlasnet/core";
import { ByteWriter, type CompiledDefinition, type Response } from "@atlasnet/world";
import { Arrivals } from "./arrivals.ts";
import { AttachmentTable } from "./attachment-table.ts";
import { Downstream } from "./downstream.ts";
import { type Control, EventQueue } from "./event-queue.ts";
import { FaultLog } from "./faults.ts";
import type { Guard } from "./guarded.ts";
import { Handlers } from "./handlers.ts";
import { hashBytes } from "./hash.ts";
import { InputLog } from "./input-log.ts";
import { MessageTraces, type TraceReport } from "./message-traces.ts";
import { Replication } from "./replication.ts";
import { type Addressed, Replies } from "./replies.ts";
import { SessionLife } from "./session-life.ts";
import type { ShardOptions } from "./shard-options.ts";
import { StateCodec } from "./state-codec.ts";
import type { StateCopy } from "./state-copy.ts";
import type { StateHash } from "./state-digest.ts";
import type { StateFollower } from "./state-follower.ts";
import { Store } from "./store.ts";
import { Succession } from "./succession.ts";
import type { RequestState } from "./tables.ts";
import type { TickResult } from "./tick-result.ts";
import { TickWork } from "./tick-work.ts";
import { Topics } from "./topics.ts";
import { Upstream } from "./upstream.ts";
import type { WorldEvent, WorldModule } from "./world-module.ts";

export type { Fault } from "./faults.ts";
export type { TraceReport } from "./message-traces.ts";
export type { ShardOptions } from "./shard-options.ts";
export type { TickResult } from "./tick-result.ts";

export interface ShardDependencies {
  module: WorldModule;
  definition: CompiledDefinition;
  guard: Guard;
  /** Has the state already: see `followOn`. */
  store?: Store | undefined;
}

/**
 * A shard: one store, the module that drives it, and the clients attached to it. Pure: messages and
 * ticks in, a TickResult out. This class joins the parts; what a tick does is in TickWork.
 *
 * 1. State changes only within `tick`, by events in the order they came (rule 3.3).
 * 2. What a tick lets out is in its result, and nowhere else (rule 5.2).
 * 3. A handler that throws or is cut off leaves no trace but its report. The time limit can strike in
 *    the shard's own code as well: `TickWork.repair` trusts nothing but the store's undo log.
 */
export class Shard {
  readonly options: ShardOptions;
  readonly store: Store;
  readonly succession: Succession;
  private readonly codec: StateCodec;
  private readonly replication: Replication;
  private readonly topics: Topics;
  private readonly downstream: Downstream;
  private readonly queue = new EventQueue();
  private readonly inputs = new InputLog();
  private readonly faults = new FaultLog();
  private readonly traces = new MessageTraces();
  private readonly replies: Replies;
  private readonly attachments: AttachmentTable;
  private readonly handlers: Handlers;
  private readonly life: SessionLife;
  private readonly upstream: Upstream;
  private readonly work: TickWork;
  private readonly deltaWriter = new ByteWriter();
  quarantined = false;

  constructor(options: ShardOptions, dependencies: ShardDependencies) {
    const { module, definition, guard } = dependencies;
    this.options = options;
    const outbox = { messages: options.outboxMessages, bytes: options.outboxBytes };
    const store = dependencies.store ?? new Store(definition, { seed: options.seed, outbox });
    if (dependencies.store === undefined) store.timeline = options.timeline;
    const topics = new Topics(definition);
    const downstream = new Downstream(definition, topics, store);
    const { queue } = this;
    const replies = new Replies(options);
    const attachments = new AttachmentTable(topics);
    const handlers = new Handlers(module, store, this.inputs, this.faults);
    const parts = { store, handlers, attachments, replies };
    const life = new SessionLife(options, parts);
    const arrivals = new Arrivals(options, { ...parts, life, topics, downstream });
    const upstream = new Upstream(options, { ...parts, life, queue, traces: this.traces });
    const codec = new StateCodec(definition);
    const replication = new Replication(codec, store);
    const state = { store, codec, replication, topics };
    this.store = store;
    this.succession = new Succession(options, { ...state, life, queue });
    this.codec = codec;
    this.replication = replication;
    this.topics = topics;
    this.downstream = downstream;
    this.replies = replies;
    this.attachments = attachments;
    this.handlers = handlers;
    this.life = life;
    this.upstream = upstream;
    this.work = new TickWork({ ...parts, life, queue, arrivals, upstream, guard });
  }

  /** Batches of proxies that were not of their form. */
  get malformed(): number {
    return this.upstream.malformed;
  }

  /** Client messages dropped because the queue was full. */
  get dropped(): number {
    return this.upstream.dropped;
  }

  /** Traced messages that were not followed, too many being under way. */
  get untraced(): number {
    return this.traces.untraced;
  }

  /** What became of traced messages since the last call; to be asked after `receive` and `tick`. */
  takeTraces(): readonly TraceReport[] {
    return this.traces.take();
  }

  /** Begins a world that never was. */
  create(): void {
    this.enqueueWorld({ type: "create" });
  }

  /** Takes in a state as it is, without resuming it. @throws DecodeError */
  load(snapshot: Uint8Array): void {
    this.codec.apply(snapshot, this.store);
  }

  /**
   * Begins a copy of the state as it is now, between ticks. Ticks go on while it is read; who has it and the delta
   * of every tick after it has the state. `end` it when nobody follows by it any more, read or not: until then
   * `digest` is kept up.
   * @throws OperatingError `too-many-copies`
   */
  beginCopy(): StateCopy {
    return this.replication.beginCopy();
  }

  /** Begins to take another shard's state over, in the pieces of its copy: of a new shard, once. */
  beginLoad(): StateFollower {
    const follower = this.replication.beginLoad();
    this.notePlaces();
    return follower;
  }

  private notePlaces(): void {
    const { entities } = this.store;
    entities.onPlace = (entity, topic, index) => this.topics.place(entity, topic, index);
  }

  /**
   * Whether `digest` is kept up without a copy: of a shard that stands still, and may be gone on with by `followOn`; and of
   * one that follows, and is followed itself as soon as it has taken over, by who has its state already.
   */
  holdDigest(held: boolean): void {
    this.replication.hold(held);
  }

  /**
   * Follows from the state of `before`, whose store this one was made with. That one has stopped for good between two
   * ticks, and held its digest; nothing may be done with it any more.
   * @throws OperatingError when it did not
   */
  followOn(before: Shard): void {
    this.replication.followOn(before.replication);
    // What was derived for the handlers of before is of no use to whoever follows.
    this.store.entities.rebuild();
    this.topics.restore(this.store.entities.all());
    this.notePlaces();
  }

  /** Takes in a tick of the shard that this one follows; each in turn. @throws DecodeError */
  follow(tick: number, delta: Uint8Array): void {
    this.replication.follow(tick, delta);
  }

  /**
   * Equal for equal states (see StateDigest): of a shard that was copied, from when the first copy was
   * read to when the last was ended; of one that follows, once its copy is whole. Undefined otherwise.
   */
  digest(): StateHash | undefined {
    return this.replication.digest();
  }

  /** Players who were connected when it took over, and have not attached again. */
  get expectedBack(): number {
    return this.life.expectedBack;
  }

  /**
   * True when another shard can go on from this one's state: nothing waits for a tick here that nobody would send
   * again. Make one more tick while it is false.
   *
   * What came in after the last tick is left behind without being in the state, and none of it was acknowledged:
   * a client, or its proxy, attaches to the next owner and sends its messages again from `appliedSeq` on, inputs
   * are replaced by newer ones, requests are asked again (`pendingRequests`). A detach is made up for by staying
   * away, but a leave has to be sent again. Who stops here for good sends `takeRefusals` out, and calls
   * `takeWorldEvents` so that traced messages get their report; who goes on after all does nothing but tick.
   */
  get isSettled(): boolean {
    const { handlers, queue, store } = this;
    return !queue.hasOwn && handlers.wishes.length + store.sessions.overflowed.size === 0;
  }

  /** Events of the world itself that were not handled yet: for the shard that goes on instead. */
  takeWorldEvents(): WorldEvent[] {
    this.traces.refusePending(this.store.tick);
    return this.queue
      .drain()
      .flatMap((queued) => (queued.kind === "world" ? [queued.event] : []))
      .filter(({ type }) => type === "create" || type === "response");
  }

  /**
   * Refusals that wait for a tick which will not come, as another shard goes on instead. Without its answer, who
   * attached would wait for it until it gives up.
   */
  takeRefusals(): Addressed[] {
    return this.replies.takeEarly();
  }

  /** Takes the events of the shard that this one goes on for. */
  giveWorldEvents(events: readonly WorldEvent[]): void {
    for (const event of events) this.enqueueWorld(event);
  }

  snapshot(): Uint8Array {
    const writer = new ByteWriter(65_536);
    this.codec.writeSnapshot(writer, this.store);
    return writer.finish();
  }

  /** Hash of the whole state: equal on every replica at the same tick. */
  hash(): string {
    return hashBytes(this.snapshot());
  }

  /** Requests without an answer; after a restore they are asked again. */
  pendingRequests(): RequestState[] {
    return [...this.store.requests.values()];
  }

  /** A message of a proxy. `receivedAt` is for the reports of traced messages, on any clock. */
  receive(peer: number, message: ToShard, receivedAt = 0): void {
    if (message.type === "upstream") return this.upstream.receive(peer, message, receivedAt);
    const opens = message.type === "attach" || message.type === "watch";
    if (message.epoch !== this.options.epoch) {
      if (opens) this.refuse(peer, message, "the shard is at another epoch");
      return;
    }
    if (opens && this.queue.isFull) this.refuse(peer, message, "the world is overloaded");
    else this.queue.push({ kind: "control", peer, message });
  }

  private refuse(peer: number, message: Control, reason: string): void {
    this.replies.close(peer, message.attach, "world-unavailable", reason);
  }

  /** The link to a proxy is gone, and every client on it. */
  disconnect(peer: number): void {
    this.queue.push({ kind: "disconnect", peer });
  }

  /** The answer to a request of the world. */
  respond(response: Response): void {
    if (this.store.requests.get(response.id) !== undefined)
      this.enqueueWorld({ type: "response", response });
  }

  private enqueueWorld(event: WorldEvent): void {
    this.queue.push({ kind: "world", event });
  }

  /** True when a tick now would do more than count. */
  get busy(): boolean {
    if (this.queue.length > 0 || this.replies.waiting) return true;
    if (this.quarantined) return false;
    return (
      this.handlers.hasTick ||
      this.handlers.wishes.length > 0 ||
      this.store.sessions.overflowed.size > 0 ||
      this.downstream.behind
    );
  }

  /** Nobody is here, and nothing is under way that anybody waits for. A shard that was stopped stays as it is. */
  get isDeserted(): boolean {
    const { store, queue, replies, handlers, attachments, quarantined } = this;
    const people = store.sessions.size + attachments.count;
    const work = queue.length + store.requests.size + handlers.wishes.length;
    return people + work === 0 && !replies.waiting && !quarantined;
  }

  /** The next tick at which something is due by itself; Infinity when nothing is. */
  nextDue(): number {
    if (this.quarantined) return Number.POSITIVE_INFINITY;
    return Math.min(this.store.nextTimerDue(), this.life.nextDue());
  }

  get attachmentCount(): number {
    return this.attachments.count;
  }

  /** Clients attached; watchers do not count. */
  get clientCount(): number {
    return this.attachments.clientCount;
  }

  /** True while it ticks whether or not there is anything to do. */
  get isSteady(): boolean {
    return this.handlers.hasTick;
  }

  /**
   * Makes one tick. `tick` is its number, above the last one's: an idle shard may leave some out.
   * `dilation`: how fast world time runs, per mille, when clients should be told.
   */
  tick(tick = this.store.tick + 1, dilation = 0): TickResult {
    this.store.tick = tick;
    this.faults.begin();
    this.queue.begin();
    const interrupted = !this.quarantined && this.work.run();
    if (this.quarantined) this.work.refuseAll();
    const handled = this.queue.finish();
    const failed = this.faults.endTick(interrupted);
    const stops = failed && !this.quarantined;
    if (stops) this.stopForGood();
    return this.commit({ quarantined: stops, handled, dilation });
  }

  private stopForGood(): void {
    this.quarantined = true;
    for (const { peer, number, session } of this.attachments.all()) {
      this.attachments.remove(peer, number);
      this.replies.close(peer, number, "world-failed", "the world was stopped");
      if (session !== undefined) this.life.beginGrace(session);
    }
  }

  private commit(tick: { quarantined: boolean; handled: number; dilation: number }): TickResult {
    const { store, faults } = this;
    this.topics.update(store.entities, store.tick);
    const delta = this.encodeDelta();
    const messages = this.replies.takeEarly();
    for (const message of this.downstream.flush(
      this.options,
      this.attachments.byPeer,
      tick.dilation,
    ))
      messages.push(message);
    messages.push(...this.replies.takeLate());
    const result: TickResult = {
      tick: store.tick,
      delta,
      messages,
      requests: [...store.requests.touched].flatMap((id) => store.requests.get(id) ?? []),
      logs: store.effects.flatMap((effect) => (effect.type === "log" ? [effect] : [])),
      faults: faults.told,
      quarantined: tick.quarantined,
      handled: tick.handled,
      applied: this.upstream.takeApplied(),
      queued: this.queue.length,
      moreFaults: faults.more,
    };
    this.replication.update();
    store.clearChanges();
    return result;
  }

  /** Changes (see StateCodec) and the inputs that led to them. */
  private encodeDelta(): Uint8Array {
    const { deltaWriter: writer, inputs } = this;
    writer.reset();
    this.codec.writeDelta(writer, this.store, inputs.bytes);
    inputs.clear();
    return writer.finish();
  }
}
