import { type Clock, type Logger, OperatingError, type Timer } from "@atlasnet/core";
import { DAY_MS } from "./authority.ts";
import { dateText } from "./certificate.ts";
import { readIdentity } from "./identity-files.ts";
import type { NodeIdentity } from "./node-identity.ts";
import { type ObtainedIdentity, obtained } from "./obtain-identity.ts";
import { type RenewIdentityOptions, renewIdentity } from "./renew-identity.ts";

export interface WatchRenewalOptions extends RenewIdentityOptions {
  /** What the node runs with. */
  readonly identity: NodeIdentity;
}

export interface WatchRenewalDependencies {
  readonly logger: Logger;
  readonly clock: Clock;
  /** Takes up a new identity, for links from now on. */
  onRenewed(obtained: ObtainedIdentity): void;
  /** Stand-ins for tests; by default the files, and `renewIdentity`. */
  readonly source?: RenewalSource;
}

export interface RenewalSource {
  /** What the node's folder holds. */
  read(): Promise<ObtainedIdentity | undefined>;
  renew(signal: AbortSignal): Promise<ObtainedIdentity>;
}

/** Renewed after this part of the certificate's life. */
const RENEW_AFTER = 2 / 3;
/** Looked at so often, because clocks are set, and because files may be copied into the folder by hand. */
const CHECK_MS = 3_600_000;
/** Between two attempts at least; after failures twice as long each time, up to the longest. */
const SHORTEST_WAIT_MS = 60_000;
const LONGEST_WAIT_MS = 6 * 3_600_000;
/** Of the time that is left at most this part passes between two attempts. */
const PART_OF_REST = 1 / 50;

/**
 * Keeps a node's certificate fresh: renews it at two thirds of its life, tries again until it works, and says
 * in the log how many days are left. A newer certificate that somebody put into the folder is taken up, too.
 */
export function watchRenewal(
  options: WatchRenewalOptions,
  dependencies: WatchRenewalDependencies,
): { stop(): Promise<void> } {
  const watch = new RenewalWatch(options, dependencies);
  watch.start();
  return { stop: () => watch.stop() };
}

class RenewalWatch {
  private readonly dependencies: WatchRenewalDependencies;
  private readonly source: RenewalSource;
  private readonly stopping = new AbortController();
  private identity: NodeIdentity;
  private failures = 0;
  private timer: Timer | undefined;
  private work: Promise<void> = Promise.resolve();

  constructor(options: WatchRenewalOptions, dependencies: WatchRenewalDependencies) {
    this.dependencies = dependencies;
    this.identity = options.identity;
    this.source = dependencies.source ?? folderSource(options, dependencies);
  }

  start(): void {
    this.wait(this.untilDue());
  }

  /** Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.timer?.cancel();
    await this.work;
  }

  private wait(ms: number): void {
    if (this.stopping.signal.aborted) return;
    this.timer = this.dependencies.clock.setTimer(ms, () => {
      this.work = this.check();
    });
  }

  /** Until the next look: at the latest when renewal is due. */
  private untilDue(): number {
    const { notBefore, notAfter } = this.identity;
    const due = notBefore + (notAfter - notBefore) * RENEW_AFTER;
    return clamp(due - this.dependencies.clock.wallTime(), 0, CHECK_MS);
  }

  /** Never rejects. */
  private async check(): Promise<void> {
    try {
      this.take(await this.source.read());
      if (this.untilDue() === 0) this.take(await this.source.renew(this.stopping.signal));
      this.failures = 0;
      // A CA that ends soon gives certificates that are due at once.
      this.wait(Math.max(this.untilDue(), SHORTEST_WAIT_MS));
    } catch (error) {
      if (this.stopping.signal.aborted) return;
      this.report(error);
      this.wait(this.backoff());
    }
  }

  private take(found: ObtainedIdentity | undefined): void {
    if (found === undefined || this.stopping.signal.aborted) return;
    const { certificate, authorities, notBefore, notAfter } = found.identity;
    const now = this.dependencies.clock.wallTime();
    const good = this.identity.notBefore <= notBefore && notBefore <= now && now <= notAfter;
    const same =
      certificate === this.identity.certificate && authorities === this.identity.authorities;
    if (same || !good) return;
    this.identity = found.identity;
    this.dependencies.onRenewed(found);
  }

  private backoff(): number {
    const wait = SHORTEST_WAIT_MS * 2 ** Math.min(this.failures++, 16);
    return clamp(wait, SHORTEST_WAIT_MS, Math.min(LONGEST_WAIT_MS, this.leftMs() * PART_OF_REST));
  }

  private leftMs(): number {
    return this.identity.notAfter - this.dependencies.clock.wallTime();
  }

  private report(error: unknown): void {
    const { logger } = this.dependencies;
    const left = this.leftMs();
    const facts = {
      node: this.identity.node,
      expires: dateText(this.identity.notAfter),
      daysLeft: Math.max(0, Math.floor((left / DAY_MS) * 10) / 10),
      error,
      hint: error instanceof OperatingError ? error.hint : undefined,
    };
    if (left > 0)
      logger.warn("The node's certificate cannot be renewed; it is tried again.", facts);
    else
      logger.error("The node's certificate has expired: other nodes refuse its new links.", facts);
  }
}

function folderSource(
  options: WatchRenewalOptions,
  { logger, clock }: WatchRenewalDependencies,
): RenewalSource {
  const now = () => clock.wallTime();
  return {
    async read() {
      const stored = await readIdentity(options);
      return stored && obtained(stored);
    },
    renew: (signal) => renewIdentity(options, { logger, now, signal }),
  };
}

/** The lower bound wins. */
function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}
