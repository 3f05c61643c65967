import type { CloseCode } from "@atlasnet/world";
import type { UdpAddress } from "./second-path.ts";
import type { SessionEvent } from "./session-events.ts";
import {
  type Dial,
  type Transport,
  type TransportHandlers,
  type TransportName,
  transportOf,
} from "./transport.ts";
import type { Logger } from "./types.ts";

export interface CarrierDependencies {
  dial: Dial;
  /** Dials `udp://` addresses beside the connection in use; undefined where there is no UDP. */
  dialUdp: Dial | undefined;
  step: (event: SessionEvent) => void;
  received: (message: Uint8Array) => void;
  logger: Logger;
}

/**
 * What carries a session's messages: one connection after the other, and at times a second one that is
 * tried beside it. What happens to them goes to the session as events.
 */
export class Carrier {
  /** Of the connection in use, or of the last one. */
  name: TransportName;
  private readonly dependencies: CarrierDependencies;
  private readonly ticket: string | undefined;
  private url: string;
  private current: Transport | undefined;
  private probed: Transport | undefined;
  /** What `probed` is, and the address of its server when it takes over. */
  private next: { name: TransportName; url: string; missing: string };
  /** The last failure that was logged: each is told once, however often it is met. */
  private lastProblem = "";

  constructor(
    { urls, ticket }: { urls: readonly string[]; ticket?: string | undefined },
    dependencies: CarrierDependencies,
  ) {
    this.url = urls[0] ?? "";
    this.name = transportOf(this.url);
    this.next = { name: this.name, url: this.url, missing: "" };
    this.ticket = ticket;
    this.dependencies = dependencies;
  }

  send(message: Uint8Array): void {
    this.current?.send(message);
  }

  dial(url: string): void {
    const { ticket } = this;
    const { dial, step, received } = this.dependencies;
    this.url = url;
    this.name = transportOf(url);
    const handlers = {
      opened: () => step({ type: "opened" }),
      received,
      closed: (...why: Parameters<Carrier["closed"]>) => this.closed(...why),
    };
    try {
      this.current = dial(url, handlers, { ticket });
    } catch (error) {
      step({ type: "disconnected", reason: reasonOf(error) });
    }
  }

  /** Tries UDP beside the connection in use, at the same host. */
  probe({ port, key }: UdpAddress): void {
    const { ticket } = this;
    // A name may stand for several servers: the one that spoke of UDP is meant.
    const host = this.current?.host ?? hostOf(this.url);
    const url = `udp://${host.includes(":") ? `[${host}]` : host}:${port}`;
    this.next = { name: "udp", url: this.url, missing: "no UDP" };
    this.open((handlers) => this.dependencies.dialUdp?.(url, handlers, { ticket, key }));
  }

  /** Tries another server of the cluster beside the connection in use. */
  probeUrl(url: string): void {
    const { ticket } = this;
    this.next = { name: transportOf(url), url, missing: `no answer from ${url}` };
    this.open((handlers) => this.dependencies.dial(url, handlers, { ticket }));
  }

  private open(dial: (handlers: TransportHandlers) => Transport | undefined): void {
    const { step, received } = this.dependencies;
    let probe: Transport | undefined;
    const handlers = {
      opened: () => step({ type: "probed" }),
      received,
      closed: (...why: Parameters<Carrier["closed"]>) => {
        if (probe === this.probed) this.probeFailed(why[1]);
        else this.closed(...why);
      },
    };
    try {
      probe = dial(handlers);
      this.probed = probe;
    } catch (error) {
      this.probeFailed(reasonOf(error));
    }
  }

  dropProbe(): void {
    this.probed?.close("left", "not needed any more");
    this.probed = undefined;
  }

  /** From now on the probe is the connection. */
  move(): void {
    this.hangUp("left", "moved to another connection");
    this.current = this.probed;
    this.probed = undefined;
    this.name = this.next.name;
    this.url = this.next.url;
    this.lastProblem = "";
  }

  hangUp(code: CloseCode, reason: string): void {
    this.current?.close(code, reason);
    this.current = undefined;
  }

  private closed(number: number | undefined, reason: string, untrusted = false): void {
    this.current = undefined;
    this.dependencies.step({
      type: "disconnected",
      ...(number !== undefined && { number }),
      reason,
      ...(untrusted && { untrusted }),
    });
  }

  private probeFailed(reason: string): void {
    this.probed = undefined;
    if (reason !== this.lastProblem)
      this.dependencies.logger.warn(
        `${this.next.missing}, the connection over ${this.name} stays`,
        reason,
      );
    this.lastProblem = reason;
    this.dependencies.step({ type: "probe-failed" });
  }
}

function hostOf(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, "");
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
