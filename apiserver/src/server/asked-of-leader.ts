import {
  type CallAnswer,
  type Clock,
  callCode,
  decodeCbor,
  encodeCbor,
  type LeaderInfo,
  withWireIntegers,
} from "@atlasnet/core";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";

const NO_BYTES = new Uint8Array(0);
/** What the leader said is as good as new for so long. */
const FRESH_MS = 1000;

export interface AskedOfLeaderOptions<T> {
  /** Of the question between apiservers. */
  readonly method: string;
  readonly timeoutMs: number;
  /** Of an answer: at most so many values, as deep as that. */
  readonly limits: { readonly maxDepth: number; readonly maxItems: number };
  /** What is known when nobody answers. */
  readonly nothing: T;
}

export interface AskedOfLeaderDependencies<T> {
  readonly calls: Pick<PeerCalls, "askLeader" | "handle">;
  readonly leader: () => LeaderInfo | undefined;
  /** What this apiserver knows: undefined while it does not lead. */
  readonly own: () => T | undefined;
  readonly clock: Clock;
  /** Bounded, as plain values. */
  encode(known: T): object;
  /** Undefined: it cannot be read. */
  decode(value: unknown): T | undefined;
}

/**
 * What only the leader hears from nodes, at any apiserver: those that do not lead ask it, at most once a second.
 * Nothing known is no error: it is for people.
 */
export class AskedOfLeader<T> {
  private readonly options: AskedOfLeaderOptions<T>;
  private readonly dependencies: AskedOfLeaderDependencies<T>;
  private last: { readonly at: number; readonly known: Promise<T> } | undefined;

  constructor(options: AskedOfLeaderOptions<T>, dependencies: AskedOfLeaderDependencies<T>) {
    this.options = options;
    this.dependencies = dependencies;
    dependencies.calls.handle(options.method, async () => this.answer());
  }

  /** Never rejects. */
  get(): Promise<T> {
    const { own, clock, leader } = this.dependencies;
    const known = own();
    if (known !== undefined) return Promise.resolve(known);
    const to = leader();
    if (to === undefined) return Promise.resolve(this.options.nothing);
    const now = clock.now();
    if (this.last === undefined || now - this.last.at > FRESH_MS)
      this.last = { at: now, known: this.ask(to.node) };
    return this.last.known;
  }

  private answer(): CallAnswer {
    const { own, encode } = this.dependencies;
    const known = own();
    if (known === undefined) return callCode("not-leader");
    // The encoder's buffer is shared.
    return { code: "ok", body: encodeCbor(withWireIntegers(encode(known))).slice() };
  }

  private async ask(leader: string): Promise<T> {
    const { calls, decode } = this.dependencies;
    const { method, timeoutMs, limits, nothing } = this.options;
    const { code, body } = await calls.askLeader(leader, method, NO_BYTES, timeoutMs);
    if (code !== "ok") return nothing;
    const decoded = decodeCbor(body, limits);
    return (decoded.ok ? decode(decoded.value) : undefined) ?? nothing;
  }
}
