/** What multicast did since the start; plain numbers, read by the metrics. */
export class MulticastStats {
  announcements = 0;
  /** Datagrams of topics that left, signs of life among them, and the bytes of all datagrams. */
  datagrams = 0;
  bytes = 0;
  /** Datagrams that the bound per second kept back: watchers fetch them. */
  heldBack = 0;
  /** Changes too large for datagrams: watchers fetch full state. */
  tooLarge = 0;
  sendErrors = 0;
  /** Answers to watchers that missed something, those with full state among them, and refusals. */
  fills = 0;
  fullFills = 0;
  refusals = 0;
}
