/** Largest UDP payload that is ever sent: it fits through every path that carries IPv6. */
export const MAX_PACKET_BYTES = 1200;

/** Bytes of the reliable stream that may be sent beyond what the peer has acknowledged in order. */
export const STREAM_WINDOW_BYTES = 256 * 1024;

/**
 * A side acknowledges after so many packets that ask for it, or after its longest ack delay: long enough
 * for a tick to come by, whose packet then carries the acknowledgement.
 */
export const ACK_EVERY_PACKETS = 4;
export const SERVER_ACK_DELAY_MS = 100;
export const CLIENT_ACK_DELAY_MS = 100;

/** Ranges in one acknowledgement. */
export const MAX_ACK_RANGES = 32;

/** Packet numbers below the highest by this many are taken for replays. */
export const REPLAY_WINDOW_PACKETS = 1024;

/** Inputs in one packet: the newest and those before it. */
export const MAX_INPUTS_PER_PACKET = 8;

/** Every so many packets of a direction the key is replaced by its successor. */
export const PACKETS_PER_KEY = 2 ** 20;

/**
 * Congestion window, in packets: at the beginning and at least. RFC 9002, section 7.2, recommends 2 for the
 * least; a game's packets are small and few, and at 5 % random loss two leave a fifth of the state behind.
 */
export const INITIAL_WINDOW_PACKETS = 10;
export const MIN_WINDOW_PACKETS = 4;
/** The congestion window stops growing here; more than the stream's window is of use to state only. */
export const MAX_WINDOW_BYTES = 2 * STREAM_WINDOW_BYTES;

/**
 * Packets in flight, however small: what is further behind is a replay to the receiver. A peer that
 * acknowledges nothing gets no more than probes then; each of its acks is held against this many.
 */
export const MAX_PACKETS_IN_FLIGHT = REPLAY_WINDOW_PACKETS;

/** Full packets of stream bytes sent at a time; the next so many follow as the round-trip time paces them. */
export const MAX_BURST_PACKETS = 16;

/** A probe is not put off for longer than this, however often it was sent in vain. */
export const MAX_PROBE_TIMEOUT_MS = 3000;

/** Gaps in what arrived of the stream. Bytes that would make one more are dropped, as if they were lost. */
export const MAX_STREAM_GAPS = 256;

/** Packets that carry an input, if so many go out before newer inputs take its place. */
export const INPUT_COPIES = 3;
/** An input that no other packet repeats is sent once more after this long. */
export const INPUT_REPEAT_MS = 25;
/** An input whose successor is due within this time is repeated by that, and not by a packet of its own. */
export const INPUT_CADENCE_MS = 150;
/** Larger inputs go through the stream. */
export const MAX_INPUT_BYTES = 1100;

/** Updates in one state frame: with an ordinary acknowledgement they fill a packet. */
export const MAX_UPDATES_BYTES = 1140;
/** State frames that wait for a flush. More are reported as lost by it. */
export const MAX_WAITING_UPDATES = 64;
/** State frames that a client keeps for a welcome that is still on its way. At one more all are dropped. */
export const MAX_EARLY_UPDATES = 32;

/** A new path gets a challenge at most this often. */
export const CHALLENGE_INTERVAL_MS = 1000;

/** How long a side that closed answers packets with its close. */
export const CLOSING_MS = 2000;
/** The next answer of that kind comes no sooner than this after the last. */
export const CLOSE_INTERVAL_MS = 20;
/** Longest reason in a close frame, in bytes; a longer one is cut. */
export const MAX_REASON_BYTES = 512;
