import {
  type Change,
  type Clock,
  type KeyValue,
  type Logger,
  MODULES,
  NODES,
  readAll,
  SHARDS,
  WORLDS,
} from "@atlasnet/core";
import { CHANGES_AT_ONCE, type ClusterView } from "../placement/view.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import type { HubWatch } from "../store/watch-hub.ts";

export interface ClusterWatchDependencies {
  readonly store: Pick<ReplicatedStore, "range" | "pull">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly view: ClusterView;
  /** The view has changed, or is complete (again). Never from within a call of this one. */
  readonly onChange: () => void;
}

const PREFIXES = [NODES, WORLDS, SHARDS, MODULES] as const;
/** Keys of the view that are gathered before the clock is looked at. */
const KEYS_AT_ONCE = 1000;
/** After so long others have their turn. */
const TURN_MS = 8;
/** Before everything is read again after an error. */
const RETRY_MS = 500;
/** Bad records of which the log has a line. */
const MAX_BAD_LINES = 20;

/**
 * Keeps a view of the cluster up to date from this replica, in pieces between which others have their turn.
 * Watches begin before the first read, so that nothing is missed however long that takes; what waits is
 * bounded by the watch, which then asks for another read.
 */
export class ClusterWatch {
  private readonly dependencies: ClusterWatchDependencies;
  private complete = false;
  private stopped = false;
  private started = false;
  private wake: (() => void) | undefined;
  private woken = false;
  private since = 0;
  private badLines = 0;

  constructor(dependencies: ClusterWatchDependencies) {
    this.dependencies = dependencies;
  }

  /** The view has everything, but for changes on their way. */
  get isComplete(): boolean {
    return this.complete;
  }

  start(): void {
    if (this.started) return;
    this.started = true;
    void this.run();
  }

  /** The view does not change any more. Idempotent. */
  stop(): void {
    this.stopped = true;
    this.complete = false;
    this.awaken();
  }

  /** Ends when it was stopped; never rejects. */
  private async run(): Promise<void> {
    const { clock, logger } = this.dependencies;
    while (!this.stopped) {
      const watches: HubWatch[] = [];
      try {
        for (const prefix of PREFIXES) watches.push(this.begin(prefix));
        await this.read();
        await this.follow(watches);
      } catch (error) {
        if (!this.stopped)
          logger.warn("The view of the cluster could not be kept up to date; it is read again.", {
            error,
          });
        await new Promise<void>((resolve) => clock.setTimer(RETRY_MS, resolve));
      } finally {
        this.complete = false;
        for (const watch of watches) watch.close();
      }
    }
  }

  private begin(prefix: string): HubWatch {
    return this.dependencies.store.pull({ prefix }, () => this.awaken());
  }

  private awaken(): void {
    this.woken = true;
    this.wake?.();
    this.wake = undefined;
  }

  private async read(): Promise<void> {
    const { store, view, clock } = this.dependencies;
    this.since = clock.now();
    const gone = new Set<string>();
    for (const key of view.keys()) {
      gone.add(key);
      if (gone.size % KEYS_AT_ONCE === 0) await this.giveWay();
    }
    let newest = 0;
    for (const prefix of PREFIXES) {
      const { revision, items } = await readAll(store, prefix, "local");
      newest = Math.max(newest, revision);
      for (let at = 0; at < items.length; at += CHANGES_AT_ONCE) {
        const piece = items.slice(at, at + CHANGES_AT_ONCE);
        for (const { key } of piece) gone.delete(key);
        await this.apply(piece.map((item: KeyValue) => ({ type: "put", item })));
      }
    }
    await this.apply([...gone].map((key) => ({ type: "delete", key, modified: newest })));
    if (this.stopped) return;
    view.enterGeneration(newest, clock.now());
    this.complete = true;
    this.dependencies.onChange();
  }

  /** Returns when everything has to be read again, or this was stopped. */
  private async follow(watches: readonly HubWatch[]): Promise<void> {
    for (;;) {
      this.woken = false;
      let changed = false;
      for (const watch of watches) {
        const event = watch.next();
        if (this.stopped || event?.type === "stopped") {
          this.stopped = true;
          return;
        }
        if (event?.type === "compacted") return;
        if (event === undefined) continue;
        changed = true;
        await this.apply(event.changes);
      }
      if (changed) this.dependencies.onChange();
      else if (!this.woken) await this.wakes();
    }
  }

  private wakes(): Promise<void> {
    const { clock } = this.dependencies;
    return new Promise((resolve) => {
      this.wake = () => {
        this.since = clock.now();
        resolve();
      };
    });
  }

  private async apply(changes: readonly Change[]): Promise<void> {
    const { view, clock } = this.dependencies;
    for (let at = 0; at < changes.length && !this.stopped; at += CHANGES_AT_ONCE) {
      view.apply(changes.slice(at, at + CHANGES_AT_ONCE), clock.now());
      this.tellBad();
      await this.giveWay();
    }
  }

  private async giveWay(): Promise<void> {
    const { clock } = this.dependencies;
    if (clock.now() - this.since < TURN_MS) return;
    await new Promise<void>((resolve) => clock.setTimer(0, resolve));
    this.since = clock.now();
  }

  private tellBad(): void {
    const { view, logger } = this.dependencies;
    for (const { key, problem } of view.takeBad()) {
      if (this.badLines >= MAX_BAD_LINES) continue;
      this.badLines += 1;
      logger.warn("A record cannot be read; placement goes by the one before.", { key, problem });
    }
  }
}
