import {
  type Closed,
  connect,
  JoinError,
  QueueFullError,
  type TrafficStats,
} from "@atlasnet/client";
import {
  CheckedSession,
  type CheckedWorld,
  type HistorySink,
  SessionRecorder,
} from "@atlasnet/history";
import type { Definition, StructValue } from "@atlasnet/world";
import { SequenceChecker } from "./sequence-checker.ts";
import { increase, type Tally } from "./tally.ts";
import { leadingAway } from "./this-machine.ts";
import type { MeasuredWindow } from "./window.ts";
import { WireTap } from "./wire-tap.ts";

/** How long a client tries to get in, in ms. */
export const JOIN_TIMEOUT_MS = 20_000;
/** Messages that a client keeps for a server that does not answer; above that they are missed. */
const MAX_QUEUED_MESSAGES = 10_000;
const MAX_QUEUED_BYTES = 16 * 1024 * 1024;

/** Of messages that are checked: about as long as a short line of chat. */
const FILLER = new Uint8Array(32).fill(0x61);

/** A joined world, its names being data here. */
interface JoinedWorld {
  send(message: string, payload: StructValue): void;
  input(input: string, payload: StructValue): void;
  leave(): Promise<void>;
  readonly transport: string;
  readonly stats: TrafficStats;
  onDrop(listener: () => void): void;
  onResume(listener: () => void): void;
  onRollback(listener: () => void): void;
  onClose(listener: (closed: Closed) => void): void;
}

export interface PlayerOptions {
  readonly url: string;
  readonly world: string;
  readonly definition: Definition;
  readonly ticket: string | undefined;
  readonly serverKey: string | undefined;
  /** It may go where the server leads it, also off this machine. */
  readonly remote: boolean;
  readonly params: StructValue;
  /** Its name in the history; undefined when nobody keeps one. */
  readonly recorded?: RecordedAs | undefined;
}

export interface RecordedAs {
  readonly client: string;
  /** The world is the checker's, and it is this writer to it. */
  readonly writer: number | undefined;
  readonly sink: HistorySink;
}

/** One client: the SDK's, with a checker on its wire. */
export class Player {
  readonly checker: SequenceChecker;
  private readonly options: PlayerOptions;
  private readonly tally: Tally;
  private readonly now: () => number;
  private readonly client: ReturnType<typeof connect>;
  private readonly recorder: SessionRecorder | undefined;
  private readonly checked: CheckedSession | undefined;
  private world: JoinedWorld | undefined;
  private carried: TrafficStats | undefined;
  private leaving = false;

  constructor(
    options: PlayerOptions,
    dependencies: { tally: Tally; window: MeasuredWindow; now: () => number },
  ) {
    const { tally, window, now } = dependencies;
    this.options = options;
    this.tally = tally;
    this.now = now;
    this.checker = new SequenceChecker(window);
    if (options.recorded !== undefined) {
      const { client, writer, sink } = options.recorded;
      if (writer !== undefined)
        this.checked = new CheckedSession({ client, writer }, { sink, now });
      this.recorder = this.checked?.recorder ?? new SessionRecorder({ client }, { sink, now });
    }
    const tap = new WireTap(this.checker, ({ endpoints }) => this.named(endpoints));
    this.client = connect({
      url: options.url,
      maxQueued: { messages: MAX_QUEUED_MESSAGES, bytes: MAX_QUEUED_BYTES },
      observe: (direction, message) => tap.observe(direction, message),
      ...(options.serverKey !== undefined && { serverKey: options.serverKey }),
      logger: { warn: (message, facts) => tally.error("client-warning", `${message} ${facts}`) },
    });
  }

  /** The server names other addresses, for when the connection is lost. */
  private named(endpoints: readonly string[]): void {
    const { url, remote } = this.options;
    const away = remote ? undefined : leadingAway(url, endpoints);
    if (away === undefined) return;
    this.tally.error("led-away", `the server names ${away}, which is not this machine`);
    this.client.close();
  }

  /** What the connections carried so far; undefined before the join. */
  get stats(): TrafficStats | undefined {
    return this.carried;
  }

  /** Tries to get in, and counts how that went. */
  async join(): Promise<void> {
    const { world, definition, ticket, params } = this.options;
    const { tally, recorder } = this;
    const startedAt = this.now();
    try {
      const joined: unknown = await this.client.join(definition, {
        world,
        params,
        resume: "never",
        timeoutMs: JOIN_TIMEOUT_MS,
        ...(ticket !== undefined && { ticket }),
        ...(recorder !== undefined && { observe: recorder.observe }),
      });
      // The compiler knows the names of a definition that is code; this one came over the wire.
      this.joined(joined as JoinedWorld);
      this.checked?.begin(joined as CheckedWorld);
      tally.join.add(this.now() - startedAt);
      tally.counts.joined += 1;
    } catch (error) {
      if (this.leaving) return;
      tally.counts.joinsFailed += 1;
      if (error instanceof JoinError) tally.error(error.code, `join: ${error.reason}`);
      else tally.error("client-fault", String(error));
    }
  }

  private joined(world: JoinedWorld): void {
    const { tally } = this;
    const { counts } = tally;
    this.world = world;
    this.carried = world.stats;
    world.onDrop(() => {
      counts.drops += 1;
    });
    world.onResume(() => {
      counts.resumes += 1;
    });
    world.onRollback(() => {
      counts.rollbacks += 1;
    });
    world.onClose(({ code, reason }) => {
      this.world = undefined;
      if (this.leaving) return;
      counts.ended += 1;
      tally.error(code, reason);
    });
  }

  /** Hands a message to the client; false when it did not take it. */
  message(name: string, payload: StructValue, due: number): boolean {
    const { world, checker } = this;
    if (world === undefined) return false;
    // The client may send it at once, and it is seen then.
    checker.queue(due);
    try {
      if (this.checked === undefined) world.send(name, payload);
      else this.checked.say(FILLER);
      return true;
    } catch (error) {
      checker.unqueue();
      this.refused(error);
      return false;
    }
  }

  /** Asks the checker's world for its account, as the last message. */
  balance(): void {
    const { world, checker, checked } = this;
    if (world === undefined || checked === undefined) return;
    checker.queue(this.now());
    try {
      checked.balance();
    } catch (error) {
      checker.unqueue();
      this.refused(error);
    }
  }

  /** Something is not answered yet that was asked of the checker's world. */
  get unsettled(): boolean {
    return this.world !== undefined && this.checked?.settled === false;
  }

  /** False when there is nobody to send it. */
  input(name: string, payload: StructValue): boolean {
    if (this.world === undefined) return false;
    try {
      this.world.input(name, payload);
      return true;
    } catch (error) {
      this.refused(error);
      return false;
    }
  }

  private refused(error: unknown): void {
    if (error instanceof QueueFullError) this.tally.error(error.code, error.message);
    else this.tally.error("client-fault", String(error));
  }

  /** Counts which transport is used now. */
  countTransport(): void {
    if (this.world !== undefined) increase(this.tally.transports, this.world.transport);
  }

  async leave(): Promise<void> {
    this.leaving = true;
    await this.world?.leave();
    this.client.close();
  }
}
