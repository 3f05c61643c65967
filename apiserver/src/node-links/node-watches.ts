import {
  type Clock,
  ControlError,
  LONG_POLL_MS,
  MAX_NODE_WATCHES,
  type Revision,
  type Timer,
  type WatchNews,
  type WatchRequest,
} from "@atlasnet/core";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import type { HubWatch } from "../store/watch-hub.ts";

export type WatchSource = Pick<ReplicatedStore, "pull" | "revision" | "leader">;

interface Entry {
  readonly hub: HubWatch;
  /** Up to here the node was told. */
  told: Revision;
  /** The question that waits. */
  poll: { readonly timer: Timer; readonly answer: (news: WatchNews) => void } | undefined;
  /** Its question is looked at in a moment. */
  due: boolean;
}

/** The watches of one link: each is asked for what is next, one question at a time. */
export class NodeWatches {
  private readonly source: WatchSource;
  private readonly clock: Clock;
  private readonly entries = new Map<string, Entry>();
  /** Another one leads, and no watch waited that could say so: the next question is answered at once. */
  private isLeaderUntold = false;

  constructor({ source, clock }: { readonly source: WatchSource; readonly clock: Clock }) {
    this.source = source;
    this.clock = clock;
  }

  get size(): number {
    return this.entries.size;
  }

  /** Where it begins. @throws ControlError "too-many-watches", "bad-request" for a name that is taken */
  open(name: string, request: WatchRequest): Revision {
    if (this.entries.has(name))
      throw new ControlError("bad-request", `there is a watch ${name} already`);
    if (this.entries.size >= MAX_NODE_WATCHES)
      throw new ControlError(
        "too-many-watches",
        `${MAX_NODE_WATCHES} watches of this node run here; more are not allowed`,
        { hint: "Watch prefixes instead of single keys." },
      );
    const told = request.after ?? this.source.revision;
    const hub = this.source.pull({ ...request, after: told }, () => this.wake(name));
    this.entries.set(name, { hub, told, poll: undefined, due: false });
    return told;
  }

  /** What comes next: at once, or when it comes, or after LONG_POLL_MS how far the watch is. */
  next(name: string): Promise<WatchNews> {
    const entry = this.entries.get(name);
    if (entry === undefined) return Promise.resolve({ type: "ended" });
    if (entry.poll !== undefined)
      throw new ControlError("bad-request", `the watch ${name} is being asked already`);
    const news = this.take(name, entry) ?? (this.isLeaderUntold ? this.idle(entry) : undefined);
    if (news !== undefined) {
      if (news.type === "changed") this.isLeaderUntold = false;
      return Promise.resolve(news);
    }
    return new Promise((answer) => {
      const timer = this.clock.setTimer(LONG_POLL_MS, () => this.answer(entry, this.idle(entry)));
      entry.poll = { timer, answer };
    });
  }

  /** Idempotent. */
  close(name: string): void {
    const entry = this.entries.get(name);
    if (entry === undefined) return;
    this.entries.delete(name);
    entry.hub.close();
    this.answer(entry, { type: "ended" });
  }

  /**
   * Another one leads: the node hears of it with a watch that waits, or else with the next question. A node that has
   * just come here has opened its watches and asked none of them yet, and that is when leaders are elected.
   */
  tellLeader(): void {
    for (const [name, entry] of this.entries) {
      if (entry.poll === undefined) continue;
      // What has come in this very turn goes before: `idle` is for when there is nothing.
      this.answer(entry, this.take(name, entry) ?? this.idle(entry));
      return;
    }
    this.isLeaderUntold = true;
  }

  closeAll(): void {
    for (const name of [...this.entries.keys()]) this.close(name);
  }

  /** In a later turn: what is applied together is told together. */
  private wake(name: string): void {
    const entry = this.entries.get(name);
    if (entry?.poll === undefined || entry.due) return;
    entry.due = true;
    queueMicrotask(() => {
      entry.due = false;
      if (entry.poll === undefined) return;
      const news = this.take(name, entry);
      if (news !== undefined) this.answer(entry, news);
    });
  }

  private take(name: string, entry: Entry): WatchNews | undefined {
    const event = entry.hub.next();
    if (event === undefined) return undefined;
    if (event.type === "changed") {
      entry.told = event.revision;
      return { ...event, ...this.led() };
    }
    this.entries.delete(name);
    return event.type === "compacted" ? event : { type: "ended" };
  }

  /** Nothing waits, so everything that is applied here has been told or does not concern it. */
  private idle(entry: Entry): WatchNews {
    entry.told = Math.max(entry.told, this.source.revision);
    return { type: "changed", revision: entry.told, changes: [], ...this.led() };
  }

  private led(): Pick<WatchNews & { type: "changed" }, "leader"> {
    const leader = this.source.leader();
    return leader === undefined ? {} : { leader };
  }

  private answer(entry: Entry, news: WatchNews): void {
    const { poll } = entry;
    entry.poll = undefined;
    poll?.timer.cancel();
    poll?.answer(news);
  }
}
