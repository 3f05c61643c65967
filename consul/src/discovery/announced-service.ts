import type { Clock, Logger } from "@atlasnet/core";
import type { Announced, Announcement, Health } from "@atlasnet/core/node";
import type { ConsulAgent } from "../agent/consul-agent.ts";
import { Pauses, pause } from "../log/retrying.ts";
import { registrationOf, type ServiceOptions } from "./service.ts";

export interface AnnouncedDependencies {
  readonly agent: Pick<ConsulAgent, "register" | "deregister" | "report" | "nodeAddress">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Times that a process says how it is within a TTL. */
const REPORTS_PER_TTL = 3;
/** A change of `/ready` is told within so long. */
const LOOK_MS = 1000;

/** A process in Consul: registered, also again when the agent has forgotten it, and as healthy as it says. */
export class AnnouncedService implements Announced {
  private readonly process: Announcement;
  private readonly options: Omit<ServiceOptions, "address"> & {
    readonly advertise: string | undefined;
  };
  private readonly dependencies: AnnouncedDependencies;
  private readonly health: () => Health;
  private readonly ending = new AbortController();
  private readonly running: Promise<void>;
  private withdrawing: Promise<void> | undefined;
  private registered: string | undefined;
  /** Consul has the last report. */
  isKnown = false;
  /** Requests that Consul did not answer, or refused. */
  failures = 0;

  constructor(
    process: Announcement,
    options: Omit<ServiceOptions, "address"> & { readonly advertise: string | undefined },
    dependencies: AnnouncedDependencies,
    health: () => Health,
  ) {
    this.process = process;
    this.options = options;
    this.dependencies = dependencies;
    this.health = health;
    this.running = this.run();
  }

  withdraw(): Promise<void> {
    this.withdrawing ??= this.end();
    return this.withdrawing;
  }

  private async run(): Promise<void> {
    const { clock, logger } = this.dependencies;
    const { signal } = this.ending;
    const pauses = new Pauses();
    let told = false;
    while (!signal.aborted) {
      try {
        await this.keep();
        pauses.reset();
        if (told) logger.info("The Consul agent answers again.");
        told = false;
      } catch (error) {
        this.isKnown = false;
        this.failures += 1;
        if (!told)
          logger.warn(
            "This process cannot be announced in Consul; it goes on, and tries until it is.",
            { error },
          );
        told = true;
        await pause(clock, pauses.next(), signal);
      }
    }
  }

  /** Registers unless that is done, and says how the process is until it is time to look again. */
  private async keep(): Promise<void> {
    const { agent, clock, logger } = this.dependencies;
    const { signal } = this.ending;
    this.registered ??= await this.register();
    const health = this.health();
    const known = await agent.report(
      this.registered,
      health.ok,
      health.ok ? "ready" : health.reason,
    );
    this.isKnown = known;
    if (!known) {
      // An agent that was started anew, without its state, or that waited too long for a report.
      logger.info("The Consul agent has forgotten this process; registering it again.");
      this.registered = undefined;
      return;
    }
    const until = clock.now() + this.options.ttlMs / REPORTS_PER_TTL;
    while (!signal.aborted && clock.now() < until && this.health().ok === health.ok)
      await pause(clock, Math.min(LOOK_MS, Math.max(1, until - clock.now())), signal);
  }

  private async register(): Promise<string> {
    const { agent, logger } = this.dependencies;
    const { advertise, ...options } = this.options;
    const address = advertise ?? (await agent.nodeAddress()) ?? "127.0.0.1";
    const registration = registrationOf(this.process, { ...options, address });
    await agent.register(registration);
    const { id, name } = registration;
    logger.info("Announced in Consul.", { service: name, id, address });
    return id;
  }

  private async end(): Promise<void> {
    const { agent, logger } = this.dependencies;
    this.ending.abort();
    await this.running;
    if (this.registered === undefined) return;
    await agent.deregister(this.registered).catch((error: unknown) => {
      logger.warn("Consul was not told that this process ends; it finds out by itself.", { error });
    });
  }
}
