import type { SessionStep } from "@atlasnet/client";
import { type RecorderDependencies, type RecorderOptions, SessionRecorder } from "../recorder.ts";

/** What of a joined checker world is used; worlds of the client SDK are this, typed or not. */
export interface CheckedWorld {
  send(message: "say" | "balance", payload: Say | Balance): void;
  onMessage(message: "said" | "balance" | "beat", listener: (account: Told) => void): unknown;
}

interface Balance {
  readonly writer: number;
  readonly n: number;
}

interface Say extends Balance {
  readonly filler: Uint8Array;
}

/** The messages of the checker's world. */
interface Told extends Balance {
  readonly tick: number;
  readonly count: number;
  readonly chain: number;
  readonly last: number;
  readonly sentCount: number;
  readonly sentChain: number;
}

export interface CheckedSessionOptions extends RecorderOptions {
  /** Tells this client instance from all others, 1 to 2^32 − 1; by chance. */
  readonly writer: number;
}

const NO_FILLER = new Uint8Array(0);

/** A client of the checker's world: it talks, and records with what it hears the world's accounts. */
export class CheckedSession {
  readonly recorder: SessionRecorder;
  private readonly writer: number;
  private world: CheckedWorld | undefined;
  private n = 0;
  private answered = 0;

  constructor(options: CheckedSessionOptions, dependencies: RecorderDependencies) {
    this.writer = options.writer;
    this.recorder = new SessionRecorder(options, dependencies);
  }

  /** For `join({ observe })`. */
  readonly observe = (step: SessionStep): void => this.recorder.observe(step);

  /** Right after the join, before anything else is waited for. */
  begin(world: CheckedWorld): void {
    this.world = world;
    for (const message of ["said", "balance", "beat"] as const)
      world.onMessage(message, (told) => this.heard(told));
  }

  /** Messages given to the client. */
  get said(): number {
    return this.n;
  }

  /** The last of them that the world has answered. */
  get heardUpTo(): number {
    return this.answered;
  }

  /** The world has answered the last message: with it all before are proved. */
  get settled(): boolean {
    return this.answered === this.n;
  }

  /** Sends a message. @throws QueueFullError */
  say(filler: Uint8Array = NO_FILLER): void {
    const n = this.n + 1;
    this.world?.send("say", { writer: this.writer, n, filler });
    this.n = n;
  }

  /** Asks the world for its account, as the last thing. @throws QueueFullError */
  balance(): void {
    const n = this.n + 1;
    this.world?.send("balance", { writer: this.writer, n });
    this.n = n;
  }

  private heard({ writer, n, tick, count, chain, last, sentCount, sentChain }: Told): void {
    // Of another instance that had this session before: it says nothing of this one's messages.
    if (writer !== this.writer && count > 0) return;
    this.answered = n;
    this.recorder.account({ tick, count, chain, last, sentCount, sentChain });
  }
}
