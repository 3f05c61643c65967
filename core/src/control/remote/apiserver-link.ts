import { AskedCalls, type CallAnswer, callCode } from "../../link/calls.ts";
import type { Channel, Link, LinkClosed, LinkNetwork } from "../../link/link.ts";
import { LinkError } from "../../link/link-error.ts";
import type { Logger } from "../../logging/logger.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PseudoRandom } from "../../ports/random.ts";
import { CONTROL_CHANNEL, NODES_GROUP } from "../../wire/group-messages.ts";
import type { LeaderInfo } from "../control-store.ts";
import { SharedPauses } from "../pauses.ts";
import { ApiserverChoice } from "./apiserver-choice.ts";
import { Beat, STALL_MS } from "./beat.ts";
import { connectWithin } from "./connect-within.ts";
import {
  type ApiserverMember,
  CONTROL_CALLS_VERSION,
  type HelloAnswer,
  helloAnswer,
  helloRequest,
  nothing,
  OLDEST_CONTROL_CALLS_VERSION,
} from "./control-call-codec.ts";
import type { ControlCalls } from "./control-calls.ts";
import { LeftLink } from "./left-link.ts";
import { MemberQuestions } from "./member-questions.ts";
import { outcomeOf } from "./outcome.ts";

export interface ApiserverLinkOptions {
  /** Node ids. They stay known; those that apiservers tell of are added. */
  readonly apiservers: readonly string[];
  /** The apiserver has to be of this cluster; absent: any. */
  readonly cluster?: string | undefined;
  /** Name and version of this process, for the apiserver's log; at most 128 bytes. */
  readonly software: string;
  /** First pause after all of them were tried; it doubles up to the longest. Default 50 and 2,000. */
  readonly minPauseMs?: number;
  readonly maxPauseMs?: number;
  /** After so long without a link and a hello the next one is tried; longer in later rounds. Default 1,500. */
  readonly patienceMs?: number;
  /** An apiserver that was not heard for so long is asked whether it is there. Default 300. */
  readonly beatMs?: number;
  /**
   * One that says nothing for so long when it was asked is doubted: another one is linked, and takes its place if it
   * has said nothing until then. Default 200.
   */
  readonly doubtMs?: number;
  /** One that does not answer that in time is given up. Default 1,500. */
  readonly beatTimeoutMs?: number;
}

/** None of them is called from within a call of the link. */
export interface ApiserverLinkEvents {
  connected(hello: HelloAnswer): void;
  /** Others are tried at once. */
  disconnected(node: string, why: string): void;
  /**
   * All known apiservers refused this node, one after another. It goes on trying, but somebody has to change
   * something: the error says what. Told in each round.
   */
  refused(error: Error): void;
  /** The apiservers of the cluster, each time they were told. For whoever looks up addresses. */
  members(members: readonly ApiserverMember[]): void;
}

export interface ApiserverLinkDependencies {
  /** The network stays its creator's. */
  readonly network: Pick<LinkNetwork, "connect">;
  readonly clock: Clock;
  readonly random: PseudoRandom;
  readonly logger: Logger;
  readonly events?: Partial<ApiserverLinkEvents>;
}

const DEFAULT_MIN_PAUSE_MS = 50;
const DEFAULT_MAX_PAUSE_MS = 2_000;
const DEFAULT_PATIENCE_MS = 1_500;
/** A dead one is left within half a second and what a link takes: about as long as the others elect a leader. */
const DEFAULT_BEAT_MS = 300;
const DEFAULT_DOUBT_MS = 200;
const DEFAULT_BEAT_TIMEOUT_MS = 1_500;
/** Questions that wait for their answers; the next are answered with `busy`. */
export const MAX_PENDING_CONTROL_CALLS = 20_000;

/** A link to an apiserver that said hello. */
interface Standing {
  readonly link: Link;
  readonly channel: Channel;
  readonly hello: HelloAnswer;
  /** Its link has ended, or it is left: then it may stay open for a while. */
  readonly over: Promise<LinkClosed>;
  leave(why: LinkClosed): void;
  congested: boolean;
}

type Reached =
  | { readonly ok: true; readonly standing: Standing }
  | { readonly ok: false; readonly error: Error; readonly isRefusal: boolean };

/** Keeps a link to one of several apiservers, and asks over it. */
export class ApiserverLink implements ControlCalls {
  private readonly options: ApiserverLinkOptions;
  private readonly dependencies: ApiserverLinkDependencies;
  private readonly events: Partial<ApiserverLinkEvents>;
  private readonly choice: ApiserverChoice;
  private readonly asked: AskedCalls;
  private readonly pauses: SharedPauses;
  private readonly handlers: ((leader: LeaderInfo | undefined) => void)[] = [];
  private standing: Standing | undefined;
  private memberQuestions: MemberQuestions | undefined;
  private beat: Beat | undefined;
  /** A link to another one, while the one that stands is doubted. Undefined when it comes to nothing. */
  private replacement: Promise<Standing | undefined> | undefined;
  /** The one whose place another one took last. */
  private left: LeftLink | undefined;
  private started = false;
  private stopped = false;
  readonly counts = { connected: 0, failed: 0, movedOn: 0, doubted: 0 };

  /** @throws RangeError without any apiserver */
  constructor(options: ApiserverLinkOptions, dependencies: ApiserverLinkDependencies) {
    const { clock, random, events = {} } = dependencies;
    const { apiservers, minPauseMs, maxPauseMs, patienceMs } = options;
    this.options = options;
    this.dependencies = dependencies;
    this.events = events;
    this.choice = new ApiserverChoice(
      {
        apiservers,
        minPauseMs: minPauseMs ?? DEFAULT_MIN_PAUSE_MS,
        maxPauseMs: maxPauseMs ?? DEFAULT_MAX_PAUSE_MS,
        patienceMs: patienceMs ?? DEFAULT_PATIENCE_MS,
      },
      { random },
    );
    this.pauses = new SharedPauses({ clock, random });
    this.asked = new AskedCalls(
      { group: NODES_GROUP, maxPending: MAX_PENDING_CONTROL_CALLS },
      { clock },
    );
  }

  /** What the apiserver said that is linked now. */
  get connected(): HelloAnswer | undefined {
    return this.standing?.hello;
  }

  get version(): number {
    return this.standing?.hello.version ?? OLDEST_CONTROL_CALLS_VERSION;
  }

  /** Begins to connect. Idempotent. */
  start(): void {
    if (this.started || this.stopped) return;
    this.started = true;
    void this.run();
  }

  async ask(method: string, body: Uint8Array, timeoutMs: number): Promise<CallAnswer> {
    const { standing } = this;
    if (standing === undefined) return callCode("unreachable");
    if (standing.congested) return callCode("busy");
    const { clock } = this.dependencies;
    const due = clock.now() + timeoutMs;
    const answer = await this.asked.ask(standing.channel, { method, body, timeoutMs }, () => {
      standing.congested = true;
    });
    const isLate = answer.code === "timeout" && clock.now() < due + STALL_MS;
    if (isLate && this.standing === standing)
      standing.link.close({ code: "closed", detail: `no answer to ${method} in ${timeoutMs} ms` });
    return answer;
  }

  onConnected(handler: (leader: LeaderInfo | undefined) => void): void {
    this.handlers.push(handler);
    const { standing } = this;
    if (standing !== undefined)
      queueMicrotask(() => {
        if (this.standing === standing) handler(standing.hello.leader);
      });
  }

  moveOn(): void {
    const { standing } = this;
    if (standing === undefined || !this.choice.mayLeave(this.dependencies.clock.now())) return;
    this.counts.movedOn += 1;
    standing.link.close({ code: "closed", detail: "another apiserver is tried" });
  }

  /** Closes the link; what waits is answered with `lost`. Idempotent. */
  stop(): void {
    if (this.stopped) return;
    this.stopped = true;
    const why: LinkClosed = { code: "closed", detail: "this node stops" };
    this.standing?.link.close(why);
    void this.replacement?.then((next) => next?.link.close(why));
    this.left?.end();
    this.standing = undefined;
    this.stopAsking();
    this.pauses.endAll();
    this.asked.stop();
  }

  private async run(): Promise<void> {
    while (!this.stopped) {
      const { node, pauseMs, patienceMs } = this.choice.next();
      if (pauseMs > 0) await this.pauses.pause(pauseMs);
      if (this.stopped) return;
      const reached = await this.reach(node, patienceMs);
      if (this.stopped) return;
      if (!reached.ok) this.failed(node, reached.error, reached.isRefusal);
      let standing = reached.ok ? reached.standing : undefined;
      while (standing !== undefined) standing = await this.stand(standing);
    }
  }

  private failed(node: string, error: Error, isRefusal: boolean): void {
    const { logger } = this.dependencies;
    this.counts.failed += 1;
    logger.debug("An apiserver cannot be linked.", { apiserver: node, error });
    const refusal = this.choice.failed(isRefusal ? error : undefined);
    if (refusal !== undefined) this.events.refused?.(refusal);
  }

  /** Until the link has ended. Gives the one that takes its place, if there is one already. */
  private async stand(standing: Standing): Promise<Standing | undefined> {
    const { clock, logger } = this.dependencies;
    const { hello, link } = standing;
    this.standing = standing;
    this.choice.linked(clock.now(), link.peer.node);
    this.counts.connected += 1;
    logger.debug("Linked to an apiserver.", { apiserver: hello.node, software: hello.software });
    this.events.connected?.(hello);
    for (const handler of this.handlers) handler(hello.leader);
    this.memberQuestions = new MemberQuestions({
      clock,
      ask: (...question) => this.ask(...question),
      told: (members) => {
        this.choice.learn(members.map(({ node }) => node));
        this.events.members?.(members);
      },
    });
    const {
      beatMs = DEFAULT_BEAT_MS,
      doubtMs = DEFAULT_DOUBT_MS,
      beatTimeoutMs = DEFAULT_BEAT_TIMEOUT_MS,
    } = this.options;
    this.beat = new Beat(
      { beatMs, doubtMs },
      {
        clock,
        ask: () => this.ask("ping", nothing.encode({}), beatTimeoutMs),
        doubt: (isSilent) => this.doubt(standing, isSilent),
      },
    );
    const closed = await standing.over;
    this.stopAsking();
    if (this.stopped) return undefined;
    this.standing = undefined;
    this.asked.lost(standing.channel);
    this.choice.lost(clock.now());
    const why = closed.detail ?? closed.code;
    logger.debug("The link to an apiserver has ended; another one is tried.", {
      apiserver: hello.node,
      why,
    });
    this.events.disconnected?.(hello.node, why);
    const next = await this.replacement;
    this.replacement = undefined;
    return this.stopped ? undefined : next;
  }

  /** It does not say that it is there: another one is linked before this one is given up. */
  private doubt(standing: Standing, isSilent: () => boolean): void {
    if (this.replacement !== undefined || !this.choice.mayLeave(this.dependencies.clock.now()))
      return;
    this.counts.doubted += 1;
    const replacement = this.replace(standing, isSilent);
    this.replacement = replacement;
    void replacement.then((next) => {
      // The one that was doubted has answered: it stays, and may be doubted again.
      if (next === undefined && this.standing === standing) this.replacement = undefined;
    });
  }

  /** Never rejects. */
  private async replace(doubted: Standing, isSilent: () => boolean): Promise<Standing | undefined> {
    const { patienceMs = DEFAULT_PATIENCE_MS } = this.options;
    const isNeeded = () => !this.stopped && (this.standing !== doubted || isSilent());
    for (const node of this.choice.others) {
      const reached = await this.reach(node, patienceMs);
      if (!reached.ok) this.counts.failed += 1;
      else if (isNeeded()) {
        if (this.standing === doubted) this.leave(doubted, node);
        return reached.standing;
      } else reached.standing.link.close({ code: "closed", detail: "it is not needed" });
      if (!isNeeded()) break;
    }
    return undefined;
  }

  /** Whether leaving it was right shows afterwards: where it was not, nodes would run around among busy apiservers. */
  private leave(doubted: Standing, next: string): void {
    const { clock } = this.dependencies;
    this.left?.end();
    this.left = new LeftLink(doubted, { clock, gone: () => this.choice.wasGone() });
    doubted.leave({ code: "closed", detail: `it says nothing, and ${next} answers` });
  }

  private async reach(node: string, patienceMs: number): Promise<Reached> {
    const { clock } = this.dependencies;
    const deadline = clock.now() + patienceMs;
    try {
      const link = await connectWithin(patienceMs, node, {
        ...this.dependencies,
        isStopped: () => this.stopped,
      });
      const channel = link.channel(CONTROL_CHANNEL);
      channel.onMessage((message) => {
        if (this.standing?.channel === channel) this.beat?.heard();
        this.left?.heard(channel);
        if (message.type === "answer" && message.group === NODES_GROUP)
          this.asked.answered(channel, message);
      });
      const gone = () => this.asked.lost(channel);
      link.closed.then(gone, gone);
      const left = Math.max(1, deadline - clock.now());
      return await this.greet(link, channel, left);
    } catch (cause) {
      const error = cause instanceof Error ? cause : new Error(String(cause));
      return {
        ok: false,
        error,
        isRefusal: error instanceof LinkError && error.code === "refused",
      };
    }
  }

  private async greet(link: Link, channel: Channel, timeoutMs: number): Promise<Reached> {
    const { cluster, software } = this.options;
    const versions = { oldest: OLDEST_CONTROL_CALLS_VERSION, newest: CONTROL_CALLS_VERSION };
    const body = helloRequest.encode({ versions, cluster, software });
    const answer = await this.asked.ask(
      channel,
      { method: "hello", body, timeoutMs },
      () => undefined,
    );
    const outcome = outcomeOf(answer, (bytes) => helloAnswer.decode(bytes));
    if (outcome.type !== "answer" || this.stopped) {
      const why: LinkClosed = { code: "closed", detail: "there was no good hello" };
      link.close(why);
      const { error } = outcome.type === "answer" ? { error: new Error("stopped") } : outcome;
      return { ok: false, error, isRefusal: outcome.type === "refused" };
    }
    let leave: (why: LinkClosed) => void = () => {};
    const left = new Promise<LinkClosed>((resolve) => {
      leave = resolve;
    });
    const over = Promise.race([link.closed, left]);
    const standing: Standing = {
      ...{ link, channel, hello: outcome.value, over, congested: false },
      leave: (why) => leave(why),
    };
    channel.onDrain(() => {
      standing.congested = false;
    });
    return { ok: true, standing };
  }

  private stopAsking(): void {
    this.memberQuestions?.stop();
    this.beat?.stop();
  }
}
