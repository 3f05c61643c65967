import type { Attach, Detach, Leave, ToProxy, ToShard, Watch } from "@atlasnet/core";
import {
  clipText,
  MAX_REASON_BYTES,
  readUpstreamEntry,
  type UpstreamEntry,
  UpstreamKind,
} from "@atlasnet/core";
import {
  ByteReader,
  ByteWriter,
  type CloseCode,
  type CompiledDefinition,
  DecodeError,
  type LeaveReason,
  type Plain,
  type Response,
} from "@atlasnet/world";
import { Attachment } from "./attachment.ts";
import { Downstream } from "./downstream.ts";
import { hashBytes } from "./hash.ts";
import type { SessionState } from "./session-state.ts";
import { StateCodec } from "./state-codec.ts";
import { Store } from "./store.ts";
import type { RequestState } from "./tables.ts";
import { Topics } from "./topics.ts";
import type { WorldEvent, WorldModule } from "./world-module.ts";

export interface ShardOptions {
  /** The shard's id, `<world>/0`. */
  shard: string;
  epoch: number;
  timeline: number;
  seed: number;
  /** Ticks a session waits for its lost client. */
  graceTicks: number;
  maxSessions: number;
  outboxMessages: number;
  outboxBytes: number;
}

export interface ShardDependencies {
  module: WorldModule;
  definition: CompiledDefinition;
  /** Runs world code under the time limit; `interrupted` when it was cut off. */
  guard: (run: () => void) => "done" | "interrupted";
}

/** Something world code did wrong; its writes were taken back. */
export interface Fault {
  kind: "threw" | "time-limit";
  /** The event whose handler it was. */
  event: string;
  tick: number;
  message: string;
  stack: string;
}

export interface TickResult {
  tick: number;
  /** The tick's inputs and changes, for the journal and replicas. */
  delta: Uint8Array;
  messages: { peer: number; message: ToProxy }[];
  requests: RequestState[];
  logs: { message: string; facts: { readonly [key: string]: Plain } }[];
  faults: Fault[];
  /** True when the shard has just stopped for good after repeated faults. */
  quarantined: boolean;
  /** Events handled, and those put off to the next tick. */
  handled: number;
  queued: number;
  /** Faults beyond MAX_FAULTS_PER_TICK, which are not in `faults`. */
  moreFaults: number;
}

/** Events handled in one tick; more wait for the next. */
export const MAX_EVENTS_PER_TICK = 20_000;
/** Faults told of one tick; the others are counted. */
export const MAX_FAULTS_PER_TICK = 20;
/** Events waiting; past it messages of clients are dropped (reliable ones are sent again later). */
export const MAX_QUEUED_EVENTS = 100_000;
/** Ticks in a row with a fault of `tick`, or with an interruption, before the world is stopped. */
export const MAX_FAULTY_TICKS = 10;
export const MAX_INTERRUPTED_TICKS = 3;

type Queued =
  | { kind: "control"; peer: number; message: Attach | Watch | Detach | Leave }
  | { kind: "disconnect"; peer: number }
  | { kind: "upstream"; attachment: Attachment; entry: UpstreamEntry }
  | { kind: "world"; event: WorldEvent };

/** What world code asked for, granted once its handler and the event are through. */
type Wish = { type: "kick"; session: number; reason: string } | TransferWish;
type TransferWish = { type: "transfer"; session: number; world: string };

/**
 * A shard: one store, the module that drives it, and the clients attached to it. Pure: messages and
 * ticks in, a TickResult out.
 *
 * 1. State changes only within `tick`, by events in the order they came (rule 3.3).
 * 2. What a tick lets out is in its result, and nowhere else (rule 5.2).
 * 3. A handler that throws or is cut off leaves no trace but its report. The time limit can strike in
 *    the shard's own code as well: `repair` trusts nothing but the store's undo log.
 */
export class Shard {
  readonly options: ShardOptions;
  readonly store: Store;
  private readonly module: WorldModule;
  private readonly guard: ShardDependencies["guard"];
  private readonly codec: StateCodec;
  private readonly topics: Topics;
  private readonly downstream: Downstream;
  private readonly peers = new Map<number, Map<number, Attachment>>();
  private readonly bySession = new Map<number, Attachment>();
  private queue: Queued[] = [];
  private position = 0;
  /** The handler being run, for the report of an interruption. */
  private running = "";
  private faultyTicks = 0;
  private interruptedTicks = 0;
  private replies: { peer: number; message: ToProxy }[] = [];
  /** Go out behind the tick's batches: what was sent before them comes first. */
  private lateReplies: { peer: number; message: ToProxy }[] = [];
  private readonly wishes: Wish[] = [];
  // What is being done, for `repair`.
  private current: Queued | undefined;
  private joining: SessionState | undefined;
  private ending: { session: SessionState; code: CloseCode; text: string } | undefined;
  /** Length of `inputs` up to the last one that is whole. */
  private noted = 0;
  private moreFaults = 0;
  private tickFailed = false;
  private readonly inputs = new ByteWriter();
  private readonly deltaWriter = new ByteWriter();
  quarantined = false;
  /** Batches of proxies that were not of their form. */
  malformed = 0;
  /** Client messages dropped because the queue was full. */
  dropped = 0;

  constructor(options: ShardOptions, dependencies: ShardDependencies) {
    this.options = options;
    this.module = dependencies.module;
    this.guard = dependencies.guard;
    const { definition } = dependencies;
    const outbox = { messages: options.outboxMessages, bytes: options.outboxBytes };
    this.store = new Store(definition, { seed: options.seed, outbox });
    this.store.timeline = options.timeline;
    this.codec = new StateCodec(definition);
    this.topics = new Topics(definition);
    this.downstream = new Downstream(definition, this.topics, this.store);
  }

  /** Begins a world that never was. */
  create(): void {
    this.enqueueWorld({ type: "create" });
  }

  /** Takes in a snapshot, then deltas. @throws DecodeError */
  restore(snapshot: Uint8Array, deltas: Iterable<Uint8Array>): void {
    this.load(snapshot);
    for (const delta of deltas) this.codec.apply(delta, this.store);
    this.resumeState();
  }

  /** Takes in a state that was made for this definition out of another one's. */
  adopt(fill: (store: Store) => void): void {
    fill(this.store);
    this.resumeState();
    // Topics and indexes of the old definition mean nothing here: everybody enters anew.
    for (const entity of this.store.entities.all()) {
      this.store.entities.changed(entity);
      entity.$spawned = true;
    }
  }

  /** Takes in a state as it is, without resuming it. @throws DecodeError */
  load(snapshot: Uint8Array): void {
    this.codec.apply(snapshot, this.store);
  }

  /** After the store was filled: sessions wait for their clients, topics stand as recorded. */
  resumeState(): void {
    this.store.clearChanges();
    this.topics.restore(this.store.entities.all());
    for (const session of this.store.sessions.all()) {
      if (session.connected) this.enqueueWorld({ type: "drop", session: session.id });
      session.connected = false;
      session.graceEnd = this.store.tick + this.options.graceTicks;
      this.store.sessions.changed(session, true);
    }
    this.assume(this.options);
  }

  /**
   * Acts at this epoch and timeline from here on. A shard whose run is not known yet is made with
   * timeline 0, restored, and told before its first tick.
   */
  assume(run: { epoch: number; timeline: number }): void {
    this.options.epoch = run.epoch;
    this.options.timeline = run.timeline;
    if (run.timeline === 0 || run.timeline === this.store.timeline) return;
    if (this.store.timeline !== 0) this.store.sessions.wentBack();
    this.store.timeline = run.timeline;
  }

  /** Events of the world itself that were not handled yet: for the shard that goes on instead. */
  takeWorldEvents(): WorldEvent[] {
    const events = this.queue
      .slice(this.position)
      .flatMap((queued) => (queued.kind === "world" ? [queued.event] : []));
    this.queue = [];
    this.position = 0;
    return events.filter(({ type }) => type === "create" || type === "response");
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

  /** A message of a proxy. */
  receive(peer: number, message: ToShard): void {
    if (message.epoch !== this.options.epoch) {
      if (message.type === "attach" || message.type === "watch")
        this.close(peer, message.attach, "world-unavailable", "the shard is at another epoch");
      return;
    }
    if (message.type === "upstream") return this.receiveUpstream(peer, message.batch);
    const opens = message.type === "attach" || message.type === "watch";
    if (opens && this.queueIsFull)
      this.close(peer, message.attach, "world-unavailable", "the world is overloaded");
    else this.queue.push({ kind: "control", peer, message });
  }

  private get queueIsFull(): boolean {
    return this.queue.length - this.position >= MAX_QUEUED_EVENTS;
  }

  private receiveUpstream(peer: number, batch: Uint8Array): void {
    const attachments = this.peers.get(peer);
    const reader = new ByteReader(batch);
    while (reader.remaining > 0) {
      const entry = readEntry(reader);
      if (entry === undefined) {
        this.malformed += 1;
        return;
      }
      const attachment = attachments?.get(entry.attach);
      // Entries of an attachment that has just ended are late, not wrong.
      if (attachment === undefined) continue;
      if (this.queueIsFull) {
        this.dropped += 1;
        attachment.resync ||= entry.kind === UpstreamKind.message;
        continue;
      }
      this.queue.push({ kind: "upstream", attachment, entry });
    }
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
    if (this.queue.length > this.position || this.replies.length > 0) return true;
    if (this.quarantined) return false;
    return (
      this.module.hasTick ||
      this.wishes.length > 0 ||
      this.store.sessions.overflowed.size > 0 ||
      this.downstream.behind
    );
  }

  /** The next tick at which something is due by itself; Infinity when nothing is. */
  nextDue(): number {
    if (this.quarantined) return Number.POSITIVE_INFINITY;
    let due = this.store.nextTimerDue();
    for (const session of this.store.sessions.all())
      if (!session.connected) due = Math.min(due, session.graceEnd);
    return due;
  }

  get attachmentCount(): number {
    let count = 0;
    for (const attachments of this.peers.values()) count += attachments.size;
    return count;
  }

  /**
   * Makes one tick. `tick` is its number, above the last one's: an idle shard may leave some out.
   * `dilation`: how fast world time runs, per mille, when clients should be told.
   */
  tick(tick = this.store.tick + 1, dilation = 0): TickResult {
    const { store } = this;
    store.tick = tick;
    const faults: Fault[] = [];
    this.moreFaults = 0;
    this.tickFailed = false;
    const start = this.position;
    const end = Math.min(this.queue.length, start + MAX_EVENTS_PER_TICK);
    const interrupted = !this.quarantined && this.runGuarded(end, faults);
    if (this.quarantined) this.refuseAll(end);
    const handled = this.position - start;
    this.queue = this.position === this.queue.length ? [] : this.queue.slice(this.position);
    this.position = 0;
    const quarantined = this.countFaults(interrupted);
    return this.commit({ faults, quarantined, handled, dilation });
  }

  /** Runs the handlers of this tick under the time limit. True when they were cut off. */
  private runGuarded(end: number, faults: Fault[]): boolean {
    this.running = "the tick's own work";
    this.store.savepoint();
    const outcome = this.guard(() => {
      this.grantWishes(faults);
      this.fireTimers(faults);
      while (this.position < end) {
        const queued = this.queue[this.position];
        this.position += 1;
        if (queued === undefined) continue;
        this.current = queued;
        this.process(queued, faults);
        this.grantWishes(faults);
        this.current = undefined;
      }
      // After the events: who comes back in its last tick is in.
      this.endOverdue(faults);
      this.grantWishes(faults);
      if (this.module.hasTick) this.run({ type: "tick" }, faults);
      this.grantWishes(faults);
      this.endOverflowed(faults);
      this.grantWishes(faults);
    });
    if (outcome === "done") return false;
    this.store.rollback(true);
    // The next try draws other numbers, as after a handler that threw.
    this.store.random.next();
    this.repair();
    faults.push({
      kind: "time-limit",
      event: this.running,
      tick: this.store.tick,
      message: `the handler of "${this.running}" ran into the time limit and was taken back`,
      stack: "",
    });
    return true;
  }

  /**
   * After an interruption: whatever was being done about sessions and attachments is brought to an
   * end without world code, and everything derived is made anew.
   */
  private repair(): void {
    const { store, current, joining, ending } = this;
    const { sessions } = store;
    this.current = undefined;
    this.joining = undefined;
    this.ending = undefined;
    this.inputs.length = this.noted;
    sessions.rebuild();
    if (joining !== undefined) this.forgetSession(joining);
    if (ending !== undefined) this.finishEnding(ending);
    if (current?.kind === "disconnect")
      for (const number of [...(this.peers.get(current.peer)?.keys() ?? [])])
        this.remove(current.peer, number);
    if (current?.kind === "control") {
      const { peer, message } = current;
      const opens = message.type === "attach" || message.type === "watch";
      if (message.type === "detach" || opens) this.remove(peer, message.attach);
      if (opens)
        this.close(peer, message.attach, "internal-error", "the world did not answer in time");
    }
    this.bySession.clear();
    const all: Attachment[] = [];
    for (const attachments of this.peers.values()) all.push(...attachments.values());
    for (const attachment of all) {
      const { session, peer, number } = attachment;
      if (session === undefined) continue;
      if (sessions.sessionById(session.id) === session) this.bySession.set(session.id, attachment);
      else {
        this.remove(peer, number);
        this.close(peer, number, "internal-error", "the session ended");
      }
    }
    this.topics.recount(all);
    for (const session of sessions.all())
      if (session.connected && !this.bySession.has(session.id)) this.beginGrace(session);
  }

  private beginGrace(session: SessionState): void {
    session.connected = false;
    session.graceEnd = this.store.tick + this.options.graceTicks;
    this.store.sessions.changed(session, true);
  }

  private endOverdue(faults: Fault[]): void {
    for (const session of [...this.store.sessions.all()])
      if (!session.connected && session.graceEnd <= this.store.tick)
        this.endSession(
          session,
          "grace-expired",
          "session-lost",
          "the grace period is over",
          faults,
        );
  }

  private fireTimers(faults: Fault[]): void {
    for (const timer of this.store.dueTimers()) {
      // An earlier timer of this tick may have cancelled it.
      if (!this.store.timers.delete(timer.id)) continue;
      this.run({ type: "timer", name: timer.name, data: timer.data }, faults);
      this.grantWishes(faults);
    }
  }

  private endOverflowed(faults: Fault[]): void {
    for (const id of [...this.store.sessions.overflowed]) {
      const session = this.store.sessions.sessionById(id);
      if (session === undefined) continue;
      const reason = "too many unacknowledged messages";
      this.endSession(session, "kicked", "slow-consumer", reason, faults);
    }
  }

  private process(queued: Queued, faults: Fault[]): void {
    switch (queued.kind) {
      case "control":
        return this.control(queued.peer, queued.message, faults);
      case "disconnect":
        for (const number of [...(this.peers.get(queued.peer)?.keys() ?? [])])
          this.detach(queued.peer, number, faults);
        return;
      case "upstream":
        return this.upstream(queued.attachment, queued.entry, faults);
      case "world":
        return this.processWorld(queued.event, faults);
    }
  }

  private processWorld(event: WorldEvent, faults: Fault[]): void {
    if (event.type === "response" && !this.store.requests.delete(event.response.id)) return;
    if (event.type === "drop") {
      const session = this.store.sessions.sessionById(event.session);
      if (session === undefined || session.connected) return;
    }
    this.note(event);
    this.run(event, faults);
  }

  private control(peer: number, message: Attach | Watch | Detach | Leave, faults: Fault[]): void {
    switch (message.type) {
      case "attach":
        return this.attach(peer, message, faults);
      case "watch":
        return this.watch(peer, message);
      case "detach":
        return this.detach(peer, message.attach, faults);
      case "leave": {
        const session = this.peers.get(peer)?.get(message.attach)?.session;
        if (session === undefined) return;
        this.endSession(session, "left", "left", "the player left", faults);
      }
    }
  }

  private detach(peer: number, number: number, faults: Fault[]): void {
    const session = this.remove(peer, number)?.session;
    if (session !== undefined) this.dropSession(session, faults);
  }

  private attach(peer: number, message: Attach, faults: Fault[]): void {
    const refuse = (code: CloseCode, reason: string) =>
      this.close(peer, message.attach, code, reason);
    const { hash } = this.store.definition;
    if (message.schema !== undefined && !sameBytes(message.schema, hash))
      return refuse("schema-mismatch", "the client was built against another definition");
    const { sessions } = this.store;
    let session: SessionState | undefined;
    if (message.session !== undefined) {
      session = sessions.sessionById(message.session);
      if (session === undefined || session.account !== message.account)
        return refuse("session-lost", "the session has ended");
      if (this.isStale(session, message))
        return refuse("stale-attempt", "a newer connection holds the session");
    } else session = sessions.ofAccount(message.account);
    const isNew = session === undefined;
    if (session === undefined) {
      if (sessions.size >= this.options.maxSessions)
        return refuse("world-full", `the world has ${sessions.size} players, the most it takes`);
      session = sessions.create({
        account: message.account,
        name: message.name,
        data: message.data,
        stream: message.stream,
      });
      this.joining = session;
    }
    this.takeOver(session);
    const sharedSeq = this.resynchronise(session, message);
    session.attempt = message.session === undefined ? session.attempt + 1 : message.attempt;
    session.epoch = this.options.epoch;
    const wasConnected = session.connected;
    session.connected = true;
    session.graceEnd = 0;
    sessions.changed(session, true);
    if (isNew) {
      const refusal = this.join(session, message, faults);
      this.joining = undefined;
      if (refusal !== undefined) return refuse(refusal.code, refusal.reason);
    } else if (!wasConnected) {
      const event: WorldEvent = { type: "resume", session: session.id };
      this.note(event);
      this.run(event, faults);
    }
    const attachment = new Attachment(peer, message.attach, session);
    attachment.sharedSeq = sharedSeq;
    attachment.sentSeq = session.ackedSeq;
    this.insert(peer, attachment);
    this.bySession.set(session.id, attachment);
    this.downstream.welcome(attachment, message.schema === undefined);
  }

  /** Only the newest (epoch, attempt) may hold a session; the same one may come again. */
  private isStale(session: SessionState, message: Attach): boolean {
    if (message.attempt < session.attempt) return true;
    return message.attempt === session.attempt && !sameBytes(message.stream, session.stream);
  }

  /** Calls `join`; says why the player may not come in. */
  private join(
    session: SessionState,
    message: Attach,
    faults: Fault[],
  ): { code: CloseCode; reason: string } | undefined {
    const event: WorldEvent = { type: "join", session: session.id, params: message.params };
    this.note(event);
    const error = this.run(event, faults);
    if (error === undefined) return undefined;
    this.forgetSession(session);
    if (isJoinRefused(error)) return { code: "join-refused", reason: String(error.message) };
    if (error instanceof DecodeError)
      return { code: "bad-message", reason: `params: ${error.message}` };
    return { code: "internal-error", reason: "the world failed to take the player in" };
  }

  /** A newer connection takes the session: the older one is told. */
  private takeOver(session: SessionState): void {
    const older = this.bySession.get(session.id);
    if (older === undefined) return;
    this.remove(older.peer, older.number);
    this.close(older.peer, older.number, "superseded", "a newer connection took the session over");
  }

  /**
   * Brings both numberings in line with what the client has (design section 4). Returns the newest
   * message whose number means the same to both sides, when the client knows another timeline.
   */
  private resynchronise(session: SessionState, message: Attach): number | undefined {
    const { sessions } = this.store;
    if (sameBytes(message.stream, session.stream)) {
      if (message.timeline !== undefined && message.timeline !== this.options.timeline) {
        const sharedSeq = Math.min(session.sharedSeq, session.outSeq);
        sessions.acknowledge(session, Math.min(message.lastReceived, sharedSeq));
        return sharedSeq;
      }
      sessions.knowsTimeline(session);
      sessions.acknowledge(session, message.lastReceived);
      return undefined;
    }
    session.appliedSeq = 0;
    session.lastInput = 0;
    session.outSeq = 0;
    session.ackedSeq = 0;
    session.outbox = [];
    session.outboxBytes = 0;
    sessions.knowsTimeline(session);
    // Last: an interruption before it leaves a stream that the next attach resets again.
    session.stream = message.stream;
    return undefined;
  }

  private watch(peer: number, message: Watch): void {
    const topic = this.topicByName(message.topic, message.authorized);
    if (topic === undefined) {
      const reason = `no topic "${message.topic}" that is public`;
      return this.close(peer, message.attach, "unknown-topic", reason);
    }
    const attachment = new Attachment(peer, message.attach, undefined);
    this.insert(peer, attachment);
    attachment.add(topic, this.topics);
    const { shard, epoch } = this.options;
    const definition = this.store.definition.data;
    this.reply(peer, { type: "watching", shard, epoch, attach: message.attach, definition });
  }

  private topicByName(name: string, authorized: boolean): number | undefined {
    const { data, grid } = this.store.definition;
    const channel = data.channels.findIndex((c) => c.name === name);
    if (channel >= 0) return authorized || data.channels[channel]?.public ? channel : undefined;
    if (grid === undefined || !(authorized || data.publicCells)) return undefined;
    const pattern = grid.space.kind === "grid2d" ? CELL_2D : CELL_3D;
    return pattern.test(name)
      ? grid.topicOfCell(name.slice("cell/".length).split(",").map(Number))
      : undefined;
  }

  private upstream(attachment: Attachment, entry: UpstreamEntry, faults: Fault[]): void {
    const { session } = attachment;
    if (session === undefined || this.bySession.get(session.id) !== attachment) return;
    const { sessions } = this.store;
    switch (entry.kind) {
      case UpstreamKind.ack:
        return sessions.acknowledge(session, entry.n);
      case UpstreamKind.resync:
        attachment.full = true;
        return;
      case UpstreamKind.input:
        if (entry.n <= session.lastInput) return;
        session.lastInput = entry.n;
        break;
      case UpstreamKind.message:
        if (entry.n > session.appliedSeq + 1) {
          attachment.resync = true;
          return;
        }
        attachment.ack = true;
        if (entry.n <= session.appliedSeq) return;
        session.appliedSeq = entry.n;
        break;
    }
    sessions.changed(session, false);
    const { index, payload } = entry;
    const type = entry.kind === UpstreamKind.input ? "input" : "message";
    const event: WorldEvent = { type, session: session.id, index, payload };
    this.note(event);
    const error = this.run(event, faults);
    if (!(error instanceof DecodeError)) return;
    this.remove(attachment.peer, attachment.number);
    this.close(attachment.peer, attachment.number, "bad-message", error.message);
    this.dropSession(session, faults);
  }

  /** The session's client is gone; the grace period begins. */
  private dropSession(session: SessionState, faults: Fault[]): void {
    this.beginGrace(session);
    const event: WorldEvent = { type: "drop", session: session.id };
    this.note(event);
    this.run(event, faults);
  }

  private endSession(
    session: SessionState,
    reason: LeaveReason,
    code: CloseCode,
    text: string,
    faults: Fault[],
  ): void {
    this.ending = { session, code, text };
    const event: WorldEvent = { type: "leave", session: session.id, reason };
    this.note(event);
    this.run(event, faults);
    this.finishEnding(this.ending);
    this.ending = undefined;
  }

  private finishEnding(ended: { session: SessionState; code: CloseCode; text: string }): void {
    const { session, code, text } = ended;
    const attachment = this.bySession.get(session.id);
    this.forgetSession(session);
    if (attachment === undefined) return;
    this.remove(attachment.peer, attachment.number);
    this.close(attachment.peer, attachment.number, code, text);
  }

  private forgetSession(session: SessionState): void {
    const { entities, sessions } = this.store;
    const entity = entities.get(session.entity);
    if (entity !== undefined) entities.despawn(entity);
    for (const owned of entities.ownedBySession(session.id)) entities.setOwner(owned, undefined);
    sessions.remove(session);
  }

  /** Runs one handler; takes back and reports what it threw. Returns the error. */
  private run(event: WorldEvent, faults: Fault[]): unknown {
    const { store } = this;
    this.running = nameOf(event, store.definition);
    store.savepoint();
    const effectsBefore = store.effects.length;
    try {
      this.module.handle(event, store);
    } catch (error) {
      store.rollback(false);
      // The next try draws other numbers: bad luck is not repeated for ever.
      store.random.next();
      if (!isExpected(error, event)) this.report(faultOf(error, this.running, store.tick), faults);
      if (event.type === "tick") this.tickFailed = true;
      return error;
    }
    const effects = store.effects.slice(effectsBefore);
    store.savepoint();
    for (const effect of effects) if (effect.type !== "log") this.wishes.push(effect);
    return undefined;
  }

  private report(fault: Fault, faults: Fault[]): void {
    if (faults.length < MAX_FAULTS_PER_TICK || fault.event === "tick") faults.push(fault);
    else this.moreFaults += 1;
  }

  /** Not from within a handler's run: a leave handler may kick others, or the one who leaves. */
  private grantWishes(faults: Fault[]): void {
    for (let wish = this.wishes.shift(); wish !== undefined; wish = this.wishes.shift()) {
      const session = this.store.sessions.sessionById(wish.session);
      if (session === undefined) continue;
      if (wish.type === "kick") this.endSession(session, "kicked", "kicked", wish.reason, faults);
      else this.transfer(session, wish.world);
    }
  }

  private transfer(session: SessionState, world: string): void {
    const attachment = this.bySession.get(session.id);
    if (attachment === undefined) return;
    const { shard, epoch } = this.options;
    const message = { type: "transfer", shard, epoch, attach: attachment.number, world } as const;
    this.lateReplies.push({ peer: attachment.peer, message });
  }

  /** Records an event as an input of this tick's delta. */
  private note(event: WorldEvent): void {
    writeInput(this.inputs, event);
    this.noted = this.inputs.length;
  }

  private countFaults(interrupted: boolean): boolean {
    this.interruptedTicks = interrupted ? this.interruptedTicks + 1 : 0;
    this.faultyTicks = this.tickFailed || interrupted ? this.faultyTicks + 1 : 0;
    if (this.quarantined) return false;
    this.quarantined =
      this.interruptedTicks >= MAX_INTERRUPTED_TICKS || this.faultyTicks >= MAX_FAULTY_TICKS;
    if (this.quarantined)
      for (const attachments of this.peers.values())
        for (const attachment of [...attachments.values()]) {
          this.remove(attachment.peer, attachment.number);
          this.close(attachment.peer, attachment.number, "world-failed", "the world was stopped");
          if (attachment.session !== undefined) this.beginGrace(attachment.session);
        }
    return this.quarantined;
  }

  private refuseAll(end: number): void {
    for (; this.position < end; this.position++) {
      const queued = this.queue[this.position];
      if (queued?.kind === "control" && queued.message.type !== "detach")
        this.close(queued.peer, queued.message.attach, "world-failed", "the world was stopped");
    }
  }

  private commit(tick: {
    faults: Fault[];
    quarantined: boolean;
    handled: number;
    dilation: number;
  }): TickResult {
    const { store } = this;
    this.topics.update(store.entities, store.tick);
    const delta = this.encodeDelta();
    const result: TickResult = {
      tick: store.tick,
      delta,
      messages: this.replies,
      requests: [...store.requests.touched].flatMap((id) => store.requests.get(id) ?? []),
      logs: store.effects.flatMap((effect) => (effect.type === "log" ? [effect] : [])),
      faults: tick.faults,
      quarantined: tick.quarantined,
      handled: tick.handled,
      queued: this.queue.length,
      moreFaults: this.moreFaults,
    };
    this.replies = [];
    for (const message of this.downstream.flush(this.options, this.peers, tick.dilation))
      result.messages.push(message);
    result.messages.push(...this.lateReplies);
    this.lateReplies = [];
    store.clearChanges();
    return result;
  }

  /** Changes (see StateCodec) and the inputs that led to them. */
  private encodeDelta(): Uint8Array {
    const { deltaWriter: writer, inputs } = this;
    writer.reset();
    this.codec.writeDelta(writer, this.store, inputs.view8());
    inputs.reset();
    this.noted = 0;
    return writer.finish();
  }

  private insert(peer: number, attachment: Attachment): void {
    let attachments = this.peers.get(peer);
    if (attachments === undefined) {
      attachments = new Map();
      this.peers.set(peer, attachments);
    }
    attachments.set(attachment.number, attachment);
  }

  private remove(peer: number, number: number): Attachment | undefined {
    const attachments = this.peers.get(peer);
    const attachment = attachments?.get(number);
    if (attachment === undefined) return undefined;
    attachments?.delete(number);
    if (attachments?.size === 0) this.peers.delete(peer);
    attachment.release(this.topics);
    const { session } = attachment;
    if (session !== undefined && this.bySession.get(session.id) === attachment)
      this.bySession.delete(session.id);
    return attachment;
  }

  private close(peer: number, attach: number, code: CloseCode, reason: string): void {
    const { shard, epoch } = this.options;
    const text = clipText(reason, MAX_REASON_BYTES);
    this.reply(peer, { type: "closed", shard, epoch, attach, code, reason: text });
  }

  private reply(peer: number, message: ToProxy): void {
    this.replies.push({ peer, message });
  }
}

function nameOf(event: WorldEvent, definition: CompiledDefinition): string {
  switch (event.type) {
    case "input":
      return `input.${definition.inputs[event.index]?.name ?? event.index}`;
    case "message":
      return `message.${definition.clientMessages[event.index]?.name ?? event.index}`;
    case "timer":
      return `timer.${event.name}`;
    default:
      return event.type;
  }
}

const CELL_2D = /^cell\/\d{1,10},\d{1,10}$/;
const CELL_3D = /^cell\/\d{1,10},\d{1,10},\d{1,10}$/;

/** The next entry of a batch; undefined when the rest is not of its form. */
function readEntry(reader: ByteReader): UpstreamEntry | undefined {
  try {
    return readUpstreamEntry(reader);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** By its code: a bundled module brings a class of its own. */
function isJoinRefused(error: unknown): error is { message: unknown } {
  return error instanceof Error && "code" in error && error.code === "join-refused";
}

/** True for what a handler may throw without being at fault. */
function isExpected(error: unknown, { type }: WorldEvent): boolean {
  if (error instanceof DecodeError)
    return type === "join" || type === "input" || type === "message";
  return type === "join" && isJoinRefused(error);
}

const MAX_FAULT_MESSAGE_BYTES = 2_000;
const MAX_FAULT_STACK_BYTES = 8_000;

function faultOf(error: unknown, event: string, tick: number): Fault {
  const isError = error instanceof Error;
  return {
    kind: "threw",
    event,
    tick,
    message: clipText(
      isError ? textOf(error.message) : `threw ${textOf(error)}`,
      MAX_FAULT_MESSAGE_BYTES,
    ),
    stack: isError ? clipText(ownFrames(textOf(error.stack ?? "")), MAX_FAULT_STACK_BYTES) : "",
  };
}

/** World code can throw what cannot even be shown. */
function textOf(value: unknown): string {
  try {
    return String(value);
  } catch {
    return "something that cannot be shown as text";
  }
}

/** A stack down to where world code was called; the rest says nothing about the world. */
function ownFrames(stack: string): string {
  const lines = stack.split("\n");
  const end = lines.findIndex((line) => line.includes("TypeScriptModule."));
  return (end < 0 ? lines : lines.slice(0, end)).join("\n");
}

const inputKinds = [
  "create",
  "join",
  "leave",
  "drop",
  "resume",
  "input",
  "message",
  "timer",
  "response",
  "tick",
];

/** One input of a delta: byte kind, varint session, varint index, block payload. */
function writeInput(writer: ByteWriter, event: WorldEvent): void {
  writer.u8(inputKinds.indexOf(event.type));
  writer.varint("session" in event ? event.session : 0);
  writer.varint("index" in event ? event.index : 0);
  writer.block(payloadOf(event));
}

const NOTHING = new Uint8Array(0);

function payloadOf(event: WorldEvent): Uint8Array {
  if (event.type === "join") return event.params ?? NOTHING;
  return "payload" in event ? event.payload : NOTHING;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}
