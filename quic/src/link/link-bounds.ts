/** The fixed bounds of a link's wire format (docs/links.md); both ends keep to the same ones. */

/** Most bytes of a message in one frame. A longer message is cut, so that others get in between. */
export const CHUNK_BYTES = 16 * 1024;
/** What a message costs in a channel's queue besides its encoded bytes, so that many tiny ones are bounded, too. */
export const MESSAGE_OVERHEAD_BYTES = 64;
/** Streams that channels share. A lost packet holds up the channels of its own stream only. */
export const CHANNEL_STREAMS = 4;
/** Streams a peer may open; one more ends the link. We open 1 + CHANNEL_STREAMS + 1. */
export const MAX_PEER_STREAMS = 16;
/** Most bytes of a `hello` or `welcome`. */
export const MAX_GREETING_BYTES = 1024;
/** Most bytes of a channel's name in UTF-8. */
export const MAX_CHANNEL_NAME_BYTES = 384;
/** A link holds at most this many times `maxQueuedBytes`, over all of its channels. */
export const LINK_QUEUE_FACTOR = 4;
/** Bytes that are gathered for one call of the transport. */
export const SCRATCH_BYTES = 64 * 1024;
/**
 * What was taken is reported at once above this many bytes (not with whatever leaves anyhow: quiche puts one
 * stream into a packet, so a report is a packet of its own) …
 */
export const CREDIT_EAGER_BYTES = 64 * 1024;
/**
 * … and after this long at the latest. Nobody waits for less than that: who stalls has some MiB queued. Two nodes that
 * talk at every tick would otherwise send a report each way for each tick, and an acknowledgement of it.
 */
export const CREDIT_DELAY_MS = 250;
/** How much of its rate `bulk` may catch up with after its timer came late. */
export const BULK_BURST_MS = 5;

/** First byte of a stream: what it carries. */
export const StreamKind = { control: 0, channels: 1 } as const;

/** QUIC stream urgencies: lower leaves first. */
export const Urgency = { control: 0, channels: 3, bulk: 7 } as const;
