import { DecodeError } from "@atlasnet/world";
import {
  HELLO_NUMBER,
  INPUT_NUMBER,
  messageNumber,
  WELCOME_NUMBER,
} from "./channels/message-number.ts";
import { closeReasonBytes } from "./close-reason.ts";
import type { DatagramDependencies, DatagramEvents, DatagramOptions } from "./datagram-port.ts";
import { type DatagramStats, newDatagramStats } from "./datagram-stats.ts";
import {
  CLIENT_ACK_DELAY_MS,
  CLOSE_INTERVAL_MS,
  CLOSING_MS,
  MAX_INPUT_BYTES,
  MAX_PACKET_BYTES,
  MAX_UPDATES_BYTES,
  PACKETS_PER_KEY,
  SERVER_ACK_DELAY_MS,
} from "./limits.ts";
import type { AckFrame } from "./packet/frames.ts";
import { NUMBER_AT, numberEnd, numberIn, SEALED } from "./packet/packet-header.ts";
import type { PacketKeys } from "./packet-keys.ts";
import { PacketReader, type PacketSink } from "./packet-reader.ts";
import { type PacketRoad, PacketSender } from "./packet-sender.ts";
import { PathCheck } from "./path-check.ts";
import { Acknowledger } from "./recovery/acknowledger.ts";
import { ReplayWindow } from "./recovery/replay-window.ts";

/**
 * One connection after its handshake, of either side (docs/protocol.md, 11.2). It sends packets and hands
 * out items directly, and knows the time only from what it is told: `receive`, `flush` and `wake`.
 *
 * - `open`: all goes in and out.
 * - `failed`: the peer broke a rule; nothing goes in any more, the owner is to call `close`.
 * - `closing`: packets are answered with the close frame, for CLOSING_MS. The owner forgets it then.
 * - `closed`: the peer closed.
 */
export class DatagramConnection<Sent = undefined> implements PacketSink, PacketRoad {
  readonly stats: DatagramStats;
  /** Largest `packed` that `sendUpdates` takes. */
  readonly maxUpdatesBytes: number = MAX_UPDATES_BYTES;

  private readonly server: boolean;
  private readonly keys: PacketKeys;
  private readonly events: DatagramEvents<Sent>;
  private readonly numberAt: number;
  private readonly replay = new ReplayWindow();
  private readonly acknowledger: Acknowledger;
  private readonly sender: PacketSender<Sent>;
  private readonly reader: PacketReader;
  private readonly randomBytes: (bytes: number) => Uint8Array;
  /** A server's, once a packet came from elsewhere. */
  private paths: PathCheck | undefined;

  private state: "open" | "failed" | "closing" | "closed" = "open";
  private dirtied = false;
  private path: string;
  /** Where the packet that is being read came from. */
  private from = "";
  private now: number;
  private readonly beganAt: number;
  /** Server: welcomes sent so far. */
  private welcomes = 0;
  private closePacket: Uint8Array | undefined;
  /** When the last packet is answered with `closePacket`; known when the first has come. */
  private closingUntil: number | undefined;
  /** Before this time no packet is answered with it. */
  private closeAgainAt = 0;

  constructor(options: DatagramOptions, dependencies: DatagramDependencies<Sent>) {
    const server = options.role === "server";
    this.stats = dependencies.stats ?? newDatagramStats();
    this.server = server;
    this.path = options.path;
    this.now = dependencies.now;
    this.beganAt = dependencies.now;
    this.keys = dependencies.keys;
    this.events = dependencies.events;
    this.numberAt = NUMBER_AT[options.role];
    this.acknowledger = new Acknowledger(server ? SERVER_ACK_DELAY_MS : CLIENT_ACK_DELAY_MS);
    this.sender = new PacketSender<Sent>(options, {
      keys: dependencies.keys,
      road: this,
      acknowledger: this.acknowledger,
      stats: this.stats,
    });
    this.reader = new PacketReader(options, {
      stats: this.stats,
      streamMemory: dependencies.streamMemory,
      sink: this,
    });
    this.randomBytes = dependencies.randomBytes;
  }

  /**
   * A sealed packet, the whole UDP payload, whose connection id (towards a server) is this one's. False: it
   * is not genuine, came before or is too old, and was dropped.
   */
  receive(packet: Uint8Array, path: string, now: number): boolean {
    this.now = now;
    const { stats, replay, numberAt } = this;
    const end = packet[0] === SEALED ? numberEnd(packet, numberAt) : -1;
    if (end < 0 || packet.length > MAX_PACKET_BYTES) {
      stats.packetsRefused += 1;
      return false;
    }
    const number = numberIn(packet, numberAt, end);
    if (!replay.isNew(number)) {
      stats.packetsRepeated += 1;
      return false;
    }
    const plain = this.tooFarAhead(number) ? undefined : this.keys.open(number, packet, end);
    if (plain === undefined) {
      stats.packetsRefused += 1;
      return false;
    }
    const newest = number > replay.highest;
    // A client speaks as soon as it has the accept, so its first packet tells the round trip.
    if (this.server && replay.highest < 0) this.sender.recovery.rtt.guess(now - this.beganAt);
    replay.take(number);
    stats.packetsIn += 1;
    stats.bytesIn += packet.length;
    if (this.state === "open") this.takeIn(number, plain, packet.length, path, newest);
    else if (this.state === "closing") this.answerWithClose();
    return true;
  }

  /**
   * Sends one CBOR item. An input of a client goes into inputs frames, when it is not larger than
   * MAX_INPUT_BYTES; all else goes into the stream. Copied; dropped when the connection is closed.
   */
  send(item: Uint8Array): void {
    if (this.state === "closing" || this.state === "closed") return;
    const number = messageNumber(item);
    if (this.server) {
      if (number === WELCOME_NUMBER) {
        this.welcomes += 1;
        this.reader.welcomed();
      }
    } else if (number === HELLO_NUMBER) {
      this.sender.hello();
    } else if (number === INPUT_NUMBER && item.length <= MAX_INPUT_BYTES) {
      this.sender.inputs?.push(item);
      this.markDirty();
      return;
    }
    this.sender.stream.item(item);
    this.markDirty();
  }

  /** Items that are framed already: whole frames, no hello, welcome or input among them. Copied. */
  sendFrames(bytes: Uint8Array): void {
    if (this.state === "closing" || this.state === "closed") return;
    this.sender.stream.frames(bytes);
    this.markDirty();
  }

  /**
   * Server: packed updates of at most `maxUpdatesBytes`, into a state frame of the next flush. Copied.
   * Whatever becomes of them but their arrival is told by `updatesLost`, as long as the connection is open.
   */
  sendUpdates(packed: Uint8Array, sent: Sent): void {
    if (this.state === "closing" || this.state === "closed") return;
    if (packed.length > MAX_UPDATES_BYTES)
      throw new RangeError(`updates of ${packed.length} bytes, at most ${MAX_UPDATES_BYTES}`);
    this.sender.updates.push(this.welcomes, packed, sent);
    this.markDirty();
  }

  /** Asks for a sign of life: the next flush sends a packet that the peer acknowledges, also from a new path. */
  ping(): void {
    if (this.state !== "open") return;
    this.sender.ping();
    this.markDirty();
  }

  /**
   * Writes and transmits what waits, as the window allows: acks, inputs, updates, the stream. Updates that
   * the window has no room for are reported as lost: send them again with the next tick, not at once.
   */
  flush(now: number): void {
    this.now = now;
    this.dirtied = false;
    if (this.state !== "open") return;
    this.challengePath();
    this.sender.flush(now);
    const unsent = this.sender.updates.takeUnsent();
    if (unsent !== undefined) this.reportLost(unsent);
  }

  /** When `wake` is due, in ms of the same clock; Infinity: never. Changes with every other call. */
  get wakeAt(): number {
    return this.state === "open" ? this.sender.wakeAt : Number.POSITIVE_INFINITY;
  }

  /** Acts on timers that are due, and flushes. */
  wake(now: number): void {
    if (this.state !== "open") return;
    this.now = now;
    this.reportLost(this.sender.wake(now));
    this.flush(now);
  }

  /**
   * Stops handing out items. What arrives of the stream is kept, up to its window; inputs and state frames
   * are passed over, as if they had not arrived.
   */
  pause(): void {
    this.reader.pause();
  }

  /** Goes on, with what was kept first: items are handed out during the call. */
  resume(): void {
    if (this.state === "open") this.reader.resume();
  }

  /**
   * Sends a close frame at once; what else waits is given up. A longer reason than MAX_REASON_BYTES is cut.
   * The owner keeps the connection for CLOSING_MS, so that it answers what still comes, at most once
   * in CLOSE_INTERVAL_MS.
   */
  close(code: number, reason: string): void {
    if (this.state === "closing" || this.state === "closed") return;
    this.state = "closing";
    this.reader.end();
    this.closePacket = this.sender.closePacket(code, closeReasonBytes(reason), this.now);
    this.events.transmit(this.closePacket, this.path);
  }

  /** Ends without a word, wherever it stands. */
  dispose(): void {
    if (this.state !== "closing") this.state = "closed";
    this.reader.end();
  }

  /** Whether `close` was called. */
  get closing(): boolean {
    return this.state === "closing";
  }

  /** Bytes of the stream that were handed in and wait for the window; the owner bounds them. */
  get backlogBytes(): number {
    return this.sender.stream.unsentBytes;
  }

  /** The smoothed round-trip time; undefined before the first measurement. */
  get rttMs(): number | undefined {
    const { rtt } = this.sender.recovery;
    return rtt.known ? rtt.smoothed : undefined;
  }

  /** Numbers whose key is not due for long are not genuine, and looking would cost a key each. */
  private tooFarAhead(number: number): boolean {
    const generation = Math.floor(number / PACKETS_PER_KEY);
    return generation > Math.floor(Math.max(0, this.replay.highest) / PACKETS_PER_KEY) + 1;
  }

  private takeIn(
    number: number,
    plain: Uint8Array,
    bytes: number,
    path: string,
    newest: boolean,
  ): void {
    if (path === this.path) {
      if (newest) this.paths?.settled();
    } else if (this.server) {
      this.paths ??= new PathCheck(this.randomBytes);
      this.paths.came(path, bytes, newest);
    }
    if (newest) this.sender.recovery.heard();
    this.from = path;
    const { reader } = this;
    reader.read(plain);
    if (this.state !== "open") return;
    if (!reader.kept) {
      this.stats.packetsUnkept += 1;
      return;
    }
    this.acknowledger.took(number, reader.asks, this.now);
    if (this.acknowledger.dueAt <= this.now || this.challengeDue()) this.markDirty();
  }

  // What its reader and its sender tell: these are theirs, not the owner's.

  isOpen(): boolean {
    return this.state === "open";
  }

  item(item: Uint8Array): void {
    this.events.item(item);
  }

  transmit(packet: Uint8Array): void {
    this.events.transmit(packet, this.path);
  }

  acknowledged(ack: AckFrame): void {
    if (!this.sender.hasSent(ack.largest))
      throw new DecodeError(`an ack of packet ${ack.largest}, which was never sent`);
    this.reportLost(this.sender.took(ack, this.now));
    if (this.sender.waiting) this.markDirty();
  }

  challenged(challenge: Uint8Array): void {
    this.sender.response = challenge.slice();
    this.markDirty();
  }

  responded(response: Uint8Array): void {
    if (!this.paths?.answered(response, this.from)) return;
    this.path = this.from;
    this.stats.moves += 1;
    this.sender.moved();
    this.events.moved(this.path);
    this.markDirty();
  }

  closed(code: number, reason: string): void {
    this.state = "closed";
    this.reader.end();
    this.events.closed(code, reason);
  }

  failed(code: "bad-message" | "too-large", reason: string): void {
    if (this.state !== "open") return;
    this.state = "failed";
    this.events.failed(code, reason);
  }

  private reportLost(updates: readonly Sent[]): void {
    this.stats.updatesLost += updates.length;
    for (const sent of updates) if (this.state === "open") this.events.updatesLost(sent);
  }

  private challengeDue(): boolean {
    return this.paths?.due(this.sender.challengePacketBytes, this.now) ?? false;
  }

  private challengePath(): void {
    const { paths } = this;
    if (paths === undefined || !this.challengeDue()) return;
    const { path, challenge } = paths.challenging(this.now);
    const packet = this.sender.challengePacket(challenge);
    paths.sent(packet.length);
    this.stats.challenges += 1;
    this.events.transmit(packet, path);
  }

  private answerWithClose(): void {
    this.closingUntil ??= this.now + CLOSING_MS;
    if (this.closePacket === undefined || this.now > this.closingUntil) return;
    if (this.now < this.closeAgainAt) return;
    this.closeAgainAt = this.now + CLOSE_INTERVAL_MS;
    this.events.transmit(this.closePacket, this.path);
  }

  private markDirty(): void {
    if (this.dirtied) return;
    this.dirtied = true;
    this.events.dirty();
  }
}
