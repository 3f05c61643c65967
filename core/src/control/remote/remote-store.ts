import { hexOf } from "@atlasnet/world";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { ControlError } from "../control-error.ts";
import {
  type ControlStore,
  type LeaderInfo,
  MAX_RETRY_MS,
  type RangeRequest,
  type RangeResult,
  type TxnRequest,
  type TxnResult,
  type Watch,
  type WatchEvents,
  type WatchRequest,
} from "../control-store.ts";
import { failedWatch } from "../failed-watch.ts";
import { SharedPauses } from "../pauses.ts";
import { checkWatch } from "../request-checks.ts";
import {
  ASLEEP_SINCE_VERSION,
  MIGRATIONS_SINCE_VERSION,
  rangeAnswer,
  rangeRequest,
  renewalAnswer,
  renewalRequest,
  txnAnswer,
  txnRequest,
} from "./control-call-codec.ts";
import type { ControlCalls } from "./control-calls.ts";
import { outcomeOf, stopped, undecided } from "./outcome.ts";
import { RemoteWatch, type WatchPort } from "./remote-watch.ts";
import type { RenewalAnswer, RenewalRequest } from "./renewal.ts";

export interface RemoteStoreOptions {
  /** A request is tried again for so long, at most MAX_RETRY_MS less one try. Default 10,000. */
  readonly timeoutMs?: number;
  /** One try has this long; longer than an apiserver takes to say that there is no quorum. Default 3,000. */
  readonly attemptMs?: number;
  /** Ranges and transactions that wait here; the next are refused with "busy". Default 10,000. */
  readonly maxPending?: number;
  /** Watches; the next fail with "too-many-watches". Default 1,024, as many as an apiserver takes of a node. */
  readonly maxWatches?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_ATTEMPT_MS = 3_000;
const DEFAULT_MAX_PENDING = 10_000;
/** Also what an apiserver takes of one node. */
export const MAX_NODE_WATCHES = 1024;
const MIN_PAUSE_MS = 20;
const MAX_PAUSE_MS = 500;
const ID_BYTES = 16;
/** An apiserver at which renewals find no leader for so long is left: elections take less. */
const LEADERLESS_MS = 1_500;

/**
 * The control store as a node has it, over its link to whichever apiserver.
 *
 * 1. A transaction gets an id when it has none: it may be sent again, to any apiserver, and is applied once.
 * 2. A request is answered within `timeoutMs` and one try. When any of its tries may have been acted upon,
 *    the error is "timeout" or "no-quorum", and none that says otherwise.
 * 3. A watch outlives links and apiservers without a gap.
 */
export class RemoteStore implements ControlStore {
  private readonly options: Required<RemoteStoreOptions>;
  private readonly calls: ControlCalls;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly pauses: SharedPauses;
  private readonly watches = new Set<RemoteWatch>();
  private readonly watchPort: WatchPort;
  private known: LeaderInfo | undefined;
  private pending = 0;
  private isStopped = false;
  private readonly leaderHandlers: (() => void)[] = [];
  /** Since when renewals find no leader. */
  private leaderlessSince: number | undefined;

  constructor(
    options: RemoteStoreOptions,
    {
      calls,
      clock,
      random,
    }: { readonly calls: ControlCalls; readonly clock: Clock; readonly random: Random },
  ) {
    const attemptMs = options.attemptMs ?? DEFAULT_ATTEMPT_MS;
    this.options = {
      timeoutMs: Math.min(options.timeoutMs ?? DEFAULT_TIMEOUT_MS, MAX_RETRY_MS - attemptMs),
      attemptMs,
      maxPending: options.maxPending ?? DEFAULT_MAX_PENDING,
      maxWatches: options.maxWatches ?? MAX_NODE_WATCHES,
    };
    this.calls = calls;
    this.clock = clock;
    this.random = random;
    this.pauses = new SharedPauses({ clock, random });
    this.watchPort = {
      ask: (method, body, longMs = 0) => calls.ask(method, body, attemptMs + longMs),
      pause: (ms) => this.pauses.pause(ms),
      moveOn: () => calls.moveOn(),
      newId: () => this.newId(),
      learn: (leader) => this.learn(leader),
      ended: (watch) => this.watches.delete(watch),
    };
    calls.onConnected((leader) => {
      this.leaderlessSince = undefined;
      this.pauses.endAll();
      // Whatever was asked over the link before may be lost.
      this.known = undefined;
      this.learn(leader);
    });
  }

  /** As the apiserver knew it that answered last. */
  leader(): LeaderInfo | undefined {
    return this.known;
  }

  /** There is another leader than before, or another link to the one that was: what was asked may be lost with it. */
  onLeader(handler: () => void): void {
    this.leaderHandlers.push(handler);
  }

  get figures(): { readonly pending: number; readonly watches: number } {
    return { pending: this.pending, watches: this.watches.size };
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    const { leader, ...result } = await this.ask("range", rangeRequest.encode(request), (body) =>
      rangeAnswer.decode(body),
    );
    this.learn(leader);
    return result;
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    const body = txnRequest.encode({ ...request, id: request.id ?? this.newId() });
    const { leader, ...result } = await this.ask("txn", body, (answer) => txnAnswer.decode(answer));
    this.learn(leader);
    return result;
  }

  watch(request: WatchRequest, events: WatchEvents): Watch {
    try {
      if (this.isStopped) throw stopped();
      checkWatch(request);
      const { maxWatches } = this.options;
      if (this.watches.size >= maxWatches)
        throw new ControlError("too-many-watches", `${maxWatches} watches run in this process`, {
          hint: "Watch prefixes instead of single keys.",
        });
    } catch (error) {
      return failedWatch(error, events);
    }
    const watch = new RemoteWatch(request, { events, port: this.watchPort });
    this.watches.add(watch);
    return watch;
  }

  /**
   * Asks once, within `timeoutMs`: who renews goes on with another renewal.
   * @throws ControlError: nobody knows, or no apiserver is linked
   */
  async renew(request: RenewalRequest, timeoutMs: number): Promise<RenewalAnswer> {
    if (this.isStopped) throw stopped();
    const body = renewalRequest.encode(asOfVersion(this.calls.version, request));
    const answer = await this.calls.ask("renew", body, timeoutMs);
    const outcome = outcomeOf(answer, (body) => renewalAnswer.decode(body));
    if (outcome.type === "answer") {
      this.renewalAnswered(outcome.value);
      return outcome.value;
    }
    if (outcome.type === "again" && outcome.elsewhere) this.calls.moveOn();
    throw outcome.error;
  }

  /** Answers what waits at its next try with "unreachable"; watches fail. The calls stay their creator's. Idempotent. */
  stop(): void {
    if (this.isStopped) return;
    this.isStopped = true;
    for (const watch of [...this.watches]) watch.stop();
    this.pauses.endAll();
  }

  private learn(leader: LeaderInfo | undefined): void {
    const before = this.known;
    this.known = leader;
    if (leader === undefined) return;
    if (leader.term === before?.term && leader.node === before.node) return;
    for (const handler of this.leaderHandlers) handler();
  }

  /** An apiserver that is cut off from the others answers, and its watches are silent: renewals find out. */
  private renewalAnswered(answer: RenewalAnswer): void {
    const now = this.clock.now();
    if (answer.ok || answer.code !== "not-leader") this.leaderlessSince = undefined;
    else if (now - (this.leaderlessSince ?? now) >= LEADERLESS_MS) this.calls.moveOn();
    else this.leaderlessSince ??= now;
  }

  private async ask<T>(
    method: string,
    body: Uint8Array,
    decode: (body: Uint8Array) => T,
  ): Promise<T> {
    const { maxPending } = this.options;
    if (this.isStopped) throw stopped();
    if (this.pending >= maxPending)
      throw new ControlError("busy", `${maxPending} requests to the apiservers wait already`, {
        hint: "Try again later, with fewer requests at a time.",
      });
    this.pending += 1;
    try {
      return await this.askUntilDecided(method, body, decode);
    } finally {
      this.pending -= 1;
    }
  }

  private async askUntilDecided<T>(
    method: string,
    body: Uint8Array,
    decode: (body: Uint8Array) => T,
  ): Promise<T> {
    const { timeoutMs, attemptMs } = this.options;
    const deadline = this.clock.now() + timeoutMs;
    let open: ControlError | undefined;
    for (let pauseMs = MIN_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
      const outcome = outcomeOf(await this.calls.ask(method, body, attemptMs), decode);
      if (outcome.type === "answer") return outcome.value;
      const { error } = outcome;
      if (outcome.type === "refused") throw error.code === "unreachable" ? (open ?? error) : error;
      if (outcome.isOpen) open = isUndecided(error) ? error : undecided("lost");
      if (outcome.elsewhere) this.calls.moveOn();
      if (this.isStopped) throw open ?? stopped();
      if (this.clock.now() + pauseMs > deadline) throw open ?? error;
      await this.pauses.pause(pauseMs);
      if (this.isStopped) throw open ?? stopped();
    }
  }

  private newId(): string {
    return hexOf(this.random.bytes(ID_BYTES));
  }
}

function isUndecided({ code }: ControlError): boolean {
  return code === "timeout" || code === "no-quorum";
}

/** An apiserver of before refuses what it does not know, and a lease is worth more than what people are shown. */
function asOfVersion(version: number, request: RenewalRequest): RenewalRequest {
  const { migrations, asleep, ...known } = request;
  return {
    ...known,
    ...(version >= MIGRATIONS_SINCE_VERSION && migrations !== undefined ? { migrations } : {}),
    ...(version >= ASLEEP_SINCE_VERSION && asleep !== undefined ? { asleep } : {}),
  };
}
