import type { PseudoRandom } from "../../ports/random.ts";
import { MAX_APISERVERS } from "./control-call-codec.ts";

export interface ApiserverChoiceOptions {
  readonly apiservers: readonly string[];
  /** Pause after a round in which none could be linked; it doubles up to the longest. */
  readonly minPauseMs: number;
  readonly maxPauseMs: number;
  /** How long one of them may take; it doubles with each round, up to MAX_PATIENCE_MS. */
  readonly patienceMs: number;
}

/** Longer than a link takes to give up by itself. */
const MAX_PATIENCE_MS = 6_000;
/**
 * A link that is left because it cannot serve, or put in doubt, has stood for so long; twice as long each time, to the
 * longest.
 */
const MIN_STAY_MS = 1_000;
const MAX_STAY_MS = 30_000;
/**
 * A link that ended sooner than this was short. After the second one in a row there is a pause as after a round in
 * vain: two processes of one name would else take each other's link away as fast as they can.
 */
const SHORT_LINK_MS = 1_000;

/**
 * Which apiserver is tried next, when, and for how long. It begins with any of them, so that nodes spread, and goes
 * around: one that was lost or left comes last.
 */
export class ApiserverChoice {
  private readonly options: ApiserverChoiceOptions;
  private readonly random: PseudoRandom;
  private nodes: readonly string[];
  private at: number;
  /** Rounds without a link. */
  private rounds = 0;
  /** Tried in this round. */
  private tried = 0;
  private refusal: Error | undefined;
  private allRefused = true;
  private linkedAt = 0;
  /** Links one after another that ended soon. */
  private shortLinks = 0;
  private stayMs = MIN_STAY_MS;
  /** When the link stood, or when it was asked last whether to leave it. */
  private stayingSince = 0;

  /** @throws RangeError for none */
  constructor(options: ApiserverChoiceOptions, { random }: { readonly random: PseudoRandom }) {
    if (options.apiservers.length === 0) throw new RangeError("an apiserver has to be known");
    this.options = options;
    this.random = random;
    this.nodes = [...new Set(options.apiservers)].slice(0, MAX_APISERVERS);
    this.at = random.int(0, this.nodes.length - 1);
  }

  get known(): readonly string[] {
    return this.nodes;
  }

  /** The apiservers of the cluster now. Those that were given stay known. */
  learn(nodes: readonly string[]): void {
    const present = this.nodes[this.at];
    const all = new Set([...this.options.apiservers, ...nodes]);
    this.nodes = [...all].slice(0, MAX_APISERVERS);
    this.at = Math.max(0, present === undefined ? 0 : this.nodes.indexOf(present));
  }

  /** Whom to try now, after a pause; the pause is up to its length by chance. */
  next(): { readonly node: string; readonly pauseMs: number; readonly patienceMs: number } {
    const { minPauseMs, maxPauseMs, patienceMs } = this.options;
    const waits = Math.max(this.rounds - 1, this.shortLinks - 2);
    const factor = 2 ** Math.min(Math.max(0, waits), 16);
    const begins = this.tried === 0 && waits >= 0;
    return {
      node: this.nodes[this.at] ?? "",
      pauseMs: begins
        ? Math.min(maxPauseMs, minPauseMs * factor) * (0.5 + this.random.float() / 2)
        : 0,
      patienceMs: Math.min(MAX_PATIENCE_MS, patienceMs * 2 ** Math.min(this.rounds, 8)),
    };
  }

  /**
   * It could not be linked; `refusal` when it answered and wants none of this node. Gives the refusal when with
   * this all of them have refused.
   */
  failed(refusal?: Error): Error | undefined {
    this.advance();
    this.tried += 1;
    this.refusal = refusal ?? this.refusal;
    this.allRefused &&= refusal !== undefined;
    if (this.tried < this.nodes.length) return undefined;
    const told = this.allRefused ? this.refusal : undefined;
    this.rounds += 1;
    this.begin();
    return told;
  }

  /** Those besides the one that is linked, in the order in which they are tried. */
  get others(): readonly string[] {
    return [...this.nodes.slice(this.at + 1), ...this.nodes.slice(0, this.at)];
  }

  /** There is a link to the one that was to be tried, or to `node`. */
  linked(now: number, node?: string): void {
    if (node !== undefined) this.at = Math.max(0, this.nodes.indexOf(node));
    this.rounds = 0;
    this.begin();
    this.linkedAt = now;
    this.stayingSince = now;
  }

  /** The link has ended. */
  lost(now: number): void {
    this.shortLinks = now - this.linkedAt < SHORT_LINK_MS ? this.shortLinks + 1 : 0;
    this.advance();
  }

  /**
   * Whether to leave an apiserver that cannot serve, or to look for another one while this one is silent: not at once,
   * and not again and again, or all nodes would run in circles.
   */
  mayLeave(now: number): boolean {
    const stood = now - this.stayingSince;
    if (this.nodes.length < 2 || stood < this.stayMs) return false;
    this.stayMs = stood > 4 * this.stayMs ? MIN_STAY_MS : Math.min(this.stayMs * 2, MAX_STAY_MS);
    this.stayingSince = now;
    return true;
  }

  /** The one that was left because it was silent was gone: that is no sign of apiservers that are only busy. */
  wasGone(): void {
    this.stayMs = MIN_STAY_MS;
  }

  private begin(): void {
    this.tried = 0;
    this.allRefused = true;
    this.refusal = undefined;
  }

  private advance(): void {
    this.at = (this.at + 1) % this.nodes.length;
  }
}
