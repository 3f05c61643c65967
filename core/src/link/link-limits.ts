/** The bounds of a link; each is counted in LinkStats. */
export interface LinkLimits {
  /** Bytes queued in a channel above which `send` asks to wait. Drained at half of it. */
  readonly highWaterBytes: number;
  /** Bytes queued in a channel above which the link closes with `overflow`. */
  readonly maxQueuedBytes: number;
  /** Channels of a link (one per shard that both sides know); one more is a RangeError for who asks for it. */
  readonly maxChannels: number;
  /** Bytes of a datagram; longer ones are a RangeError for the sender. Equal for all adapters. */
  readonly maxDatagramBytes: number;
  /** Datagrams waiting for their turn; more are dropped. */
  readonly maxQueuedDatagrams: number;
}

export const DEFAULT_LINK_LIMITS: LinkLimits = {
  highWaterBytes: 4 * 1024 * 1024,
  maxQueuedBytes: 128 * 1024 * 1024,
  maxChannels: 16_384,
  maxDatagramBytes: 1100,
  maxQueuedDatagrams: 1024,
};

/** Longest name of a channel, in UTF-16 units. */
export const MAX_CHANNEL_NAME_LENGTH = 128;

/** What the links of one network did so far; plain numbers, read by the metrics. */
export class LinkStats {
  opened = 0;
  closed = 0;
  messages = 0;
  bytes = 0;
  datagrams = 0;
  droppedDatagrams = 0;
  /** Links closed because a channel's queue was full. */
  overflows = 0;
  /** How often `send` asked its caller to wait. */
  stalls = 0;
  /** Bytes sent and not yet taken by a handler. */
  queuedBytes = 0;
}
