import type { CompiledDefinition } from "@atlasnet/world";
import { Carrier } from "./carrier.ts";
import { MirroredWorld, type WorldUplink } from "./client-world.ts";
import { serverCloseCode } from "./close-verdict.ts";
import { decodeServerMessage, encodeClientMessage, type ServerMessage } from "./messages.ts";
import { forgetSession, loadSession, type ResumeStorage, saveSession } from "./resume-storage.ts";
import { Session } from "./session.ts";
import type {
  SavedSession,
  SessionEffect,
  SessionEvent,
  SessionOptions,
} from "./session-events.ts";
import { effectStep, incomingStep, type SessionObserver } from "./session-observer.ts";
import { TrafficCounter, type TrafficStats } from "./traffic.ts";
import type { Dial, TransportName } from "./transport.ts";
import { type Closed, JoinError, type Logger } from "./types.ts";

/** The time port. */
export interface ClientClock {
  /** Milliseconds that never go back. */
  now(): number;
  setTimer(ms: number, fn: () => void): { cancel(): void };
}

/** What a client needs of its surroundings. */
export interface ClientDependencies {
  dial: Dial;
  /** For `transport: "auto"`; undefined where there is no UDP. */
  dialUdp?: Dial;
  clock: ClientClock;
  /** From 0 up to, not including, 1. */
  random: () => number;
  randomBytes: (count: number) => Uint8Array;
  storage: ResumeStorage | undefined;
  logger: Logger;
  /** Calls back when there is no reason to wait with a reconnect, as when the network is back. */
  onHurry?: (hurry: () => void) => () => void;
}

export interface ConnectionOptions extends Omit<SessionOptions, "saved"> {
  definition: CompiledDefinition | undefined;
  storageKey: string;
  resume: boolean;
  observe?: SessionObserver | undefined;
}

/**
 * Performs what a session asks for: the socket, the timer, the storage, and the world's events. One
 * connection object serves one join, over all the sockets that it takes.
 */
export class Connection implements WorldUplink {
  readonly world: MirroredWorld;
  /** Settles with the first welcome, or with the end before it. */
  readonly joined: Promise<void>;

  private readonly options: ConnectionOptions;
  private readonly dependencies: ClientDependencies;
  private readonly session: Session;
  private readonly traffic = new TrafficCounter();
  private readonly carrier: Carrier;
  private timer: { cancel(): void } | undefined;
  private timerAt = Number.POSITIVE_INFINITY;
  private stopHurry: (() => void) | undefined;
  private welcomed = false;
  private over = false;
  /** Messages that came before the game could attach its listeners; undefined once it could. */
  private held: Uint8Array[] | undefined = [];
  /** Number of the last reliable message that came. */
  private arriving = 0;
  private leaving: Promise<void> | undefined;
  private resolveJoined: () => void = nothing;
  private rejectJoined: (error: Error) => void = nothing;
  private resolveLeft: () => void = nothing;

  constructor(options: ConnectionOptions, dependencies: ClientDependencies) {
    const { storage, random, randomBytes, logger } = dependencies;
    this.options = options;
    this.dependencies = dependencies;
    const { dial, dialUdp } = dependencies;
    this.carrier = new Carrier(options, {
      dial: this.traffic.counting(dial),
      dialUdp: dialUdp === undefined ? undefined : this.traffic.counting(dialUdp),
      step: (event) => this.step(event),
      received: (bytes) => this.received(bytes),
      logger,
    });
    let saved: SavedSession | undefined;
    if (storage !== undefined && options.resume)
      this.stored(() => {
        saved = loadSession(storage, options.storageKey);
      });
    this.session = new Session({ ...options, saved }, { random, newStream: () => randomBytes(8) });
    this.world = new MirroredWorld(
      { name: options.world, definition: options.definition },
      { uplink: this, logger },
    );
    this.joined = new Promise((resolve, reject) => {
      this.resolveJoined = resolve;
      this.rejectJoined = reject;
    });
  }

  start(): void {
    this.stopHurry = this.dependencies.onHurry?.(() => this.step({ type: "hurry" }));
    this.step({ type: "start" });
  }

  /** Ends the connection; the session stays in the world for its grace period. */
  stop(): void {
    this.step({ type: "stop" });
  }

  get connected(): boolean {
    return this.session.stands;
  }

  get transport(): TransportName {
    return this.carrier.name;
  }

  get rtt(): number | undefined {
    return this.session.rtt;
  }

  get stats(): TrafficStats {
    return this.traffic;
  }

  now(): number {
    return this.dependencies.clock.now();
  }

  send(index: number, payload: Uint8Array): void {
    if (this.over) throw new Error(`the world ${this.options.world} was left or closed`);
    const effects = this.session.send(index, payload, this.now());
    this.options.observe?.({ type: "queued", index, payload });
    this.perform(effects);
  }

  input(index: number, payload: Uint8Array): void {
    if (!this.over) this.perform(this.session.input(index, payload, this.now()));
  }

  leave(): Promise<void> {
    this.leaving ??= new Promise((resolve) => {
      if (this.over) {
        resolve();
        return;
      }
      this.resolveLeft = resolve;
      this.step({ type: "leave" });
    });
    return this.leaving;
  }

  private step(event: SessionEvent): void {
    if (this.options.observe !== undefined) this.show(event, this.options.observe);
    this.perform(this.session.step(event, this.now()));
  }

  private perform(effects: readonly SessionEffect[]): void {
    for (const effect of effects) this.performOne(effect);
    this.arm();
  }

  /** Shows an event of which the observer is to hear. */
  private show(event: SessionEvent, observe: SessionObserver): void {
    if (this.over) return;
    if (event.type === "disconnected") {
      const { number = 0, reason } = event;
      // Over a WebSocket the server may say so by the socket's own code.
      if (serverCloseCode(number) !== undefined) observe({ type: "close", code: number, reason });
      observe({ type: "disconnected", reason });
    }
    if (event.type !== "received") return;
    const { message } = event;
    if (message.type === "message") this.arriving = message.seq;
    const step = incomingStep(message);
    if (step !== undefined) observe(step);
  }

  private showEffect(effect: SessionEffect, observe: SessionObserver): void {
    if (effect.type === "deliver" && !this.over)
      observe({ ...effect, type: "delivered", seq: this.arriving });
    const step = effectStep(effect);
    if (step !== undefined) observe(step);
  }

  /** Applies state, and shows its tick when it is a newer one. */
  private applied(apply: () => boolean): void {
    if (this.over) return;
    const before = this.world.newest;
    const gap = this.readable(apply) === true;
    const { newest } = this.world;
    if (newest > before) this.options.observe?.({ type: "tick", tick: newest });
    if (gap) this.step({ type: "gap" });
  }

  private performOne(effect: SessionEffect): void {
    const { world } = this;
    const { storage } = this.dependencies;
    if (this.options.observe !== undefined) this.showEffect(effect, this.options.observe);
    switch (effect.type) {
      case "state":
        this.applied(() => world.state(effect.packed));
        break;
      case "updates":
        this.applied(() => world.updates(effect.packed));
        break;
      case "transmit":
        this.carrier.send(encodeClientMessage(effect.message));
        break;
      case "deliver":
        if (!this.over) this.readable(() => world.deliver(effect.index, effect.payload));
        break;
      case "tick":
        world.heardTick(effect.tick);
        break;
      case "dial":
        this.carrier.dial(effect.url);
        break;
      case "hang-up":
        this.carrier.hangUp(effect.code, effect.reason);
        break;
      case "probe":
        this.carrier.probe(effect.address);
        break;
      case "probe-url":
        this.carrier.probeUrl(effect.url);
        break;
      case "drop-probe":
        this.carrier.dropProbe();
        break;
      case "move":
        this.carrier.move();
        break;
      case "save":
        if (storage !== undefined)
          this.stored(() => saveSession(storage, this.options.storageKey, effect.saved));
        break;
      case "forget":
        if (storage !== undefined)
          this.stored(() => forgetSession(storage, this.options.storageKey, effect.attempt));
        break;
      case "welcomed":
        if (this.readable(() => world.welcome(effect.welcome) ?? true)) this.letIn();
        break;
      case "dropped":
        world.drop(effect.reason);
        break;
      case "resumed":
        world.resume();
        break;
      case "rolled-back":
        world.rollBack();
        break;
      case "transfer":
        world.transfer(effect.world);
        break;
      case "notice":
        world.notice({ kind: effect.kind, text: effect.text });
        break;
      case "ended":
        this.end({ code: effect.code, reason: effect.reason, retry: effect.retry });
        break;
    }
  }

  /** Runs what reads bytes of the server; what cannot be read costs the connection. */
  private readable<T>(read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      const problem = error instanceof Error ? error.message : String(error);
      this.step({ type: "garbage", problem });
      return undefined;
    }
  }

  /** A storage that is full or forbidden costs only the return after a reload. */
  private stored(access: () => void): void {
    try {
      access();
    } catch (error) {
      this.dependencies.logger.warn("the session cannot be kept for a reload", error);
    }
  }

  private received(bytes: Uint8Array): void {
    if (this.welcomed && this.held !== undefined) {
      this.held.push(bytes);
      return;
    }
    const message = this.readable<ServerMessage>(() => decodeServerMessage(bytes));
    if (message !== undefined) this.step({ type: "received", message });
  }

  /**
   * The first welcome resolves `join`. What the server sends right behind it waits for one turn of the
   * event loop, so that the game has its listeners in place.
   */
  private letIn(): void {
    if (this.welcomed) return;
    this.welcomed = true;
    this.resolveJoined();
    this.dependencies.clock.setTimer(0, () => {
      const held = this.held ?? [];
      this.held = undefined;
      for (const bytes of held) if (!this.over) this.received(bytes);
    });
  }

  private end(closed: Closed): void {
    if (this.over) return;
    this.over = true;
    this.timer?.cancel();
    this.timer = undefined;
    this.stopHurry?.();
    this.resolveLeft();
    if (this.welcomed) this.world.close(closed);
    else this.rejectJoined(new JoinError(this.options.world, closed));
  }

  /** One timer for all deadlines; one that is too early does no harm. */
  private arm(): void {
    const { wakeAt } = this.session;
    if (this.over || wakeAt >= this.timerAt) return;
    this.timer?.cancel();
    this.timerAt = wakeAt;
    this.timer = this.dependencies.clock.setTimer(Math.max(0, wakeAt - this.now()), () => {
      this.timerAt = Number.POSITIVE_INFINITY;
      this.step({ type: "wake" });
      if (!this.over && this.world.sweep()) this.step({ type: "gap" });
    });
  }
}

function nothing(): void {}
