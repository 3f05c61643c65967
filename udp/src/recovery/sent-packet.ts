/** A packet that asked for an ack, until it is acknowledged or lost. */
export class SentPacket<Sent> {
  readonly number: number;
  readonly sentAt: number;
  /** What it counts in flight; 0 for one that was sent to another path than the present. */
  bytes: number;
  state: "in-flight" | "acked" | "lost" = "in-flight";
  /** The bytes of the stream that it carried. */
  readonly streamOffset: number;
  readonly streamLength: number;
  /** What the owner said of the updates in it; undefined when there were none, or it heard that they were lost. */
  updates: readonly Sent[] | undefined;
  /** The highest number that it acknowledged; -1 when it held no ack. */
  readonly acknowledged: number;

  constructor(
    number: number,
    sentAt: number,
    bytes: number,
    streamOffset: number,
    streamLength: number,
    updates: readonly Sent[] | undefined,
    acknowledged: number,
  ) {
    this.number = number;
    this.sentAt = sentAt;
    this.bytes = bytes;
    this.streamOffset = streamOffset;
    this.streamLength = streamLength;
    this.updates = updates;
    this.acknowledged = acknowledged;
  }
}
