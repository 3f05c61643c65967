import {
  ServiceHost,
  type ServiceHostDependencies,
  type ServiceHostOptions,
} from "./service-host.ts";

/** What runs in a process, once it is started; its parts are stopped by the host. */
export interface HostedService {
  /** Finishes what there is, accepts nothing new; at most for so long. */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * The life of a process: `start` builds the service on a host, `drain` drains it, `stop` stops the
 * host. A start that fails leaves nothing behind.
 */
export class ServiceProcess<Service extends HostedService> {
  protected readonly options: ServiceHostOptions;
  private readonly dependencies: ServiceHostDependencies;
  private readonly build: (host: ServiceHost) => Promise<Service>;
  private host: ServiceHost | undefined;
  private built: Service | undefined;
  private starting: Promise<void> | undefined;
  private readonly stopping = new AbortController();

  /** `build` names each part to the host before or right after it starts it. */
  constructor(
    options: ServiceHostOptions,
    dependencies: ServiceHostDependencies,
    build: (host: ServiceHost) => Promise<Service>,
  ) {
    this.options = options;
    this.dependencies = dependencies;
    this.build = build;
  }

  /** Undefined until `start` resolved. */
  get running(): Service | undefined {
    return this.built;
  }

  /** Where health is answered; the configured port until it is. */
  get healthAddress(): { host: string; port: number } {
    const { host, port } = this.options.config.health;
    return { host, port: this.host?.health.boundPort ?? port };
  }

  /** @throws an error that says what to do; everything that was started is stopped again then. */
  async start(): Promise<void> {
    if (this.starting !== undefined) throw new Error(`a ${this.options.role} is started once`);
    this.starting = this.begin();
    await this.starting;
  }

  private async begin(): Promise<void> {
    const host = await ServiceHost.start(this.options, {
      ...this.dependencies,
      stopSignal: this.stopping.signal,
    });
    try {
      this.built = await this.build(host);
    } catch (error) {
      // Why it could not start is what counts; what went wrong after that is in the log.
      await host.stop().catch(() => undefined);
      throw error;
    }
    this.host = host;
    host.ready();
  }

  async drain(deadlineMs: number): Promise<void> {
    if (this.host?.drain() === true) await this.built?.drain(deadlineMs);
  }

  /** Idempotent; a start that is under way is told and waited for. @throws what the parts threw. */
  async stop(): Promise<void> {
    this.stopping.abort();
    // A start that fails has told its caller, and has stopped what it started.
    await this.starting?.catch(() => undefined);
    await this.host?.stop();
  }
}
