/**
 * Sizes worth trying, in bytes of UDP payload: Ethernet, then pages and jumbo frames, then the largest the
 * QUIC layer writes.
 */
export const CANDIDATE_BYTES: readonly number[] = [1452, 4096, 8192, 8952, 16_383];

/** Pauses between rounds of probes that bring nothing new; the last one is kept up. */
export const ROUND_PAUSES_MS: readonly number[] = [250, 1000, 5000, 600_000];

/** Probes of the size in use that stay unanswered, one a tick, until it is given up. */
export const UNANSWERED_PROBES = 3;

export type SizeEffect =
  /** Send a probe of so many bytes. */
  | { readonly type: "probe"; readonly bytes: number }
  /** Packets have so many bytes at most from now on. */
  | { readonly type: "use"; readonly bytes: number };

interface PacketSizeSearchOptions {
  /** What every path carries. */
  readonly base: number;
  /** Largest size to try: of the setting, the peer, and the network as far as it is known. */
  readonly limit: number;
}

/**
 * Which packet size a path carries (in the spirit of RFC 8899). A round probes every candidate larger than
 * the size in use at once; the largest that is answered is used. When packets get lost the size in use is
 * probed again, and given up for the base when nothing comes back: the path has changed.
 *
 * Pure: events in, effects out; times are those of a clock that never goes back.
 */
export class PacketSizeSearch {
  private readonly base: number;
  private candidates: readonly number[];
  private sizeInUse: number;
  private rounds = 0;
  private nextRoundAt = 0;
  /** Probes of the size in use without an answer; 0: there is no doubt. */
  private unanswered = 0;

  constructor({ base, limit }: PacketSizeSearchOptions) {
    this.base = base;
    this.sizeInUse = base;
    this.candidates = CANDIDATE_BYTES.filter((bytes) => bytes > base && bytes <= limit);
  }

  get inUse(): number {
    return this.sizeInUse;
  }

  /** The first round, and any that is due; a step in the verification of a size in doubt. */
  tick(now: number): SizeEffect[] {
    const effects = this.unanswered > 0 ? this.verify() : [];
    if (now < this.nextRoundAt) return effects;
    const larger = this.candidates.filter((bytes) => bytes > this.sizeInUse);
    const last = ROUND_PAUSES_MS.length - 1;
    this.nextRoundAt = now + (ROUND_PAUSES_MS[Math.min(this.rounds, last)] ?? 0);
    this.rounds += 1;
    return [...effects, ...larger.map(probe)];
  }

  /** A probe of this size arrived at the peer. */
  answered(bytes: number): SizeEffect[] {
    if (!this.candidates.includes(bytes)) return [];
    if (bytes >= this.sizeInUse) this.unanswered = 0;
    return bytes > this.sizeInUse ? this.use(bytes) : [];
  }

  /** The system does not send packets of this size. */
  refused(bytes: number): SizeEffect[] {
    this.candidates = this.candidates.filter((candidate) => candidate < bytes);
    return this.sizeInUse > this.base && this.sizeInUse >= bytes ? this.fallBack() : [];
  }

  /** Packets got lost: perhaps for their size. */
  doubt(): SizeEffect[] {
    if (this.sizeInUse === this.base || this.unanswered > 0) return [];
    return this.verify();
  }

  private verify(): SizeEffect[] {
    if (this.unanswered >= UNANSWERED_PROBES) return this.fallBack();
    this.unanswered += 1;
    return [probe(this.sizeInUse)];
  }

  private use(bytes: number): SizeEffect[] {
    this.sizeInUse = bytes;
    return [{ type: "use", bytes }];
  }

  /** The search begins anew: first soon, then ever more seldom. */
  private fallBack(): SizeEffect[] {
    this.unanswered = 0;
    this.rounds = 0;
    this.nextRoundAt = 0;
    return this.use(this.base);
  }
}

function probe(bytes: number): SizeEffect {
  return { type: "probe", bytes };
}
