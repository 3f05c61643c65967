import { addressKey, type SecureRandom } from "@atlasnet/core";
import { type DoorAnswer, HandshakeDoor, type ServerIdentity } from "@atlasnet/udp/node";
import { TokenBucket } from "../../session/token-bucket.ts";
import { HandshakeBudget } from "./handshake-budget.ts";
import type { Peer } from "./peer.ts";
import type { DropReason, UdpCounters } from "./udp-counters.ts";
import { WindowCounts } from "./window-counts.ts";

/** Resets for unknown connections; beyond it they are dropped as `unknown-connection`. */
const RESETS_PER_SECOND = 200;
/**
 * Packets of one address that prove nothing, in a second; beyond it, `flood`: dropped unread. Addresses
 * told apart by that, and what those beyond have together.
 */
const UNPROVEN = { perAddress: 1_000, maxAddresses: 4_096, shared: 10_000 };

export interface StrangersOptions {
  /** Name of this proxy among those that share the key. */
  node: string;
  idleTimeoutMs: number;
  /** Handshakes computed per second, of all addresses. */
  handshakesPerSecond: number;
  /** How long an accept is kept for initiates that come again. */
  keepAcceptsMs: number;
}

export interface StrangersDependencies {
  identity: ServerIdentity;
  random: SecureRandom;
  counters: UdpCounters;
  now: number;
}

/** Why initiates are dropped that cost more than dropping them. */
const COSTLY: readonly DropReason[] = ["bad-cookie", "too-busy", "late"];

interface KeptAccept {
  /** Until the client was heard. */
  packet: Uint8Array | undefined;
  /** When the attempt is forgotten. */
  readonly until: number;
  readonly connectionId: number;
}

/** What to do about a packet. */
export type StrangerAnswer =
  | { type: "drop"; why: DropReason }
  | { type: "send"; packet: Uint8Array }
  | Extract<DoorAnswer, { type: "accept" }>;

/**
 * Packets of peers that have no connection yet, or none any more. Nothing is kept of them but a count
 * by address, before a good cookie came; what they cost is bounded for one address and for all.
 */
export class Strangers {
  private readonly options: StrangersOptions;
  private readonly counters: UdpCounters;
  private readonly door: HandshakeDoor;
  private readonly budget: HandshakeBudget;
  private readonly resets: TokenBucket;
  private readonly unproven = new WindowCounts(UNPROVEN);
  /**
   * Initiates count for themselves. Whoever forges addresses could keep others from making handshakes with
   * the smallest of packets otherwise, and not with 1,200 bytes for each.
   */
  private readonly initiates = new WindowCounts(UNPROVEN);
  /** By attempt, in the order of `until`. */
  private readonly accepts = new Map<string, KeptAccept>();

  constructor(options: StrangersOptions, dependencies: StrangersDependencies) {
    const { node, idleTimeoutMs, handshakesPerSecond } = options;
    const { identity, random, counters, now } = dependencies;
    this.options = options;
    this.counters = counters;
    this.door = new HandshakeDoor(
      { node, idleTimeoutMs },
      { identity, randomBytes: (count) => random.bytes(count) },
    );
    this.budget = new HandshakeBudget({ perSecond: handshakesPerSecond, now });
    this.resets = new TokenBucket(RESETS_PER_SECOND, RESETS_PER_SECOND, now);
  }

  /** True when an address has sent so much that proved nothing that no more of that should be read. */
  isFlooding(address: string, now: number): boolean {
    return this.unproven.spent(addressKey(address), now);
  }

  /** A sealed packet from there proved nothing. */
  unprovenFrom(address: string, now: number): void {
    this.unproven.add(addressKey(address), now);
  }

  /** A sealed packet of an unknown connection: perhaps this server ran before, and has forgotten it. */
  unknown(packet: Uint8Array, address: string, now: number): StrangerAnswer {
    if (this.isFlooding(address, now)) return { type: "drop", why: "flood" };
    this.unprovenFrom(address, now);
    const reset = this.resets.take(1, now) ? this.door.reset(packet) : undefined;
    if (reset === undefined) return { type: "drop", why: "unknown-connection" };
    this.counters.resets += 1;
    return { type: "send", packet: reset };
  }

  /** An initiate. `newId` gives an id that no connection has. */
  initiate(packet: Uint8Array, peer: Peer, now: number, newId: () => number): StrangerAnswer {
    const { counters } = this;
    const key = addressKey(peer.address);
    if (this.initiates.spent(key, now)) return { type: "drop", why: "flood" };
    const answer = this.door.answer(packet, peer.path, now, (attempt) => {
      const kept = this.accepts.get(attempt);
      if (kept !== undefined)
        return kept.packet === undefined
          ? { type: "late" }
          : { type: "repeat", accept: kept.packet };
      if (!this.budget.take(key, now)) return { type: "too-busy" };
      return { type: "new", connectionId: newId() };
    });
    switch (answer.type) {
      case "drop":
        // What is no initiate at all costs no more than dropping it.
        if (COSTLY.includes(answer.why)) this.initiates.add(key, now);
        return { type: "drop", why: answer.why };
      case "retry":
        counters.retries += 1;
        this.initiates.add(key, now);
        return { type: "send", packet: answer.packet };
      case "repeat":
        counters.acceptsRepeated += 1;
        this.initiates.add(key, now);
        return { type: "send", packet: answer.packet };
      case "accept":
        counters.handshakes += 1;
        return answer;
    }
  }

  /** The accept goes out, and goes out again when its initiate comes again. */
  keep(accept: { attempt: string; packet: Uint8Array; connectionId: number }, now: number): void {
    const { attempt, packet, connectionId } = accept;
    const until = now + this.options.keepAcceptsMs;
    this.accepts.set(attempt, { packet, until, connectionId });
  }

  /** The client spoke, so it has its accept: the attempt is still known, and not answered any more. */
  heard(attempt: string): void {
    const kept = this.accepts.get(attempt);
    if (kept !== undefined) kept.packet = undefined;
  }

  forget(attempt: string): void {
    this.accepts.delete(attempt);
  }

  /** `forgot` is told whose attempts are not known any more. */
  sweep(now: number, forgot: (connectionId: number) => void): void {
    for (const [attempt, { until, connectionId }] of this.accepts) {
      if (until > now) return;
      this.accepts.delete(attempt);
      forgot(connectionId);
    }
  }
}
