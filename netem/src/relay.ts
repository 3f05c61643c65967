import { type Clock, MAX_TIMER_MS, OperatingError, type Timer } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import { type HostPort, resolve } from "./address.ts";
import { DEFAULT_RELAY_LIMITS, type RelayLimits } from "./limits.ts";
import type { LineConditions } from "./line.ts";
import { type Conditions, withConditions } from "./model/conditions.ts";
import type { Direction } from "./model/draw.ts";
import type { FlowStats } from "./stats.ts";
import { TcpRelay } from "./tcp-relay.ts";
import { UdpRelay } from "./udp-relay.ts";

export interface RelayOptions {
  /** Where clients connect. Host: default 127.0.0.1. Port 0 is any free one, the same for TCP and UDP. */
  listen?: { host?: string; port?: number };
  /** Where the server is. */
  target: HostPort;
  /** Default true. */
  tcp?: boolean;
  /** Default true. */
  udp?: boolean;
  /** Of both directions. What is not given is perfect. */
  conditions?: Partial<Conditions>;
  /** Gives every UDP flow another local port, so often, in ms; at least 100. Default never. */
  rebindEveryMs?: number;
  limits?: Partial<RelayLimits>;
}

/** A bad network between clients and a server. */
export interface Relay {
  /** Where it listens, with the port it really has. */
  readonly address: HostPort;
  readonly conditions: LineConditions;
  /** Since the start, and kept up to date. Undefined for what is not relayed. */
  readonly stats: { readonly tcp: FlowStats | undefined; readonly udp: FlowStats | undefined };
  /**
   * Changes conditions for what comes from now on; those not named stay. `{ loss: 1 }` is a cut.
   * What is on its way already goes on as it was. @throws ConditionsError
   */
  setConditions(changes: Partial<Conditions>, direction?: Direction): void;
  /** Every UDP flow's packets leave from another local port from now on, as after a NAT has forgotten. */
  rebind(): void;
  /** Both sides of every TCP connection are told that it broke; what was on the way is lost. */
  breakConnections(): void;
  /** Closes every flow and port. Idempotent. */
  stop(): Promise<void>;
}

/** Tries to find a port that is free for TCP and UDP alike. */
const PORT_ATTEMPTS = 10;

/** More often than this nothing would get an answer. */
export const MIN_REBIND_MS = 100;

/** @throws OperatingError when it cannot listen, ConditionsError for conditions out of bounds. */
export async function startRelay(
  options: RelayOptions,
  { clock = systemClock }: { clock?: Clock } = {},
): Promise<Relay> {
  const { tcp = true, udp = true, listen = {}, rebindEveryMs = MIN_REBIND_MS } = options;
  if (!tcp && !udp) throw new RangeError("a relay carries TCP, UDP or both");
  if (!(rebindEveryMs >= MIN_REBIND_MS && rebindEveryMs <= MAX_TIMER_MS))
    throw new RangeError(
      `rebindEveryMs: ${rebindEveryMs} is not ${MIN_REBIND_MS} to ${MAX_TIMER_MS}`,
    );
  const relay = new RunningRelay(options, clock);
  const wanted = { host: listen.host ?? "127.0.0.1", port: listen.port ?? 0 };
  await relay.start(wanted, { tcp, udp });
  return relay;
}

class RunningRelay implements Relay {
  conditions: LineConditions;
  address: HostPort = { host: "", port: 0 };
  private readonly options: RelayOptions;
  private readonly clock: Clock;
  private tcp: TcpRelay | undefined;
  private udp: UdpRelay | undefined;
  private rebinding: Timer | undefined;

  constructor(options: RelayOptions, clock: Clock) {
    const conditions = withConditions(options.conditions ?? {});
    this.conditions = { up: conditions, down: conditions };
    this.options = options;
    this.clock = clock;
  }

  get stats() {
    return { tcp: this.tcp?.stats, udp: this.udp?.stats };
  }

  async start(wanted: HostPort, kinds: { tcp: boolean; udp: boolean }): Promise<void> {
    const target = await resolve(this.options.target);
    const listen = await resolve(wanted);
    const limits = { ...DEFAULT_RELAY_LIMITS, ...this.options.limits };
    for (let attempt = 1; ; attempt++) {
      const common = { target, limits, conditions: () => this.conditions };
      try {
        let { port } = listen;
        if (kinds.tcp) {
          this.tcp = new TcpRelay({ ...common, listen }, { clock: this.clock });
          port = (await this.tcp.start()).port;
        }
        if (kinds.udp) {
          this.udp = new UdpRelay(
            { ...common, listen: { ...listen, port } },
            { clock: this.clock },
          );
          port = (await this.udp.start()).port;
        }
        this.address = { host: listen.host, port };
        break;
      } catch (error) {
        await this.stop();
        // The system gave a free TCP port that another program uses for UDP.
        const again = wanted.port === 0 && attempt < PORT_ATTEMPTS;
        if (!(again && error instanceof OperatingError && error.code === "port-in-use"))
          throw error;
      }
    }
    this.rebindLater();
  }

  setConditions(changes: Partial<Conditions>, direction?: Direction): void {
    const { up, down } = this.conditions;
    this.conditions = {
      up: direction === "down" ? up : withConditions(changes, up),
      down: direction === "up" ? down : withConditions(changes, down),
    };
  }

  rebind(): void {
    this.udp?.rebind();
  }

  breakConnections(): void {
    this.tcp?.breakConnections();
  }

  async stop(): Promise<void> {
    this.rebinding?.cancel();
    this.rebinding = undefined;
    await Promise.all([this.tcp?.stop(), this.udp?.stop()]);
  }

  private rebindLater(): void {
    const { rebindEveryMs } = this.options;
    if (rebindEveryMs === undefined) return;
    this.rebinding = this.clock.setTimer(rebindEveryMs, () => {
      this.rebind();
      this.rebindLater();
    });
  }
}
