/** An operation on one key as its client saw it. Moments are places in one order of all events. */
export interface KeyOperation {
  readonly called: number;
  /** Infinity: no answer came. It may have taken effect at any time after the call, or never. */
  readonly answered: number;
  readonly effect: KeyEffect;
}

/** Values are unique texts; undefined stands for a key that is not there. */
export type KeyEffect =
  | { readonly type: "read"; readonly value: string | undefined }
  | { readonly type: "write"; readonly value: string | undefined }
  /** `succeeded` is not known when there was no answer. */
  | {
      readonly type: "swap";
      readonly from: string;
      readonly to: string;
      readonly succeeded: boolean | undefined;
    };

/** "undecided": the search was given up at its bound. */
export type Verdict = "linearizable" | "violated" | "undecided";

export const MAX_SEARCH_STATES = 200_000;

/**
 * Whether there is an order of the operations of one key in which each takes effect at one moment between its call
 * and its answer. After Wing and Gong, with what was tried remembered (Lowe).
 */
export function checkKeyHistory(
  history: readonly KeyOperation[],
  maxStates = MAX_SEARCH_STATES,
): Verdict {
  const operations = history
    .filter(({ effect, answered }) => effect.type !== "read" || answered < Number.POSITIVE_INFINITY)
    .toSorted((a, b) => a.called - b.called);
  const done = operations.map(() => false);
  const tried = new Set<string>();
  let states = 0;

  /** True: the rest can be put in order from here. */
  const search = (first: number, value: string | undefined): boolean | undefined => {
    let from = first;
    while (from < operations.length && done[from]) from += 1;
    if (isOver(operations, done, from)) return true;
    const key = keyOf(done, from, value);
    if (tried.has(key)) return false;
    tried.add(key);
    states += 1;
    if (states > maxStates) return undefined;
    for (const at of candidates(operations, done, from)) {
      const operation = operations[at];
      if (operation === undefined) continue;
      for (const next of outcomes(operation.effect, value)) {
        done[at] = true;
        const found = search(from, next.value);
        done[at] = false;
        if (found !== false) return found;
      }
    }
    return false;
  };
  const found = search(0, undefined);
  if (found === undefined) return "undecided";
  return found ? "linearizable" : "violated";
}

function isOver(operations: readonly KeyOperation[], done: readonly boolean[], from: number) {
  for (let at = from; at < operations.length; at++)
    if (!done[at] && operations[at]?.answered !== Number.POSITIVE_INFINITY) return false;
  return true;
}

/** Those that may come next: called before the earliest answer of what is still to come. */
function candidates(operations: readonly KeyOperation[], done: readonly boolean[], from: number) {
  const found: number[] = [];
  let earliest = Number.POSITIVE_INFINITY;
  for (let at = from; at < operations.length; at++) {
    const operation = operations[at];
    if (operation === undefined || done[at]) continue;
    if (operation.called > earliest) break;
    earliest = Math.min(earliest, operation.answered);
    found.push(at);
  }
  // Those that were answered first: the order is mostly theirs.
  return found
    .filter((at) => (operations[at]?.called ?? 0) <= earliest)
    .sort((a, b) => (operations[a]?.answered ?? 0) - (operations[b]?.answered ?? 0));
}

function outcomes(
  effect: KeyEffect,
  value: string | undefined,
): readonly { readonly value: string | undefined }[] {
  switch (effect.type) {
    case "read":
      return effect.value === value ? [{ value }] : [];
    case "write":
      return [{ value: effect.value }];
    case "swap": {
      const succeeds = value === effect.from;
      if (effect.succeeded !== undefined && effect.succeeded !== succeeds) return [];
      // Without an answer, one that fails is as one that never was.
      if (effect.succeeded === undefined && !succeeds) return [];
      return [{ value: succeeds ? effect.to : value }];
    }
  }
}

function keyOf(done: readonly boolean[], from: number, value: string | undefined): string {
  let ahead = "";
  for (let at = from + 1; at < done.length; at++) if (done[at]) ahead += `${at},`;
  return `${from}:${ahead}:${value ?? ""}`;
}
