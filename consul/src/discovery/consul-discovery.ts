import type { Clock, Logger } from "@atlasnet/core";
import type {
  Announced,
  Announcement,
  DiscoveredProcess,
  Discovery,
  Health,
  ProcessRole,
} from "@atlasnet/core/node";
import type { ServiceEntry } from "../agent/answers.ts";
import type { ConsulAgent } from "../agent/consul-agent.ts";
import { Pauses, pause } from "../log/retrying.ts";
import { AnnouncedService } from "./announced-service.ts";
import { processOf, type ServiceOptions } from "./service.ts";

export interface ConsulDiscoveryOptions extends Omit<ServiceOptions, "address"> {
  /** Under which others reach this process; default: the address of the agent's node. */
  readonly advertise?: string;
}

export interface ConsulDiscoveryDependencies {
  /** Closed by `stop`. */
  readonly agent: ConsulAgent;
  readonly clock: Clock;
  readonly logger: Logger;
}

const WAIT_MS = 30_000;

/** Processes find each other as services of a Consul datacenter, by name and tag. */
export class ConsulDiscovery implements Discovery {
  private readonly options: ConsulDiscoveryOptions;
  private readonly dependencies: ConsulDiscoveryDependencies;
  private readonly ending = new AbortController();
  private readonly announced: AnnouncedService[] = [];
  private readonly watches: Promise<void>[] = [];
  private readonly last = new Map<ProcessRole, readonly DiscoveredProcess[]>();
  private failures = 0;

  constructor(options: ConsulDiscoveryOptions, dependencies: ConsulDiscoveryDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  get figures() {
    const found = [...this.last].map(([role, processes]) => {
      const ready = processes.filter((process) => process.ready).length;
      return [role, { all: processes.length, ready }] as const;
    });
    const { announced } = this;
    let failures = this.failures;
    for (const each of announced) failures += each.failures;
    return {
      announced: announced.length > 0 && announced.every((each) => each.isKnown),
      found,
      failures,
    };
  }

  announce(process: Announcement, health: () => Health): Announced {
    const { advertise, ...options } = this.options;
    const announced = new AnnouncedService(
      process,
      { ...options, advertise },
      this.dependencies,
      health,
    );
    this.announced.push(announced);
    return announced;
  }

  async find(role: ProcessRole): Promise<readonly DiscoveredProcess[]> {
    const { agent, logger } = this.dependencies;
    const { signal } = this.ending;
    try {
      const { value } = await agent.services(this.options.service, role, { signal });
      return this.keep(role, value);
    } catch (error) {
      this.failures += 1;
      const last = this.last.get(role);
      if (last === undefined) throw error;
      logger.warn("Consul does not answer: going on with what it said last.", { role, error });
      return last;
    }
  }

  watch(role: ProcessRole, changed: (found: readonly DiscoveredProcess[]) => void): () => void {
    const end = new AbortController();
    const signal = AbortSignal.any([end.signal, this.ending.signal]);
    this.watches.push(this.follow(role, changed, signal));
    return () => end.abort();
  }

  async stop(): Promise<void> {
    this.ending.abort();
    await Promise.all(this.announced.map((each) => each.withdraw()));
    await Promise.all(this.watches);
    this.dependencies.agent.close();
  }

  private async follow(
    role: ProcessRole,
    changed: (found: readonly DiscoveredProcess[]) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const { agent, clock, logger } = this.dependencies;
    const pauses = new Pauses();
    let index: number | undefined;
    let told: string | undefined;
    let answered = true;
    while (!signal.aborted) {
      try {
        const read = await agent.services(this.options.service, role, {
          signal,
          ...(index !== undefined && { index, waitMs: WAIT_MS }),
        });
        // An index that goes back begins anew, as Consul's documentation asks.
        index = index !== undefined && read.index < index ? undefined : read.index;
        if (!answered) logger.info("The Consul agent answers again.");
        answered = true;
        pauses.reset();
        const found = this.keep(role, read.value);
        const text = JSON.stringify(found);
        if (text === told || signal.aborted) continue;
        told = text;
        changed(found);
      } catch (error) {
        if (signal.aborted) return;
        this.failures += 1;
        if (answered)
          logger.warn("Consul does not answer: going on with what it said last.", { role, error });
        answered = false;
        await pause(clock, pauses.next(), signal);
      }
    }
  }

  private keep(role: ProcessRole, entries: readonly ServiceEntry[]): readonly DiscoveredProcess[] {
    const found = entries
      .flatMap((entry) => processOf(entry) ?? [])
      .filter((process) => process.role === role)
      .sort((one, other) => (one.node < other.node ? -1 : 1));
    this.last.set(role, found);
    return found;
  }
}
