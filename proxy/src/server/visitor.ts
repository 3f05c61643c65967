import type { CloseCode } from "@atlasnet/world";
import type { ClientConnection, Transport } from "../gateway/client-connection.ts";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import { TokenBucket } from "../session/token-bucket.ts";

/** The session behind a connection, as far as time and shutdown concern it. */
export interface Resident {
  readonly awaitsHello: boolean;
  /** True while this side does not read: silence is not the client's then. */
  readonly isPaused: boolean;
  end(code: CloseCode, reason: string): void;
  /** Asks it to go on elsewhere, where its protocol can say so; else ends it with `shutting-down`. */
  sendAway(): void;
  sweep(now: number): void;
}

/** What brings a visitor's bytes: a TCP socket, or a connection of the UDP gateway. */
export interface Carrier {
  /** Bytes that came from the visitor, whatever they meant. */
  readonly bytesRead: number;
  /** False once nothing can be told any more. */
  readonly writable: boolean;
  /** Ends at once, without a word. */
  destroy(): void;
}

/** Raw bytes may exceed the message limits by this: framing, TLS, control frames, UDP packets. */
const RAW_ALLOWANCE = 2;

export interface VisitorOptions {
  limits: ProxyLimits;
  remoteAddress: string;
  addressKey: string;
  refusal: CloseCode | undefined;
  now: number;
}

/** One connection from accept to close, and the clocks that run on it. One sweep serves all. */
export class Visitor {
  readonly carrier: Carrier;
  readonly remoteAddress: string;
  /** What the limit per address counts by. */
  readonly addressKey: string;
  /** Why this visitor is turned away as soon as it is known how to tell it. */
  readonly refusal: CloseCode | undefined;
  private readonly limits: ProxyLimits;
  private readonly counters: ProxyCounters;
  private readonly acceptedAt: number;
  private readonly raw: TokenBucket;
  private sweptAt: number;
  /** The carrier, or what runs inside of it. */
  private inner: Carrier;
  private heardAt: number;
  private bytesRead = 0;
  private closingAt: number | undefined;
  private greeted = false;
  private connection: ClientConnection | undefined;
  private resident: Resident | undefined;

  constructor(
    options: VisitorOptions,
    dependencies: { carrier: Carrier; counters: ProxyCounters },
  ) {
    this.carrier = dependencies.carrier;
    this.inner = dependencies.carrier;
    this.remoteAddress = options.remoteAddress;
    this.counters = dependencies.counters;
    this.limits = options.limits;
    this.addressKey = options.addressKey;
    this.refusal = options.refusal;
    this.acceptedAt = options.now;
    this.heardAt = options.now;
    this.sweptAt = options.now;
    const { bytesPerSecond, bytesBurst } = options.limits;
    this.raw = new TokenBucket(
      RAW_ALLOWANCE * bytesPerSecond,
      RAW_ALLOWANCE * bytesBurst,
      options.now,
    );
  }

  get transport(): Transport | undefined {
    return this.connection?.transport;
  }

  /** TLS is spoken on the socket: this is what is inside. */
  secured(inner: Carrier): void {
    this.inner = inner;
  }

  /** The protocol is known; from here on there is somebody to tell. */
  settle(connection: ClientConnection, resident: Resident): void {
    this.connection = connection;
    this.resident = resident;
  }

  /** This server is about to stop. Whose protocol is not known yet is told when it is. */
  sendAway(): void {
    if (this.connection?.closing !== true) this.resident?.sendAway();
  }

  /** Ends with a code where the protocol is known, else by cutting the connection. */
  end(code: CloseCode, reason: string): void {
    if (this.resident !== undefined) {
      this.resident.end(code, reason);
    } else {
      this.counters.countClose(code);
      this.carrier.destroy();
    }
  }

  /**
   * `lingerMs`: how long a closed connection may take to read the reason. `stalledMs`: this process stood still for
   * so long lately.
   */
  sweep(now: number, { lingerMs, stalledMs }: { lingerMs: number; stalledMs: number }): void {
    const { limits, resident } = this;
    const bytesRead = this.carrier.bytesRead;
    const heard = bytesRead - this.bytesRead;
    this.bytesRead = bytesRead;
    // What it says while it is not read comes all at once.
    if (resident?.isPaused === true) this.raw.makeUp(now - this.sweptAt);
    this.sweptAt = now;
    if (heard > 0 || (resident?.isPaused ?? false)) this.heardAt = now;
    if (!this.inner.writable || (this.connection?.closing ?? false)) {
      this.closingAt ??= now;
      if (now - this.closingAt >= lingerMs) this.carrier.destroy();
      return;
    }
    if (!this.raw.take(heard, now, stalledMs))
      return this.end("rate-limited", `more than ${limits.bytesPerSecond} bytes a second`);
    if (resident !== undefined && !resident.awaitsHello) this.greeted = true;
    if (!this.greeted && now - this.acceptedAt >= limits.handshakeTimeoutMs)
      return this.end("handshake-timeout", `no hello within ${limits.handshakeTimeoutMs} ms`);
    const idle = this.transport === "lines" ? limits.linesIdleTimeoutMs : limits.idleTimeoutMs;
    if (now - this.heardAt >= idle) return this.end("idle-timeout", `nothing heard for ${idle} ms`);
    resident?.sweep(now);
  }
}
