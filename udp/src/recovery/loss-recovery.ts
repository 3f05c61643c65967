import { MAX_PACKETS_IN_FLIGHT, MAX_PROBE_TIMEOUT_MS } from "../limits.ts";
import type { AckFrame } from "../packet/frames.ts";
import { Congestion } from "./congestion.ts";
import { RttEstimator } from "./rtt.ts";
import type { SentPacket } from "./sent-packet.ts";
import { SilentSends } from "./silent-sends.ts";

/** RFC 9002, section 6.1.1 and 6.1.2: where both thresholds begin. */
const PACKET_THRESHOLD = 3;
const TIME_THRESHOLD = 9 / 8;
/**
 * A path that reorders raises them, as the sections allow: to what would have spared the packet that
 * was given up and acknowledged after all, and no further than this.
 */
const MAX_PACKET_THRESHOLD = 64;
const MAX_TIME_THRESHOLD = 2;
const TIME_THRESHOLD_STEP = 1 / 8;
/** RFC 9002, section 7.6.1. */
const PERSISTENT_CONGESTION_TIMEOUTS = 3;
/** After so many probes with nothing heard between them, silence is that of a path that was cut. */
const SILENT_PROBES = 2;
/** Lost packets that are remembered, and for how long, for an acknowledgement that comes late. */
const MAX_LATE_PACKETS = 128;
const LATE_TIMEOUTS = 3;

/** Who is told of acknowledged packets. */
export interface AckedSink<Sent> {
  arrived(packet: SentPacket<Sent>): void;
}

/**
 * Which packets are in flight, which are lost, and when to probe: RFC 9002, section 6 and appendix A,
 * with one packet number space and without a handshake. Acknowledged packets go to `sink`; those
 * that were `lost` or came `late` are read by the caller after each call.
 */
export class LossRecovery<Sent> {
  readonly rtt = new RttEstimator();
  readonly congestion = new Congestion();
  /** Packets without a record here, whose send times serve as samples all the same. */
  readonly silent = new SilentSends();
  readonly lost: SentPacket<Sent>[] = [];
  /** Packets that were lost before, and acknowledged now. */
  readonly late: SentPacket<Sent>[] = [];

  private readonly peerAckDelayMs: number;
  private readonly sink: AckedSink<Sent>;
  /** By number, ascending, from `head` to `tail`; some behind `head` may be done with. The array is not shrunk. */
  private readonly packets: (SentPacket<Sent> | undefined)[] = [];
  private head = 0;
  private tail = 0;
  private readonly givenUp: SentPacket<Sent>[] = [];
  private inFlight = 0;
  private largestAcked = -1;
  private lastSentAt = 0;
  private lossAt = Number.POSITIVE_INFINITY;
  private probesInVain = 0;
  /** Of those, the ones since anything was heard. */
  private probesInSilence = 0;
  private packetThreshold = PACKET_THRESHOLD;
  private timeThreshold = TIME_THRESHOLD;
  /** Packets below belong to an earlier path: they say nothing of this one. */
  private pathBegan = 0;

  constructor(peerAckDelayMs: number, sink: AckedSink<Sent>) {
    this.peerAckDelayMs = peerAckDelayMs;
    this.sink = sink;
  }

  get anyInFlight(): boolean {
    return this.inFlight > 0;
  }

  /** Whether one more packet that asks for an ack may be sent. */
  get open(): boolean {
    return this.congestion.open && this.inFlight < MAX_PACKETS_IN_FLIGHT;
  }

  sent(packet: SentPacket<Sent>): void {
    this.packets[this.tail++] = packet;
    this.inFlight += 1;
    this.lastSentAt = packet.sentAt;
    this.congestion.sent(packet.bytes);
  }

  /** When `timeout` is due; Infinity while nothing is in flight. */
  get timerAt(): number {
    if (this.inFlight === 0) return Number.POSITIVE_INFINITY;
    if (this.lossAt !== Number.POSITIVE_INFINITY) return this.lossAt;
    const timeout = this.rtt.probeTimeout(this.peerAckDelayMs) * 2 ** this.probesInVain;
    return this.lastSentAt + Math.min(timeout, MAX_PROBE_TIMEOUT_MS);
  }

  /**
   * A new genuine packet came, whatever is in it. After a silence it tells that a path that was cut carries
   * packets again: the backoff is over, and a probe that is due without it is due now. A peer that goes on
   * speaking and acknowledges nothing ends no backoff, and none gets two probes in one probe timeout.
   */
  heard(): void {
    if (this.probesInSilence >= SILENT_PROBES) this.probesInVain = 0;
    this.probesInSilence = 0;
  }

  /** An ack came. */
  took(ack: AckFrame, now: number): void {
    this.forgetResults();
    if (this.givenUp.length > 0) this.findLate(ack, now);
    const largest = ack.largest;
    const limited = this.congestion.usedUp;
    const { packets, tail } = this;
    let newest: SentPacket<Sent> | undefined;
    for (let i = this.head; i < tail; i++) {
      const packet = packets[i];
      if (packet === undefined || packet.number > largest) break;
      if (packet.state !== "in-flight" || !ack.has(packet.number)) continue;
      packet.state = "acked";
      newest = packet;
      this.inFlight -= 1;
      this.congestion.acked(packet.bytes, packet.sentAt, limited);
      this.sink.arrived(packet);
    }
    if (newest !== undefined) this.sample(ack, newest, now);
    if (largest > this.largestAcked) this.largestAcked = largest;
    if (newest === undefined) return;
    this.probesInVain = 0;
    this.findLost(now);
    this.tidy();
  }

  /** `timerAt` has come. True: it is time to probe (RFC 9002, section 6.2.4). */
  timeout(now: number): boolean {
    this.forgetResults();
    if (this.lossAt !== Number.POSITIVE_INFINITY) {
      this.findLost(now);
      this.tidy();
      return false;
    }
    this.probesInVain += 1;
    this.probesInSilence += 1;
    return true;
  }

  /** The oldest packet in flight that carries bytes of the stream and comes after number `after`. */
  oldestStream(after: number): SentPacket<Sent> | undefined {
    for (let i = this.head; i < this.tail; i++) {
      const packet = this.packets[i];
      if (packet?.state === "in-flight" && packet.streamLength > 0 && packet.number > after)
        return packet;
    }
    return undefined;
  }

  /**
   * Takes out the updates that are in flight. When a probe is due, all of them went without an ack for
   * longer than one takes.
   */
  takeUpdates(): Sent[] {
    const updates: Sent[] = [];
    for (let i = this.head; i < this.tail; i++) {
      const packet = this.packets[i];
      if (packet?.state !== "in-flight" || packet.updates === undefined) continue;
      updates.push(...packet.updates);
      packet.updates = undefined;
    }
    return updates;
  }

  /** The peer is somewhere else: estimates begin anew, the next packet has number `next`. */
  moved(next: number): void {
    this.rtt.reset();
    this.congestion.reset();
    for (let i = this.head; i < this.tail; i++) {
      const packet = this.packets[i];
      if (packet !== undefined) packet.bytes = 0;
    }
    this.givenUp.length = 0;
    this.pathBegan = next;
    this.probesInVain = 0;
    this.probesInSilence = 0;
    this.packetThreshold = PACKET_THRESHOLD;
    this.timeThreshold = TIME_THRESHOLD;
  }

  private sample(ack: AckFrame, newest: SentPacket<Sent>, now: number): void {
    const largest = ack.largest;
    if (largest <= this.largestAcked || largest < this.pathBegan) return;
    const sentAt = newest.number === largest ? newest.sentAt : this.silent.sentAt(largest);
    if (sentAt === undefined) return;
    this.rtt.sample(now - sentAt, Math.min(ack.delayMs, this.peerAckDelayMs), now);
  }

  private forgetResults(): void {
    if (this.lost.length > 0) this.lost.length = 0;
    if (this.late.length > 0) this.late.length = 0;
  }

  /** RFC 9002, appendix A.10, and section 7.6 for packets lost in a row. */
  private findLost(now: number): void {
    const { packets, tail, largestAcked } = this;
    const delay = this.rtt.lossDelay(this.timeThreshold);
    const persistent = this.rtt.probeTimeout(this.peerAckDelayMs) * PERSISTENT_CONGESTION_TIMEOUTS;
    let rowBegan = Number.NaN;
    let collapsed = false;
    let lastLostAt = -1;
    this.lossAt = Number.POSITIVE_INFINITY;
    for (let i = this.head; i < tail; i++) {
      const packet = packets[i];
      if (packet === undefined || packet.number > largestAcked) break;
      if (packet.state === "acked") rowBegan = Number.NaN;
      if (packet.state !== "in-flight") continue;
      const dueAt = packet.sentAt + delay;
      if (dueAt > now && packet.number > largestAcked - this.packetThreshold) {
        if (dueAt < this.lossAt) this.lossAt = dueAt;
        continue;
      }
      packet.state = "lost";
      this.inFlight -= 1;
      this.lost.push(packet);
      this.givenUp.push(packet);
      this.congestion.lost(packet.bytes);
      if (packet.bytes === 0) continue;
      lastLostAt = packet.sentAt;
      if (Number.isNaN(rowBegan)) {
        if (packet.sentAt > this.rtt.firstSampleAt) rowBegan = packet.sentAt;
      } else if (packet.sentAt - rowBegan >= persistent) collapsed = true;
    }
    if (lastLostAt >= 0) this.congestion.congested(this.lost.length, lastLostAt, now);
    if (collapsed) this.congestion.collapse();
  }

  /** Acknowledgements of packets that were given up: the path reorders more than was thought. */
  private findLate(ack: AckFrame, now: number): void {
    const { givenUp } = this;
    const since = now - LATE_TIMEOUTS * this.rtt.probeTimeout(this.peerAckDelayMs);
    let kept = 0;
    for (const packet of givenUp) {
      if (!ack.has(packet.number)) {
        if (packet.sentAt > since) givenUp[kept++] = packet;
        continue;
      }
      packet.state = "acked";
      this.late.push(packet);
      this.congestion.regained(packet.sentAt);
      const behind = this.largestAcked - packet.number + 1;
      if (behind > this.packetThreshold)
        this.packetThreshold = Math.min(behind, MAX_PACKET_THRESHOLD);
      this.timeThreshold = Math.min(this.timeThreshold + TIME_THRESHOLD_STEP, MAX_TIME_THRESHOLD);
    }
    givenUp.length = kept;
  }

  private tidy(): void {
    const { packets, givenUp, tail } = this;
    let { head } = this;
    while (head < tail && packets[head]?.state !== "in-flight") packets[head++] = undefined;
    if (head === tail) {
      head = 0;
      this.tail = 0;
    } else if (head >= 64 && head * 2 >= tail) {
      packets.splice(0, head);
      this.tail -= head;
      head = 0;
    }
    this.head = head;
    if (givenUp.length > MAX_LATE_PACKETS) givenUp.splice(0, givenUp.length - MAX_LATE_PACKETS);
  }
}
