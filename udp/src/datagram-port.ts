import type { DatagramStats } from "./datagram-stats.ts";
import type { PacketKeys } from "./packet-keys.ts";
import type { StreamMemory } from "./stream/stream-memory.ts";

/** What a DatagramConnection takes and tells. */

export interface DatagramOptions {
  role: "client" | "server";
  /** Below 2^48. The client writes it into the header of each packet. */
  connectionId: number;
  /** Largest CBOR item that is taken in; above it `failed("too-large")`. */
  maxItemBytes: number;
  /** Where the peer is: an opaque text, for a server `address|port`. A client uses "". */
  path: string;
  /** What the handshake measured: it stands in until the first sample, so that early losses are mended sooner. */
  rttMs?: number | undefined;
}

export interface DatagramEvents<Sent> {
  /** Send this packet now. The bytes do not change afterwards: they are cut from an arena. */
  transmit(packet: Uint8Array, path: string): void;
  /**
   * A whole CBOR item, a view that is valid during the call. Server: of the stream, or an input that is
   * new (docs/protocol.md, 11.2). Client: of the stream, or of a state frame, which is handed over as
   * the item `[10, packed]` and only in the generation that is due.
   */
  item(item: Uint8Array): void;
  /**
   * Server: these updates were lost, or could not be sent for want of window. Called from wake,
   * receive and flush, never from sendUpdates.
   */
  updatesLost(sent: Sent): void;
  /** Server: the answer to a challenge came; packets go to this path from now on. */
  moved(path: string): void;
  /** The peer broke a rule: the owner calls close(). Nothing is handed out after it. */
  failed(code: "bad-message" | "too-large", reason: string): void;
  /** The peer closed, with the code and reason of its close frame. The last event. */
  closed(code: number, reason: string): void;
  /** Something waits for `flush`: called once until the next flush. */
  dirty(): void;
}

export interface DatagramDependencies<Sent> {
  keys: PacketKeys;
  events: DatagramEvents<Sent>;
  /** Milliseconds of a clock that never goes back: the same that receive, flush and wake are given. */
  now: number;
  randomBytes: (bytes: number) => Uint8Array;
  /** Connections may share one, so that it counts for all of them. Without it each has its own. */
  stats?: DatagramStats | undefined;
  /** Connections may share it; whoever ends one without `close` calls `dispose`. Without it each has its whole window. */
  streamMemory?: StreamMemory | undefined;
}
