/** Shortest and longest time without an answer after which a path is taken for broken. */
const MIN_PATIENCE_MS = 1_500;
const MAX_PATIENCE_MS = 3_000;
const PATIENCE_ROUND_TRIPS = 8;
/** The same when the network says that nobody listens there: that may be forged, or be over at once. */
const REFUSED_MS = 500;

/** New local ends are tried after once and twice that time, after four times the connection is lost. */
const MAX_MOVES = 2;

/**
 * Judges from questions without an answer whether packets still get through. First the local end is
 * replaced, as that mends a network that was changed and a gateway that forgot; then the connection is
 * lost. Probe timeouts would not do: while there is something to send there are none. Pure.
 */
export class PathWatch {
  /** When to `judge`, in ms; Infinity while no answer is due. */
  wakeAt = Number.POSITIVE_INFINITY;
  private patienceMs = MIN_PATIENCE_MS;
  private moves = 0;
  private wasRefused = false;

  /** Something was sent that the peer has to answer. */
  asked(now: number, rttMs: number | undefined): void {
    if (this.wakeAt !== Number.POSITIVE_INFINITY) return;
    const patience = (rttMs ?? 0) * PATIENCE_ROUND_TRIPS;
    this.patienceMs = Math.min(MAX_PATIENCE_MS, Math.max(MIN_PATIENCE_MS, patience));
    this.wakeAt = now + (this.wasRefused ? REFUSED_MS : this.patienceMs);
  }

  /** Something genuine arrived. */
  heard(): void {
    this.wakeAt = Number.POSITIVE_INFINITY;
    this.moves = 0;
    this.wasRefused = false;
  }

  /** The network says that nobody listens. Without a question that is out it means nothing yet. */
  refused(now: number): void {
    this.wasRefused = true;
    if (this.wakeAt !== Number.POSITIVE_INFINITY)
      this.wakeAt = Math.min(this.wakeAt, now + REFUSED_MS);
  }

  /** The local end cannot send: another one is tried at once, though not again and again. */
  failed(): "stay" | "move" {
    if (this.moves > 0) return "stay";
    this.moves = 1;
    return "move";
  }

  judge(now: number): "stay" | "move" | "lost" {
    if (this.wakeAt > now) return "stay";
    if (this.wasRefused || this.moves === MAX_MOVES) return "lost";
    this.moves += 1;
    this.wakeAt = now + this.moves * this.patienceMs;
    return "move";
  }
}
