import type { Attach, Detach, Leave, ToProxy, ToShard, Watch } from "@atlasnet/core";
import { readUpstreamEntry, type UpstreamEntry, UpstreamKind } from "@atlasnet/core";
import {
  ByteReader,
  ByteWriter,
  type CloseCode,
  type CompiledDefinition,
  DecodeError,
  JoinRefused,
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
}

/** Events handled in one tick; more wait for the next. */
export const MAX_EVENTS_PER_TICK = 20_000;
/** Events waiting; past it messages of clients are dropped (reliable ones are sent again later). */
export const MAX_QUEUED_EVENTS = 100_000;
/** Ticks in a row with a fault of `tick`, or with an interruption, before the world is stopped. */
export const MAX_FAULTY_TICKS = 10;
export const MAX_INTERRUPTED_TICKS = 3;

type Queued =
  | { kind: "control"; peer: number; message: Attach | Watch | Detach | Leave }
  | { kind: "upstream"; attachment: Attachment; entry: UpstreamEntry }
  | { kind: "world"; event: WorldEvent };

/**
 * A shard: one store, the module that drives it, and the clients attached to it. Pure: messages and
 * ticks in, a TickResult out.
 *
 * 1. State changes only within `tick`, by events in the order they came (rule 3.3).
 * 2. What a tick lets out is in its result, and nowhere else (rule 5.2).
 * 3. A handler that throws or is cut off leaves no trace but its report.
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
  private readonly inputs = new ByteWriter();
  private readonly deltaWriter = new ByteWriter();
  quarantined = false;
  /** Client messages dropped because the queue was full. */
  dropped = 0;

  constructor(options: ShardOptions, dependencies: ShardDependencies) {
    this.options = options;
    this.module = dependencies.module;
    this.guard = dependencies.guard;
    const { definition } = dependencies;
    const outbox = { messages: options.outboxMessages, bytes: options.outboxBytes };
    this.store = new Store(definition, { seed: options.seed, outbox });
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
    if (message.type === "upstream") this.receiveUpstream(peer, message.batch);
    else this.queue.push({ kind: "control", peer, message });
  }

  private receiveUpstream(peer: number, batch: Uint8Array): void {
    const attachments = this.peers.get(peer);
    const reader = new ByteReader(batch);
    while (reader.remaining > 0) {
      const entry = readUpstreamEntry(reader);
      const attachment = attachments?.get(entry.attach);
      // Entries of an attachment that has just ended are late, not wrong.
      if (attachment === undefined) continue;
      if (this.queue.length - this.position >= MAX_QUEUED_EVENTS) {
        this.dropped += 1;
        attachment.resync ||= entry.kind === UpstreamKind.message;
        continue;
      }
      this.queue.push({ kind: "upstream", attachment, entry });
    }
  }

  /** The link to a proxy is gone, and every client on it. */
  disconnect(peer: number): void {
    for (const attachment of this.peers.get(peer)?.values() ?? []) {
      const { shard, epoch } = this.options;
      const message: Detach = { type: "detach", shard, epoch, attach: attachment.number };
      this.queue.push({ kind: "control", peer, message });
    }
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
    return this.module.hasTick || this.queue.length > this.position || this.replies.length > 0;
  }

  /** The next tick at which something is due by itself; Infinity when nothing is. */
  nextDue(): number {
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
    const start = this.position;
    const end = Math.min(this.queue.length, start + MAX_EVENTS_PER_TICK);
    const interrupted = !this.quarantined && this.runGuarded(end, faults);
    if (this.quarantined) this.refuseAll(end);
    const handled = this.position - start;
    this.queue = this.position === this.queue.length ? [] : this.queue.slice(this.position);
    this.position = 0;
    const quarantined = this.countFaults(faults, interrupted);
    return this.commit({ faults, quarantined, handled, dilation });
  }

  /** Runs the handlers of this tick under the time limit. True when they were cut off. */
  private runGuarded(end: number, faults: Fault[]): boolean {
    const outcome = this.guard(() => {
      this.endOverdue(faults);
      this.fireTimers(faults);
      while (this.position < end) {
        const queued = this.queue[this.position];
        this.position += 1;
        if (queued !== undefined) this.process(queued, faults);
      }
      if (this.module.hasTick) this.run({ type: "tick" }, faults);
      this.endOverflowed(faults);
    });
    if (outcome === "done") return false;
    this.store.rollback(true);
    faults.push({
      kind: "time-limit",
      event: this.running,
      tick: this.store.tick,
      message: `the handler of "${this.running}" ran into the time limit and was taken back`,
      stack: "",
    });
    return true;
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
      case "detach": {
        const attachment = this.remove(peer, message.attach);
        if (attachment?.session !== undefined) this.dropSession(attachment.session, faults);
        return;
      }
      case "leave": {
        const session = this.peers.get(peer)?.get(message.attach)?.session;
        if (session === undefined) return;
        this.endSession(session, "left", "left", "the player left", faults);
      }
    }
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
    }
    this.takeOver(session);
    this.resynchronise(session, message);
    session.attempt = message.session === undefined ? session.attempt + 1 : message.attempt;
    session.epoch = this.options.epoch;
    const wasConnected = session.connected;
    session.connected = true;
    session.graceEnd = 0;
    sessions.changed(session, true);
    if (isNew) {
      const refusal = this.join(session, message, faults);
      if (refusal !== undefined) return refuse(refusal.code, refusal.reason);
    } else if (!wasConnected) {
      const event: WorldEvent = { type: "resume", session: session.id };
      this.note(event);
      this.run(event, faults);
    }
    // The handler may have kicked the player.
    if (sessions.sessionById(session.id) !== session) return;
    const attachment = new Attachment(peer, message.attach, session);
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
    if (error instanceof JoinRefused) return { code: "join-refused", reason: error.message };
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

  /** Brings both numberings in line with what the client has (design section 4). */
  private resynchronise(session: SessionState, message: Attach): void {
    if (sameBytes(message.stream, session.stream)) {
      this.store.sessions.acknowledge(session, message.lastReceived);
      return;
    }
    session.stream = message.stream;
    session.appliedSeq = 0;
    session.lastInput = 0;
    session.outSeq = 0;
    session.ackedSeq = 0;
    session.outbox = [];
    session.outboxBytes = 0;
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
    if (!name.startsWith("cell/") || !(authorized || data.publicCells)) return undefined;
    return grid?.topicOfCell(name.slice("cell/".length).split(",").map(Number));
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
    session.connected = false;
    session.graceEnd = this.store.tick + this.options.graceTicks;
    this.store.sessions.changed(session, true);
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
    const event: WorldEvent = { type: "leave", session: session.id, reason };
    this.note(event);
    this.run(event, faults);
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
    for (const owned of [...entities.ownedBySession(session.id)])
      entities.setOwner(owned, undefined);
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
      if (!(error instanceof JoinRefused || error instanceof DecodeError))
        faults.push(faultOf(error, this.running, store.tick));
      return error;
    }
    const effects = store.effects.slice(effectsBefore);
    store.savepoint();
    for (const effect of effects) {
      if (effect.type === "log") continue;
      const session = store.sessions.sessionById(effect.session);
      if (session === undefined) continue;
      if (effect.type === "kick")
        this.endSession(session, "kicked", "kicked", effect.reason, faults);
      else this.transfer(session, effect.world);
    }
    return undefined;
  }

  private transfer(session: SessionState, world: string): void {
    const attachment = this.bySession.get(session.id);
    if (attachment === undefined) return;
    const { shard, epoch } = this.options;
    const message = { type: "transfer", shard, epoch, attach: attachment.number, world } as const;
    this.reply(attachment.peer, message);
  }

  /** Records an event as an input of this tick's delta. */
  private note(event: WorldEvent): void {
    writeInput(this.inputs, event);
  }

  private countFaults(faults: readonly Fault[], interrupted: boolean): boolean {
    this.interruptedTicks = interrupted ? this.interruptedTicks + 1 : 0;
    const faulty = faults.some((fault) => fault.event === "tick");
    this.faultyTicks = faulty ? this.faultyTicks + 1 : 0;
    if (this.quarantined) return false;
    this.quarantined =
      this.interruptedTicks >= MAX_INTERRUPTED_TICKS || this.faultyTicks >= MAX_FAULTY_TICKS;
    if (this.quarantined)
      for (const attachments of this.peers.values())
        for (const attachment of [...attachments.values()]) {
          this.remove(attachment.peer, attachment.number);
          this.close(attachment.peer, attachment.number, "world-failed", "the world was stopped");
          if (attachment.session !== undefined) attachment.session.connected = false;
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
    };
    this.replies = [];
    for (const message of this.downstream.flush(this.options, this.peers, tick.dilation))
      result.messages.push(message);
    store.clearChanges();
    return result;
  }

  /** Changes (see StateCodec) and the inputs that led to them. */
  private encodeDelta(): Uint8Array {
    const { deltaWriter: writer, inputs } = this;
    writer.reset();
    this.codec.writeDelta(writer, this.store, inputs.view8());
    inputs.reset();
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
    this.reply(peer, { type: "closed", shard, epoch, attach, code, reason });
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

function faultOf(error: unknown, event: string, tick: number): Fault {
  const isError = error instanceof Error;
  return {
    kind: "threw",
    event,
    tick,
    message: isError ? error.message : `threw ${String(error)}`,
    stack: isError ? ownFrames(error.stack ?? "") : "",
  };
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
