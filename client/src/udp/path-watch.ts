/** Probes in a row without an answer after which the path is taken for broken. */
const BROKEN_AFTER_PROBES = 3;
/** The same when the network says that nobody listens there: that may be forged, or be over at once. */
const REFUSED_AFTER_PROBES = 2;
/** New local ends that are tried without an answer. */
const MAX_MOVES = 2;
/** Probes that each of them gets: the answer to one of them takes a round trip more than usual. */
const PROBES_PER_MOVE = 2;

/**
 * Judges from unanswered probes whether packets still get through. A probe is sent when acknowledgements
 * stay out, at growing intervals. First the local end is replaced, as that mends a network that was
 * changed and a gateway that forgot; then the connection is lost. Pure.
 */
export class PathWatch {
  /** Probes in a row without an answer, and the count of all that were sent. */
  private unanswered = 0;
  private known = 0;
  private moveAt = BROKEN_AFTER_PROBES;
  private moves = 0;
  private refusedBefore = false;

  /** Something genuine arrived. `probes` is the number sent since the connection began. */
  heard(probes: number): void {
    this.unanswered = 0;
    this.known = probes;
    this.moveAt = BROKEN_AFTER_PROBES;
    this.moves = 0;
    this.refusedBefore = false;
  }

  /** The network says that nobody listens. */
  refused(): void {
    this.refusedBefore = true;
  }

  /** The local end cannot send: another one is tried at once, and the next with the next probe. */
  failed(): "stay" | "move" {
    if (this.moves > 0) {
      this.moveAt = Math.min(this.moveAt, this.unanswered + 1);
      return "stay";
    }
    return this.move();
  }

  /** What is to be done now that `probes` were sent in all. */
  judge(probes: number): "stay" | "move" | "lost" {
    if (probes === this.known) return "stay";
    // One expiry may send two packets.
    this.known = probes;
    this.unanswered += 1;
    if (this.refusedBefore && this.unanswered >= REFUSED_AFTER_PROBES) return "lost";
    if (this.unanswered < this.moveAt) return "stay";
    if (this.moves === MAX_MOVES) return "lost";
    return this.move();
  }

  private move(): "move" {
    this.moves += 1;
    this.moveAt = this.unanswered + PROBES_PER_MOVE;
    return "move";
  }
}
