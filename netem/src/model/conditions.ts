import { OperatingError } from "@atlasnet/core";

/**
 * What a network does to packets, the same in both directions. Shares are numbers from 0 to 1. For
 * TCP see `StreamPath`: `reorder` and `duplicate` mean nothing there.
 */
export interface Conditions {
  /** Share of packets that are lost. 1 is a cut. */
  readonly loss: number;
  /**
   * Mean length of a run of lost packets. Losses are independent of each other up to 1 / (1 − loss),
   * which is the mean length that chance gives by itself; above it they come in bursts.
   */
  readonly burst: number;
  /** Time on the way, one way, in ms. */
  readonly delayMs: number;
  /**
   * Every packet's delay is uniform between `delayMs − jitterMs` and `delayMs + jitterMs`, so packets
   * sent within that span overtake each other. At most `delayMs`.
   */
  readonly jitterMs: number;
  /** Share of packets that skip delay and jitter, and so overtake those before them. Needs a delay. */
  readonly reorder: number;
  /** Share of packets that arrive twice; the copy has a jitter of its own. */
  readonly duplicate: number;
  /** Bytes per second that fit through, one way; 0 is no limit. */
  readonly rateBytesPerSecond: number;
  /** Bytes that may wait for the rate, of one flow and direction. What comes on top is dropped. */
  readonly queueBytes: number;
  /** Which of all such networks it is. */
  readonly seed: number;
}

export const PERFECT: Conditions = Object.freeze({
  loss: 0,
  burst: 1,
  delayMs: 0,
  jitterMs: 0,
  reorder: 0,
  duplicate: 0,
  rateBytesPerSecond: 0,
  queueBytes: 65_536,
  seed: 1,
});

interface Bound {
  readonly min: number;
  readonly max: number;
  readonly integer?: boolean;
  /** Allowed though it is below `min`. */
  readonly orZero?: boolean;
}

export const CONDITION_BOUNDS: { readonly [K in keyof Conditions]: Bound } = {
  loss: { min: 0, max: 1 },
  burst: { min: 1, max: 1_000 },
  delayMs: { min: 0, max: 10_000 },
  jitterMs: { min: 0, max: 10_000 },
  reorder: { min: 0, max: 1 },
  duplicate: { min: 0, max: 1 },
  rateBytesPerSecond: { min: 1_000, max: 10_000_000_000, orZero: true },
  queueBytes: { min: 1_500, max: 67_108_864, integer: true },
  seed: { min: 0, max: 4_294_967_295, integer: true },
};

const FIELDS = Object.keys(PERFECT).filter(
  (name): name is keyof Conditions => name in CONDITION_BOUNDS,
);

/** Conditions that no network here can have. `field` says which, for whoever named it differently. */
export class ConditionsError extends OperatingError {
  readonly field: keyof Conditions;
  readonly allowed: string;

  constructor(field: keyof Conditions, found: number, allowed: string) {
    super("bad-conditions", `${field}: found ${found}, allowed: ${allowed}`);
    this.field = field;
    this.allowed = allowed;
  }
}

/** `base` with some fields changed. @throws ConditionsError for what is out of bounds. */
export function withConditions(
  changes: Partial<Conditions>,
  base: Conditions = PERFECT,
): Conditions {
  const conditions = Object.freeze({ ...base, ...changes });
  for (const field of FIELDS) {
    const found = conditions[field];
    const { min, max, integer = false, orZero = false } = CONDITION_BOUNDS[field];
    if (orZero && found === 0) continue;
    if (!(found >= min && found <= max) || (integer && !Number.isInteger(found))) {
      const kind = integer ? "an integer" : "a number";
      const zero = orZero ? "0 or " : "";
      throw new ConditionsError(field, found, `${zero}${kind} from ${min} to ${max}`);
    }
  }
  const { jitterMs, delayMs, reorder } = conditions;
  if (jitterMs > delayMs)
    throw new ConditionsError("jitterMs", jitterMs, `at most the delay, which is ${delayMs} ms`);
  if (reorder > 0 && delayMs === 0)
    throw new ConditionsError("reorder", reorder, "0 without a delay, which is what it skips");
  return conditions;
}
