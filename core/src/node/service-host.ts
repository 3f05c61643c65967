import type { Meter, Tracer } from "@opentelemetry/api";
import type { Config } from "../config/build-config.ts";
import type { Logger } from "../logging/logger.ts";
import { type Health, HealthServer } from "./health-server.ts";
import { createAdjustableLogger, type LogLevelControl } from "./logger.ts";
import { registerProcessMetrics } from "./process-metrics.ts";
import { Telemetry } from "./telemetry.ts";
import { version } from "./version.ts";

/** What a process is: one role of a cluster, or all of them. */
export type ProcessRole = "monolith" | "gameserver" | "proxy" | "apiserver";

export interface ServiceHostOptions {
  readonly config: Config;
  readonly role: ProcessRole;
}

export interface ServiceHostDependencies {
  /** Default: pino on standard error, as configured, with the facts node and role on every line. */
  readonly logger?: Logger | undefined;
  /** The process must not go on (another one took its data); whoever owns it stops it. */
  onFatal?(error: Error): void;
  /** The process is to stop. */
  readonly stopSignal?: AbortSignal;
}

export type HostState = "starting" | "ready" | "draining" | "stopped";

interface Part {
  readonly name: string;
  stop(): Promise<void>;
}

/**
 * What every AtlasNet process has: a logger, telemetry, the health server, and parts that are stopped
 * in the reverse of the order they were started in. Roles are built upon it (`ServiceProcess` drives both).
 *
 * `/ready` carries the check "started" from the beginning, which fails until `ready()`, and again once
 * the process drains.
 */
export class ServiceHost {
  readonly logger: Logger;
  /** Undefined when the logger was given. */
  readonly logLevel: LogLevelControl | undefined;
  readonly meter: Meter;
  readonly tracer: Tracer;
  readonly health: HealthServer;
  /** Aborted when the process is to stop, also while it starts: what waits for others during a start ends then. */
  readonly stopSignal: AbortSignal;
  private readonly onFatal: ((error: Error) => void) | undefined;
  private readonly parts: Part[] = [];
  private now: HostState = "starting";
  private stopping: Promise<void> | undefined;

  /** Measuring has begun and health is answered. @throws OperatingError when its port cannot be had. */
  static async start(
    { config, role }: ServiceHostOptions,
    dependencies: ServiceHostDependencies = {},
  ): Promise<ServiceHost> {
    const { log } = config;
    const node = config.node.id;
    const facts = { node, role };
    const made: { readonly logger: Logger; readonly level?: LogLevelControl } =
      dependencies.logger === undefined
        ? await createAdjustableLogger({ ...log, facts })
        : { logger: dependencies.logger };
    const { logger, level } = made;
    const { otlpEndpoint } = config.telemetry;
    const serviceName = role === "monolith" ? "atlasnet" : `atlasnet-${role}`;
    const telemetry = new Telemetry(
      {
        service: serviceName,
        version,
        node,
        ...(otlpEndpoint === undefined ? {} : { otlpEndpoint }),
      },
      { logger },
    );
    const { host, port } = config.health;
    const health = new HealthServer(
      { host, port },
      { serveMetrics: (request, response) => telemetry.serveMetrics(request, response) },
    );
    // Instruments that are made before telemetry runs measure nothing.
    await telemetry.start();
    const { onFatal, stopSignal = new AbortController().signal } = dependencies;
    const service = new ServiceHost({ logger, level, telemetry, health, onFatal, stopSignal });
    try {
      await health.start();
    } catch (error) {
      await service.stop();
      throw error;
    }
    return service;
  }

  private constructor(has: {
    logger: Logger;
    level: LogLevelControl | undefined;
    telemetry: Telemetry;
    health: HealthServer;
    onFatal: ((error: Error) => void) | undefined;
    stopSignal: AbortSignal;
  }) {
    const { logger, telemetry, health } = has;
    this.logger = logger;
    this.logLevel = has.level;
    this.health = health;
    this.onFatal = has.onFatal;
    this.stopSignal = has.stopSignal;
    this.meter = telemetry.meter("atlasnet");
    this.tracer = telemetry.tracer("atlasnet");
    registerProcessMetrics(this.meter);
    this.part("telemetry", () => telemetry.stop());
    this.part("health", () => health.stop());
    health.add({ name: "started", check: () => this.readiness() });
  }

  get state(): HostState {
    return this.now;
  }

  /** Something was started, or is about to be: `stop` stops it, before everything named earlier. */
  part(name: string, stop: () => Promise<void>): void {
    this.parts.push({ name, stop });
  }

  /** Everything is up. */
  ready(): void {
    if (this.now === "starting") this.now = "ready";
  }

  /** From now on `/ready` fails. False when there is nothing to drain: not up yet, or on the way down. */
  drain(): boolean {
    if (this.now !== "ready") return false;
    this.now = "draining";
    this.health.drain();
    return true;
  }

  /** The process must not go on. Its owner is told, and stops it. */
  fatal(message: string, error: Error): void {
    this.logger.error(message, { error });
    this.onFatal?.(error);
  }

  /**
   * Stops every part, also when one before it did not stop in order. Idempotent.
   * @throws what the parts threw: the error itself, or an AggregateError of several; each is in the log.
   */
  stop(): Promise<void> {
    this.stopping ??= this.stopParts();
    return this.stopping;
  }

  private async stopParts(): Promise<void> {
    this.now = "stopped";
    const errors: unknown[] = [];
    for (const part of this.parts.splice(0).reverse()) {
      try {
        await part.stop();
      } catch (error) {
        errors.push(error);
        this.logger.error(`The ${part.name} did not stop in order.`, { error });
      }
    }
    if (errors.length === 1) throw errors[0];
    if (errors.length > 1)
      throw new AggregateError(
        errors,
        `${errors.length} parts of the process did not stop in order`,
      );
  }

  private readiness(): Health {
    return this.now === "ready" ? { ok: true } : { ok: false, reason: `the server is ${this.now}` };
  }
}
