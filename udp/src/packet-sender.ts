import { InputSender } from "./channels/input-sender.ts";
import { UpdatesQueue } from "./channels/updates-queue.ts";
import type { DatagramStats } from "./datagram-stats.ts";
import {
  CLIENT_ACK_DELAY_MS,
  MAX_BURST_PACKETS,
  MAX_PACKET_BYTES,
  SERVER_ACK_DELAY_MS,
} from "./limits.ts";
import {
  type AckFrame,
  FRAME_CHALLENGE,
  FRAME_CLOSE,
  FRAME_PING,
  FRAME_RESPONSE,
  FRAME_STREAM,
} from "./packet/frames.ts";
import { type PacketWriter, sharedWriter, varintBytes } from "./packet/packet-writer.ts";
import type { PacketKeys } from "./packet-keys.ts";
import type { Acknowledger } from "./recovery/acknowledger.ts";
import { type AckedSink, LossRecovery } from "./recovery/loss-recovery.ts";
import { SentPacket } from "./recovery/sent-packet.ts";
import { SendStream } from "./stream/send-stream.ts";

/** A part of the stream smaller than this is not worth its frame, when the next packet could take it whole. */
const MIN_STREAM_BYTES = 64;
/** Bursts follow each other a little faster than the window would be spread: RFC 9002, section 7.7. */
const PACING_GAIN = 1.25;
const BURST_BYTES = MAX_BURST_PACKETS * MAX_PACKET_BYTES;

/**
 * A packet of pings alone holds so many: it is no smaller than a challenge then, which a new path gets only
 * for as many bytes as came from it.
 */
const PING_FRAMES = 8;

export interface PacketSenderOptions {
  role: "client" | "server";
  connectionId: number;
  rttMs?: number | undefined;
}

/** Takes packets to where the peer is. */
export interface PacketRoad {
  transmit(packet: Uint8Array): void;
}

export interface PacketSenderDependencies {
  keys: PacketKeys;
  road: PacketRoad;
  acknowledger: Acknowledger;
  stats: DatagramStats;
}

/** Everything that goes out: what waits, what packets it is put in, and what became of them. */
export class PacketSender<Sent> implements AckedSink<Sent> {
  readonly stream = new SendStream();
  readonly updates = new UpdatesQueue<Sent>();
  readonly recovery: LossRecovery<Sent>;
  /** A client's. */
  readonly inputs: InputSender | undefined;
  /** Client: what to answer a challenge with. */
  response: Uint8Array | undefined;

  private readonly connectionId: number | undefined;
  private readonly keys: PacketKeys;
  private readonly road: PacketRoad;
  private readonly acknowledger: Acknowledger;
  private readonly stats: DatagramStats;
  private nextNumber = 0;
  /** Client: hellos sent so far. */
  private hellos = 0;
  /** Packets to send although the window is full, because acknowledgements stayed out. */
  private probes = 0;
  /** Bytes that may still go out before the pace counts: small packets are not worth waiting for. */
  private burstLeft = BURST_BYTES;
  private burstBegan = Number.NEGATIVE_INFINITY;
  /** When stream bytes that wait for nothing but the pace may go on; Infinity: none do. */
  private paceAt = Number.POSITIVE_INFINITY;

  constructor(options: PacketSenderOptions, dependencies: PacketSenderDependencies) {
    const client = options.role === "client";
    this.connectionId = client ? options.connectionId : undefined;
    this.inputs = client ? new InputSender(dependencies.stats) : undefined;
    this.recovery = new LossRecovery<Sent>(
      client ? SERVER_ACK_DELAY_MS : CLIENT_ACK_DELAY_MS,
      this,
    );
    if (options.rttMs !== undefined) this.recovery.rtt.guess(options.rttMs);
    this.keys = dependencies.keys;
    this.road = dependencies.road;
    this.acknowledger = dependencies.acknowledger;
    this.stats = dependencies.stats;
  }

  get wakeAt(): number {
    return Math.min(
      this.acknowledger.dueAt,
      this.recovery.timerAt,
      this.paceAt,
      this.inputs?.repeatAt ?? Number.POSITIVE_INFINITY,
    );
  }

  /** Client: a hello goes into the stream; inputs from here on are of that one. */
  hello(): void {
    this.hellos += 1;
    this.inputs?.clear();
  }

  /** Whether a flush could send more than acknowledgements. */
  get waiting(): boolean {
    return this.stream.waiting || !this.updates.empty;
  }

  /** Whether a packet of this number was sent. */
  hasSent(number: number): boolean {
    return number < this.nextNumber;
  }

  flush(now: number): void {
    const { recovery } = this;
    const { congestion, rtt } = recovery;
    const pace = BURST_BYTES / (PACING_GAIN * congestion.window);
    const nextBurstAt = this.burstBegan + pace * rtt.smoothed;
    if (now >= nextBurstAt) {
      this.burstBegan = now;
      this.burstLeft = BURST_BYTES;
    }
    for (;;) {
      const open = this.probes > 0 || recovery.open;
      if (!this.due(now, open)) break;
      this.packet(now, open);
    }
    const paced = this.burstLeft <= 0 && recovery.open && this.stream.waiting;
    this.paceAt = paced ? this.burstBegan + pace * rtt.smoothed : Number.POSITIVE_INFINITY;
  }

  /** Acts on an acknowledgement; returns the updates that it says were lost. */
  took(ack: AckFrame, now: number): Sent[] {
    const { recovery } = this;
    recovery.took(ack, now);
    for (const packet of recovery.late) this.arrived(packet);
    this.stats.packetsLostInVain += recovery.late.length;
    return this.lose();
  }

  /**
   * Acts on timers that are due; returns the updates that were lost. Those that a probe is sent for count
   * as lost at once: their owner has newer ones to send, and a probe would tell a round trip later.
   */
  wake(now: number): Sent[] {
    const { recovery } = this;
    if (recovery.timerAt > now) return [];
    if (!recovery.timeout(now)) return this.lose();
    this.probe();
    return recovery.takeUpdates();
  }

  /**
   * The peer is somewhere else now: a probe goes there at once, and its acknowledgement tells what was
   * lost on the way to the old place.
   */
  moved(): void {
    this.recovery.moved(this.nextNumber);
    if (this.recovery.anyInFlight) this.probe();
  }

  /** The next flush sends a packet that asks for an ack, whatever else it holds. */
  ping(): void {
    if (this.probes === 0) this.probes = 1;
  }

  /** A packet of its own with a challenge, for another path; not counted in flight, and not repeated. */
  challengePacket(challenge: Uint8Array): Uint8Array {
    const number = this.nextNumber++;
    const writer = sharedWriter;
    writer.begin(number, this.connectionId);
    writer.u8(FRAME_CHALLENGE);
    writer.raw(challenge);
    return this.count(writer.end(number, this.keys));
  }

  /** Bytes of the next `challengePacket`. */
  get challengePacketBytes(): number {
    return 26 + varintBytes(this.nextNumber);
  }

  closePacket(code: number, reason: Uint8Array, now: number): Uint8Array {
    const number = this.nextNumber++;
    const writer = sharedWriter;
    writer.begin(number, this.connectionId);
    if (this.acknowledger.waiting) this.acknowledger.write(writer, now);
    writer.u8(FRAME_CLOSE);
    writer.varint(code);
    writer.varint(reason.length);
    writer.raw(reason);
    return this.count(writer.end(number, this.keys));
  }

  private due(now: number, open: boolean): boolean {
    if (this.acknowledger.dueAt <= now || this.response !== undefined || this.probes > 0)
      return true;
    const { inputs } = this;
    if (inputs !== undefined && (inputs.fresh || inputs.repeatAt <= now)) return true;
    return open && (!this.updates.empty || (this.burstLeft > 0 && this.stream.waiting));
  }

  /** Writes and sends one packet; `open`: it may hold frames that ask for an ack. */
  private packet(now: number, open: boolean): void {
    const number = this.nextNumber++;
    const writer = sharedWriter;
    const { acknowledger, stream } = this;
    writer.begin(number, this.connectionId);
    let acknowledged = -1;
    if (acknowledger.waiting) {
      acknowledged = acknowledger.largest;
      acknowledger.write(writer, now);
    }
    if (this.response !== undefined) {
      writer.u8(FRAME_RESPONSE);
      writer.raw(this.response);
      this.response = undefined;
    }
    this.inputs?.write(writer, this.hellos, now);
    let asks = false;
    let updates: readonly Sent[] | undefined;
    let streamLength = 0;
    if (open) {
      updates = this.updates.write(writer);
      if (this.burstLeft > 0 || this.probes > 0) streamLength = this.writeStream(writer);
      asks = updates !== undefined || streamLength > 0;
      const longAck = acknowledged >= 0 && acknowledger.long && !this.recovery.anyInFlight;
      if (!asks && (this.probes > 0 || longAck)) {
        for (let i = 0; i < PING_FRAMES; i++) writer.u8(FRAME_PING);
        asks = true;
      }
      if (this.probes > 0) this.probes -= 1;
    }
    const packet = this.count(writer.end(number, this.keys));
    if (asks) {
      this.burstLeft -= packet.length;
      this.recovery.sent(
        new SentPacket(
          number,
          now,
          packet.length,
          stream.offset,
          streamLength,
          updates,
          acknowledged,
        ),
      );
    } else this.recovery.silent.sent(number, now);
    this.road.transmit(packet);
  }

  /** Returns how many bytes of the stream went in, from `stream.offset` on. */
  private writeStream(writer: PacketWriter): number {
    const { stream } = this;
    if (!stream.next()) return 0;
    const room = writer.room - 3 - varintBytes(stream.offset);
    const length = Math.min(stream.length, room);
    if (length <= 0 || (length < stream.length && length < MIN_STREAM_BYTES)) return 0;
    if (stream.repeats) this.stats.streamBytesRepeated += length;
    writer.u8(FRAME_STREAM);
    writer.varint(stream.offset);
    writer.varint(length);
    writer.raw(stream.take(length));
    return length;
  }

  /** For `recovery`: a packet was acknowledged. */
  arrived(packet: SentPacket<Sent>): void {
    if (packet.streamLength > 0) this.stream.arrived(packet.streamOffset, packet.streamLength);
    if (packet.acknowledged >= 0) this.acknowledger.forget(packet.acknowledged);
  }

  private lose(): Sent[] {
    const { lost } = this.recovery;
    const updates: Sent[] = [];
    for (const packet of lost) {
      if (packet.streamLength > 0) this.stream.again(packet.streamOffset, packet.streamLength);
      if (packet.updates !== undefined) updates.push(...packet.updates);
    }
    this.stats.packetsLost += lost.length;
    return updates;
  }

  /** Sends up to two packets past the window, with the oldest bytes that may be lost: RFC 9002, 6.2.4. */
  private probe(): void {
    const first = this.recovery.oldestStream(-1);
    const second = first && this.recovery.oldestStream(first.number);
    if (first !== undefined) this.stream.again(first.streamOffset, first.streamLength);
    if (second !== undefined) this.stream.again(second.streamOffset, second.streamLength);
    this.probes = second === undefined ? 1 : 2;
    this.stats.probes += 1;
  }

  private count(packet: Uint8Array): Uint8Array {
    this.stats.packetsOut += 1;
    this.stats.bytesOut += packet.length;
    return packet;
  }
}
