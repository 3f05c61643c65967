import { type Change, ControlError, type Revision, type WatchRequest } from "@atlasnet/core";
import { type Changes, changeKey, type History } from "./history.ts";
import { SelectorIndex } from "./selector-index.ts";
import { WatchQueue } from "./watch-queue.ts";

export type WatchEvent =
  | { readonly type: "changed"; readonly revision: Revision; readonly changes: readonly Change[] }
  /** Last event. */
  | { readonly type: "compacted"; readonly revision: Revision }
  /** The hub has stopped. Last event. */
  | { readonly type: "stopped" };

/** One watch, pulled: whoever cannot take more now asks later, and what waits meanwhile is bounded. */
export interface HubWatch {
  /** The next event, or undefined: `wake` is called when there is one again. */
  next(): WatchEvent | undefined;
  /** Idempotent. */
  close(): void;
}

interface State {
  readonly history: History;
  readonly revision: Revision;
}

interface Watcher {
  readonly request: WatchRequest;
  readonly wake: () => void;
  queue: WatchQueue;
  /** Everything up to here has been taken, or does not concern it. */
  position: Revision;
  compacted: boolean;
  /** `wake` was called, and `next` has not said undefined since. */
  awake: boolean;
}

/**
 * Hands the changes of applied transactions to watches, each key's newest at least.
 *
 * 1. `wake` is called at most once until `next` has answered undefined, and never from within `watch`.
 * 2. Events of a watch go up in revision; after `compacted` comes nothing.
 * 3. A watch on a replica that is behind its `after` waits until the replica has come there.
 */
export class WatchHub {
  private readonly index = new SelectorIndex<Watcher>();
  private readonly watchers = new Set<Watcher>();
  private readonly maxWatches: number;
  private state: State;
  private stopped = false;
  /** The revision at which watches were last told how far they are. */
  private told: Revision = 0;

  constructor({ maxWatches }: { maxWatches: number }, { state }: { state: State }) {
    this.maxWatches = maxWatches;
    this.state = state;
  }

  get size(): number {
    return this.watchers.size;
  }

  /**
   * The request has to be checked before (`checkWatch`). A watch may have an event at once: ask `next`.
   * @throws ControlError "too-many-watches"
   */
  watch(request: WatchRequest, wake: () => void): HubWatch {
    if (this.watchers.size >= this.maxWatches)
      throw new ControlError(
        "too-many-watches",
        `${this.maxWatches} watches run at this apiserver; more are not allowed`,
        { hint: "Watch prefixes instead of single keys, or ask another apiserver." },
      );
    const { history, revision } = this.state;
    const after = request.after ?? revision;
    const watcher: Watcher = {
      request,
      wake,
      queue: new WatchQueue(),
      position: after,
      compacted: after < history.floor,
      awake: true,
    };
    this.watchers.add(watcher);
    this.index.add(request, watcher);
    if (!watcher.compacted && after < revision)
      for (const entry of history.after(after)) {
        const changes = entry.changes.filter((change) => selects(request, changeKey(change)));
        if (changes.length > 0) this.push(watcher, { revision: entry.revision, changes });
      }
    return { next: () => this.next(watcher), close: () => this.remove(watcher) };
  }

  /** Changes that the state has by now. */
  publish(all: readonly Changes[]): void {
    for (const { revision, changes } of all) {
      if (changes.length === 1) {
        const [change] = changes;
        if (change !== undefined)
          this.index.forEach(changeKey(change), (watcher) =>
            this.push(watcher, { revision, changes }),
          );
        continue;
      }
      const concerned = new Map<Watcher, Change[]>();
      for (const change of changes)
        this.index.forEach(changeKey(change), (watcher) => {
          const own = concerned.get(watcher);
          if (own === undefined) concerned.set(watcher, [change]);
          else own.push(change);
        });
      for (const [watcher, own] of concerned) this.push(watcher, { revision, changes: own });
    }
    this.tellProgress();
  }

  /** The state was replaced as a whole: those that were not there yet cannot go on. */
  replace(state: State): void {
    this.state = state;
    this.told = state.revision;
    for (const watcher of this.watchers) {
      watcher.queue = new WatchQueue();
      if (watcher.position < state.history.floor) this.compact(watcher);
    }
  }

  /** Watches get "stopped" as their last event. */
  stop(): void {
    this.stopped = true;
    for (const watcher of this.watchers) this.wake(watcher);
  }

  private next(watcher: Watcher): WatchEvent | undefined {
    if (!this.watchers.has(watcher)) return undefined;
    if (this.stopped) {
      this.remove(watcher);
      return { type: "stopped" };
    }
    if (watcher.compacted) {
      this.remove(watcher);
      return { type: "compacted", revision: this.state.revision };
    }
    const event = watcher.queue.next();
    if (event === undefined) {
      watcher.awake = false;
      return undefined;
    }
    watcher.position = event.revision;
    return { type: "changed", ...event };
  }

  private push(watcher: Watcher, entry: Changes): void {
    if (watcher.compacted || entry.revision <= watcher.position) return;
    if (watcher.queue.push(entry)) this.wake(watcher);
    else this.compact(watcher);
  }

  private compact(watcher: Watcher): void {
    watcher.queue = new WatchQueue();
    watcher.compacted = true;
    this.wake(watcher);
  }

  private wake(watcher: Watcher): void {
    if (watcher.awake) return;
    watcher.awake = true;
    watcher.wake();
  }

  /**
   * A watch that nothing concerns for long would begin again at a revision that is forgotten. So each time
   * the history has forgotten as much as it holds, those that have nothing waiting are told where they are.
   */
  private tellProgress(): void {
    const { history, revision } = this.state;
    if (history.floor < this.told) return;
    this.told = revision;
    for (const watcher of this.watchers)
      if (watcher.queue.empty && watcher.position < revision)
        this.push(watcher, { revision, changes: [] });
  }

  private remove(watcher: Watcher): void {
    if (!this.watchers.delete(watcher)) return;
    this.index.delete(watcher.request, watcher);
  }
}

export function selects(request: WatchRequest, key: string): boolean {
  return "key" in request && request.key !== undefined
    ? request.key === key
    : "prefix" in request && key.startsWith(request.prefix);
}
