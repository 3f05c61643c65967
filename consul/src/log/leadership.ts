import type { Clock, Logger } from "@atlasnet/core";
import type { ConsulAgent } from "../agent/consul-agent.ts";
import { isPassing } from "./leader-term.ts";
import { Pauses, pause } from "./retrying.ts";

export interface LeadershipOptions {
  readonly node: string;
  /** Key of the lock. */
  readonly key: string;
}

export interface LeadershipDependencies {
  readonly agent: Pick<
    ConsulAgent,
    "get" | "acquire" | "createSession" | "renewSession" | "destroySession"
  >;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The lock is held until the signal is aborted; resolves when the work is over. */
  readonly lead: (signal: AbortSignal) => Promise<void>;
  /** Who holds the lock, as seen last; undefined: nobody, or nobody knows. */
  readonly onHolder: (node: string | undefined) => void;
}

/** The shortest that Consul allows; it waits up to twice as long before the lock is free. */
const SESSION_TTL_MS = 10_000;
const RENEW_MS = 3000;
const WAIT_MS = 30_000;

/**
 * Holds a lock in Consul whenever it can be had. The lock only says who should write; that nobody else can is what the
 * log itself sees to.
 */
export class Leadership {
  private readonly options: LeadershipOptions;
  private readonly dependencies: LeadershipDependencies;
  private readonly stopping = new AbortController();
  private standing: AbortController | undefined;
  private running: Promise<void> | undefined;
  private stood: Promise<unknown> | undefined;
  private retired = false;

  constructor(options: LeadershipOptions, dependencies: LeadershipDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  start(): void {
    this.running ??= this.run();
  }

  /** Gives the lock back. Idempotent. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.standing?.abort();
    await this.running;
  }

  /** Gives the lock back and seeks it no more; who holds it is told on. Resolves when it is given back. */
  async retire(): Promise<void> {
    this.retired = true;
    this.standing?.abort();
    await this.stood;
  }

  /** Gives the lock back for now: somebody else may have it. */
  stepDown(): void {
    this.standing?.abort();
  }

  private async run(): Promise<void> {
    const { clock, logger, agent } = this.dependencies;
    const { signal } = this.stopping;
    const pauses = new Pauses();
    while (!signal.aborted) {
      try {
        await this.untilFree(signal);
        const session = await agent.createSession(`atlasnet ${this.options.node}`, SESSION_TTL_MS);
        const standing = this.stand(session);
        this.stood = standing.catch(() => undefined);
        if (await standing) pauses.reset();
      } catch (error) {
        if (signal.aborted) break;
        logger.warn("Leadership cannot be sought in Consul; trying again.", { error });
        this.dependencies.onHolder(undefined);
      }
      if (!signal.aborted) await pause(clock, pauses.next(), signal);
    }
  }

  private async untilFree(signal: AbortSignal): Promise<void> {
    const { agent, onHolder } = this.dependencies;
    let index: number | undefined;
    for (;;) {
      const read = await agent.get(this.options.key, {
        signal,
        ...(index !== undefined && { index, waitMs: WAIT_MS }),
      });
      const { value } = read;
      // An index that goes back begins anew, as Consul's documentation asks.
      index = index !== undefined && read.index < index ? undefined : read.index;
      onHolder(value?.session === undefined ? undefined : value.value.toString());
      if (value?.session === undefined && !this.retired) return;
    }
  }

  /** True: the lock was held, and is not any more. */
  private async stand(session: string): Promise<boolean> {
    const { agent, logger, onHolder, lead } = this.dependencies;
    const { key, node } = this.options;
    const standing = new AbortController();
    this.standing = standing;
    try {
      if (this.stopping.signal.aborted || this.retired) return false;
      if (!(await agent.acquire(key, session, node))) return false;
      onHolder(node);
      const keeping = this.keep(session, standing.signal).then(() => standing.abort());
      await lead(standing.signal).finally(() => standing.abort());
      await keeping;
      return true;
    } finally {
      this.standing = undefined;
      await agent.destroySession(session).catch((error: unknown) => {
        if (isPassing(error))
          logger.info("The session in Consul could not be ended; it ends by itself.", { error });
        else throw error;
      });
    }
  }

  /** Renews the session; resolves when it is lost, or the signal ends it. */
  private async keep(session: string, signal: AbortSignal): Promise<void> {
    const { agent, clock, logger } = this.dependencies;
    let renewed = clock.now();
    while (!signal.aborted) {
      await pause(clock, RENEW_MS, signal);
      const asked = clock.now();
      // It may have run out at Consul: whoever leads on in doubt would only hold up the next one.
      if (asked - renewed >= SESSION_TTL_MS) return;
      try {
        if (!(await agent.renewSession(session, signal))) return;
        renewed = asked;
      } catch (error) {
        if (signal.aborted) return;
        logger.warn("The session in Consul could not be renewed; trying again.", { error });
      }
    }
  }
}
