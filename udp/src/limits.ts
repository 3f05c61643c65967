/** Largest UDP payload that is ever sent: it fits through every path that carries IPv6. */
export const MAX_PACKET_BYTES = 1200;

/** Bytes of the reliable stream that may be sent beyond what the peer has acknowledged in order. */
export const STREAM_WINDOW_BYTES = 256 * 1024;

/** A side acknowledges after so many packets that ask for it, or after its longest ack delay. */
export const ACK_EVERY_PACKETS = 4;
export const SERVER_ACK_DELAY_MS = 25;
export const CLIENT_ACK_DELAY_MS = 100;

/** Ranges in one acknowledgement. */
export const MAX_ACK_RANGES = 32;

/** Packet numbers below the highest by this many are taken for replays. */
export const REPLAY_WINDOW_PACKETS = 1024;

/** Inputs in one packet: the newest and those before it. */
export const MAX_INPUTS_PER_PACKET = 8;

/** Every so many packets of a direction the key is replaced by its successor. */
export const PACKETS_PER_KEY = 2 ** 20;
