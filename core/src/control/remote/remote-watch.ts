import type { CallAnswer } from "../../link/calls.ts";
import type { LeaderInfo, Revision, Watch, WatchEvents, WatchRequest } from "../control-store.ts";
import {
  type OpenWatch,
  type WatchNews,
  watchAnswer,
  watchName,
  watchNews,
  watchRequest,
} from "./control-call-codec.ts";
import { type Outcome, outcomeOf, stopped } from "./outcome.ts";

/** How a watch reaches an apiserver. */
export interface WatchPort {
  /** As ControlCalls; `longMs` is added to the time of a try. */
  ask(method: string, body: Uint8Array, longMs?: number): Promise<CallAnswer>;
  pause(ms: number): Promise<void>;
  moveOn(): void;
  newId(): string;
  learn(leader: LeaderInfo | undefined): void;
  ended(watch: RemoteWatch): void;
}

/** An apiserver that has nothing to tell answers after this with how far it is. */
export const LONG_POLL_MS = 10_000;
const MIN_PAUSE_MS = 20;
const MAX_PAUSE_MS = 2_000;
/** An apiserver that has too many may have a neighbour that has not: so often another one is tried. */
const MAX_FULL = 4;

/**
 * A watch at whichever apiserver there is: opened, then asked for what is next, one answer after another. When
 * anything gets between, it begins again behind the last answer, so that nothing is missed. The revision where "from
 * now on" began is told with the opening.
 */
export class RemoteWatch implements Watch {
  private readonly request: WatchRequest;
  private readonly events: WatchEvents;
  private readonly port: WatchPort;
  private after: Revision | undefined;
  /** As the apiserver knows it, while it may know it. */
  private name: string | undefined;
  private closed = false;
  /** Whoever watches has closed it. */
  private silent = false;
  private full = 0;

  /** The request has been checked. */
  constructor(
    request: WatchRequest,
    { events, port }: { readonly events: WatchEvents; readonly port: WatchPort },
  ) {
    this.request = request;
    this.events = events;
    this.port = port;
    this.after = request.after;
    void this.run();
  }

  close(): void {
    this.silent = true;
    if (this.closed) return;
    this.finish();
    this.forget();
  }

  /** The process closes its links. */
  stop(): void {
    if (this.closed) return;
    this.finish();
    queueMicrotask(() => {
      if (!this.silent) this.events.failed(stopped());
    });
  }

  private async run(): Promise<void> {
    for (let pauseMs = MIN_PAUSE_MS; !this.closed; ) {
      const before = this.after;
      await this.follow();
      if (this.closed) return;
      pauseMs = this.after === before ? Math.min(pauseMs * 2, MAX_PAUSE_MS) : MIN_PAUSE_MS;
      await this.port.pause(pauseMs);
    }
  }

  /** From an opening until something gets between, or the end. */
  private async follow(): Promise<void> {
    const watch = this.port.newId();
    this.name = watch;
    const behind = this.after === undefined ? {} : { after: this.after };
    const request: OpenWatch = { ...this.request, ...behind, watch };
    const body = watchRequest.encode(request);
    const opened = outcomeOf(await this.port.ask("watch", body), watchAnswer.decode);
    if (this.closed) return this.forget();
    if (opened.type !== "answer") return this.interrupted(opened);
    this.port.learn(opened.value.leader);
    this.full = 0;
    this.after ??= opened.value.revision;
    const next = watchName.encode({ watch });
    while (!this.closed) {
      const answer = await this.port.ask("watch-next", next, LONG_POLL_MS);
      if (this.closed) return;
      const news = outcomeOf(answer, watchNews.decode);
      if (news.type !== "answer") return this.interrupted(news);
      if (news.value.type === "ended") return;
      this.take(news.value);
    }
  }

  private take(news: Exclude<WatchNews, { type: "ended" }>): void {
    const { revision } = news;
    if (news.type === "compacted") {
      this.finish();
      this.events.compacted({ revision });
      return;
    }
    this.port.learn(news.leader);
    const { changes } = news;
    if (changes.length === 0 && revision <= (this.after ?? 0)) return;
    this.after = revision;
    this.events.changed({ revision, changes });
  }

  private interrupted(outcome: Exclude<Outcome<unknown>, { type: "answer" }>): void {
    this.forget();
    const { error } = outcome;
    if (outcome.type === "again") {
      if (outcome.elsewhere) this.port.moveOn();
      return;
    }
    if (error.code === "too-many-watches" && ++this.full < MAX_FULL) {
      this.port.moveOn();
      return;
    }
    this.finish();
    this.events.failed(error);
  }

  /** What the apiserver holds of it, should it still do. */
  private forget(): void {
    if (this.name === undefined) return;
    void this.port.ask("watch-close", watchName.encode({ watch: this.name }));
    this.name = undefined;
  }

  private finish(): void {
    this.closed = true;
    this.port.ended(this);
  }
}
