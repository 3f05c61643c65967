import type { Change, ControlStore, KeyValue, Revision } from "../control/control-store.ts";
import type { Clock } from "../ports/clock.ts";

/** A store that is empty but for what the adapter itself needs, made anew for every test. */
export interface ControlFixture {
  /** Two clients of it; they may go to different servers, or be the same. */
  readonly near: ControlStore;
  readonly far: ControlStore;
  readonly clock: Clock;
  /** Waits for work of the test; simulations move their time meanwhile. */
  run<T>(work: Promise<T>): Promise<T>;
  /** Makes the leader believe that a node holds its lease, or not. With `supports.leases`. */
  setLease?(node: string, held: boolean): void;
  /** Forgets the history before the present. Without it nothing is asked about `compacted`. */
  forgetHistory?(): Promise<void>;
  close(): Promise<void>;
}

export type MakeControlFixture = () => Promise<ControlFixture>;

/** What an adapter may lack because the engine behind it does. */
export interface ControlSupport {
  /** The compare `term`. An adapter without it refuses it with "bad-request". */
  readonly term: boolean;
  /** `leases` of transactions; refused likewise. */
  readonly leases: boolean;
  /** `version` of items; without it always 1. */
  readonly versions: boolean;
  /** Compares and operations of a transaction that the engine takes. */
  readonly maxParts: number;
}

export interface Follower {
  readonly state: Map<string, KeyValue>;
  readonly changes: Change[];
  readonly events: { readonly revision: Revision; readonly count: number }[];
  /** Of `compacted` or `failed`. */
  end: { readonly compacted?: Revision; readonly error?: Error } | undefined;
  revision: Revision;
  /** What went against the promises of a watch; empty. */
  readonly problems: string[];
  /** Resolves as soon as `state` holds after an event. */
  until(state: () => boolean): Promise<void>;
  close(): void;
}

/** Watches and keeps what it is told, and checks that nothing goes back. */
export function follow(
  store: ControlStore,
  request: Parameters<ControlStore["watch"]>[0],
  begin: readonly KeyValue[] = [],
): Follower {
  const waiting = new Set<() => void>();
  const told = () => {
    for (const check of [...waiting]) check();
  };
  const newest = new Map<string, Revision>();
  let called = false;
  const watch = store.watch(request, {
    changed: ({ revision, changes }) => {
      called = true;
      const keys = new Set<string>();
      for (const change of changes) {
        const { key, modified } = change.type === "put" ? change.item : change;
        if (keys.has(key)) follower.problems.push(`${key} twice in one event`);
        keys.add(key);
        if (modified <= (newest.get(key) ?? 0)) follower.problems.push(`${key} went back`);
        if (modified > revision) follower.problems.push(`${key} is ahead of its event`);
        if (modified <= (request.after ?? 0)) follower.problems.push(`${key} is of before`);
        newest.set(key, modified);
        if (change.type === "put") follower.state.set(key, change.item);
        else follower.state.delete(key);
      }
      if (revision < follower.revision) follower.problems.push(`revision went back: ${revision}`);
      if (follower.end !== undefined) follower.problems.push("an event after the last");
      follower.revision = revision;
      follower.changes.push(...changes);
      follower.events.push({ revision, count: changes.length });
      told();
    },
    compacted: ({ revision }) => {
      called = true;
      follower.end = { compacted: revision };
      told();
    },
    failed: (error) => {
      called = true;
      follower.end = { error };
      told();
    },
  });
  const follower: Follower = {
    state: new Map(begin.map((item) => [item.key, item])),
    changes: [],
    events: [],
    end: undefined,
    revision: request.after ?? 0,
    problems: called ? ["an event within the call of watch"] : [],
    until: (state) =>
      new Promise((resolve) => {
        const check = () => {
          if (!state()) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    close: () => watch.close(),
  };
  return follower;
}
