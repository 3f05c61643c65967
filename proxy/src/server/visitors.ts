import { addressKey } from "@atlasnet/core";
import type { CloseCode } from "@atlasnet/world";
import type { Transport } from "../gateway/client-connection.ts";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import { type Carrier, Visitor } from "./visitor.ts";

/** Connections above a limit that are let in to be told why; further ones are cut. */
const REFUSALS_AT_ONCE = 64;
/**
 * How long a UDP connection that was told of the end is kept while the server drains. There is no
 * answer to wait for: a client that missed it asks within this time, or finds out later.
 */
const DRAIN_LINGER_MS = 300;

const OPEN_COUNTERS = {
  framed: "openFramed",
  websocket: "openWebSocket",
  udp: "openUdp",
  lines: "openLines",
} as const satisfies { [T in Transport]: keyof ProxyCounters };

/** Everybody who is connected, by whatever transport: limits on their number hold for all together. */
export class Visitors {
  private readonly limits: ProxyLimits;
  private readonly counters: ProxyCounters;
  private readonly present = new Set<Visitor>();
  private readonly perAddress = new Map<string, number>();
  private refusals = 0;
  private draining = false;
  private waiters: { done: () => boolean; resolve: () => void }[] = [];

  constructor(options: { limits: ProxyLimits }, dependencies: { counters: ProxyCounters }) {
    this.limits = options.limits;
    this.counters = dependencies.counters;
  }

  /** A new connection; undefined when there is no room even for telling it why. Both are counted. */
  admit(carrier: Carrier, remoteAddress: string, now: number): Visitor | undefined {
    const { limits, counters } = this;
    const key = addressKey(remoteAddress);
    const refusal = this.refusalOf(key);
    if (refusal !== undefined && this.refusals >= REFUSALS_AT_ONCE) {
      counters.countClose(refusal);
      return undefined;
    }
    const visitor = new Visitor(
      { limits, remoteAddress, addressKey: key, refusal, now },
      { carrier, counters },
    );
    this.present.add(visitor);
    if (refusal !== undefined) this.refusals += 1;
    else this.perAddress.set(key, (this.perAddress.get(key) ?? 0) + 1);
    return visitor;
  }

  private refusalOf(key: string): CloseCode | undefined {
    const { connections, connectionsPerAddress } = this.limits;
    if (this.draining) return "shutting-down";
    const here = this.perAddress.get(key) ?? 0;
    return this.welcomeCount >= connections || here >= connectionsPerAddress
      ? "too-many-connections"
      : undefined;
  }

  /** Those who are not here only to hear why they may not stay. */
  private get welcomeCount(): number {
    return this.present.size - this.refusals;
  }

  /** Its connection is gone. */
  leave(visitor: Visitor): void {
    if (!this.present.delete(visitor)) return;
    const { addressKey: key, refusal, transport } = visitor;
    if (transport !== undefined) this.counters[OPEN_COUNTERS[transport]] -= 1;
    if (refusal !== undefined) this.refusals -= 1;
    else {
      const left = (this.perAddress.get(key) ?? 1) - 1;
      if (left === 0) this.perAddress.delete(key);
      else this.perAddress.set(key, left);
    }
    this.waiters = this.waiters.filter(({ done, resolve }) => {
      if (done()) resolve();
      return !done();
    });
  }

  /** Its protocol is known: it counts as open, and hears now if it may not stay. */
  settled(visitor: Visitor): void {
    if (visitor.transport !== undefined) this.counters[OPEN_COUNTERS[visitor.transport]] += 1;
    if (visitor.refusal === "too-many-connections")
      visitor.end(visitor.refusal, "no room for another connection");
    else if (this.draining) visitor.end("shutting-down", "the server is stopping");
  }

  /** `stalledMs`: this process stood still for so long lately. */
  sweep(now: number, stalledMs: number): void {
    const { closeLingerMs } = this.limits;
    const udpLingerMs = this.draining ? Math.min(DRAIN_LINGER_MS, closeLingerMs) : closeLingerMs;
    for (const visitor of this.present)
      visitor.sweep(now, {
        lingerMs: visitor.transport === "udp" ? udpLingerMs : closeLingerMs,
        stalledMs,
      });
  }

  /** Whoever comes from now on is turned away. */
  refuse(): void {
    this.draining = true;
  }

  /** Everybody who is here now. */
  get all(): readonly Visitor[] {
    return [...this.present];
  }

  /** Resolves when those who are here, but for those who only hear why they may not be, are gone. */
  gone(): Promise<void> {
    return this.until(() => this.welcomeCount === 0);
  }

  /** Tells everybody, and from now on all who come. Resolves when those who were here are gone. */
  async drain(): Promise<void> {
    this.refuse();
    for (const visitor of [...this.present])
      visitor.end("shutting-down", "the server is stopping; come back in a moment");
    await this.gone();
  }

  /** Cuts every connection and waits until all are gone. */
  async cut(): Promise<void> {
    this.draining = true;
    for (const visitor of [...this.present]) visitor.carrier.destroy();
    await this.until(() => this.present.size === 0);
  }

  private async until(done: () => boolean): Promise<void> {
    if (done()) return;
    await new Promise<void>((resolve) => this.waiters.push({ done, resolve }));
  }
}
