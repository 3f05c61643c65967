import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_PACKET_BYTES, MAX_PROBE_TIMEOUT_MS, MIN_WINDOW_PACKETS } from "../limits.ts";
import { AckFrame } from "../packet/frames.ts";
import { LossRecovery } from "./loss-recovery.ts";
import { SentPacket } from "./sent-packet.ts";

const PEER_ACK_DELAY_MS = 25;

/** Of the packets that were acknowledged, their numbers. */
const acked: number[] = [];

function recovery(): LossRecovery<string> {
  acked.length = 0;
  return new LossRecovery<string>(PEER_ACK_DELAY_MS, {
    arrived: ({ number }) => acked.push(number),
  });
}

function send(
  to: LossRecovery<string>,
  numbers: readonly number[],
  now: number,
  bytes = MAX_PACKET_BYTES,
): void {
  for (const number of numbers)
    to.sent(new SentPacket(number, now, bytes, number * 100, 100, undefined, -1));
}

/** An ack of ranges, each its highest and its lowest number, the highest first. */
function ack(ranges: readonly number[], delayMs = 0): AckFrame {
  const frame = new AckFrame();
  for (let i = 0; i < ranges.length; i += 2) frame.add(ranges[i] ?? 0, ranges[i + 1] ?? 0);
  frame.delayMs = delayMs;
  return frame;
}

function numbers(packets: readonly SentPacket<string>[]): number[] {
  return packets.map(({ number }) => number);
}

test("a packet is lost when one that was sent three later is acknowledged", () => {
  const sent = recovery();
  send(sent, [0, 1, 2, 3], 100);
  sent.took(ack([2, 1]), 150);
  assert.deepEqual(acked, [1, 2]);
  assert.deepEqual(numbers(sent.lost), []);
  sent.took(ack([3, 1]), 150);
  assert.deepEqual(acked, [1, 2, 3]);
  assert.deepEqual(numbers(sent.lost), [0]);
  assert.equal(sent.anyInFlight, false);
  assert.equal(sent.timerAt, Number.POSITIVE_INFINITY);
  assert.equal(sent.congestion.inFlight, 0);
});

test("a packet is lost when 9/8 of a round trip passed and a later one was acknowledged", () => {
  const sent = recovery();
  send(sent, [0, 1], 100);
  sent.took(ack([1, 1]), 180);
  assert.equal(sent.rtt.smoothed, 80);
  assert.equal(sent.timerAt, 190);
  assert.equal(sent.timeout(190), false);
  assert.deepEqual(numbers(sent.lost), [0]);
});

test("a probe is due after the probe timeout, then after twice of it, then not later than the limit", () => {
  const sent = recovery();
  send(sent, [0], 0);
  assert.equal(sent.timerAt, 333 + 2 * 333 + PEER_ACK_DELAY_MS);
  sent.took(ack([0, 0]), 80);
  send(sent, [1], 1000);
  // Smoothed 80 and a variation of 40.
  const timeout = 80 + 4 * 40 + PEER_ACK_DELAY_MS;
  assert.equal(sent.timerAt, 1000 + timeout);
  assert.equal(sent.timeout(1000 + timeout), true);
  assert.equal(sent.timerAt, 1000 + 2 * timeout);
  for (let i = 0; i < 10; i++) sent.timeout(2000);
  assert.equal(sent.timerAt, 1000 + MAX_PROBE_TIMEOUT_MS);
  sent.took(ack([1, 1]), 3000);
  send(sent, [2], 3000);
  assert.ok(sent.timerAt < 3000 + MAX_PROBE_TIMEOUT_MS, "an ack ends the backoff");
});

test("the first packet after a silence ends the backoff, a peer that speaks all the time does not", () => {
  const begun = (): { sent: LossRecovery<string>; timeout: number } => {
    const sent = recovery();
    send(sent, [0], 0);
    sent.took(ack([0, 0]), 80);
    send(sent, [1], 1000);
    return { sent, timeout: sent.timerAt - 1000 };
  };
  const cut = begun();
  for (let i = 0; i < 3; i++) cut.sent.timeout(1500);
  send(cut.sent, [2], 1500);
  assert.equal(cut.sent.timerAt, 1500 + 8 * cut.timeout);
  cut.sent.heard();
  assert.equal(cut.sent.timerAt, 1500 + cut.timeout);
  cut.sent.timeout(1500 + cut.timeout);
  cut.sent.heard();
  assert.equal(cut.sent.timerAt, 1500 + 2 * cut.timeout, "one probe is no silence");

  const talker = begun();
  for (let i = 0; i < 3; i++) {
    talker.sent.timeout(1500);
    talker.sent.heard();
  }
  assert.equal(talker.sent.timerAt, 1000 + 8 * talker.timeout);
});

test("the round-trip time is that of the largest number, without the delay the peer told", () => {
  const sent = recovery();
  send(sent, [0], 0);
  sent.took(ack([0, 0], 10), 50);
  assert.equal(sent.rtt.smoothed, 50, "the first sample is taken as it is");
  send(sent, [1], 100);
  sent.took(ack([1, 0], 10), 168);
  assert.equal(sent.rtt.smoothed, 0.875 * 50 + 0.125 * 58);
  send(sent, [2], 200);
  sent.took(ack([2, 0], 1000), 280);
  assert.equal(sent.rtt.latest, 80);
  assert.equal(sent.rtt.smoothed, 0.875 * 51 + 0.125 * 55, "a delay counts up to the peer's limit");
  // The largest number may be of a packet that did not ask.
  send(sent, [3], 300);
  sent.silent.sent(4, 320);
  sent.took(ack([4, 0]), 370);
  assert.equal(sent.rtt.latest, 50);
  send(sent, [5], 400);
  sent.took(ack([1, 0]), 900);
  assert.equal(sent.rtt.latest, 50, "an ack of nothing new is no sample");
});

test("a path that reorders is not taken for one that loses, after the first time", () => {
  const sent = recovery();
  send(sent, [0, 1, 2, 3, 4, 5, 6], 100);
  const grown = sent.congestion.window + 5 * MAX_PACKET_BYTES;
  sent.took(ack([5, 1]), 150);
  assert.deepEqual(numbers(sent.lost), [0]);
  assert.equal(sent.congestion.window, grown / 2);
  sent.took(ack([6, 0]), 151);
  assert.deepEqual(numbers(sent.late), [0]);
  assert.equal(sent.congestion.window, grown, "what was given up in vain costs nothing");
  send(sent, [10, 11, 12, 13, 14, 15], 200);
  sent.took(ack([15, 11]), 250);
  assert.deepEqual(numbers(sent.lost), []);
  send(sent, [16], 250);
  sent.took(ack([16, 11]), 300);
  assert.deepEqual(numbers(sent.lost), [10]);
});

test("packets lost in a row over a long time are persistent congestion", () => {
  const story = (acknowledged: readonly number[]): number => {
    const sent = recovery();
    send(sent, [0], 0);
    sent.took(ack([0, 0]), 40);
    for (let i = 1; i <= 10; i++) send(sent, [i], 100 * i, 100);
    send(sent, [11, 12, 13, 14], 1100, 100);
    sent.took(ack([14, 14, ...acknowledged.flatMap((number) => [number, number])]), 1140);
    return sent.congestion.window;
  };
  // Three times a probe timeout of 40 + 80 + 100 ms.
  assert.equal(story([]), MIN_WINDOW_PACKETS * MAX_PACKET_BYTES);
  assert.equal(story([9]), MIN_WINDOW_PACKETS * MAX_PACKET_BYTES, "700 ms lie between 1 and 8");
  assert.ok(story([9, 5, 2]) > MIN_WINDOW_PACKETS * MAX_PACKET_BYTES);
});

test("what was sent to an old path tells nothing of the new one", () => {
  const sent = recovery();
  send(sent, [0], 0);
  sent.took(ack([0, 0]), 40);
  send(sent, [1, 2, 3, 4, 5], 100);
  sent.moved(6);
  assert.equal(sent.rtt.known, false);
  assert.equal(sent.congestion.inFlight, 0);
  const { window } = sent.congestion;
  sent.took(ack([5, 2]), 5000);
  assert.deepEqual(numbers(sent.lost), [1]);
  assert.equal(sent.rtt.known, false);
  assert.equal(sent.congestion.window, window);
  assert.equal(sent.congestion.inFlight, 0);
});

test("updates in flight are taken out once", () => {
  const sent = recovery();
  sent.sent(new SentPacket(0, 0, 100, 0, 0, ["a", "b"], -1));
  sent.sent(new SentPacket(1, 0, 100, 0, 0, ["c"], -1));
  sent.took(ack([0, 0]), 50);
  assert.deepEqual(sent.takeUpdates(), ["c"]);
  assert.deepEqual(sent.takeUpdates(), []);
});

test("a guess stands in until the first sample", () => {
  const sent = recovery();
  sent.rtt.guess(60);
  send(sent, [0], 0);
  assert.equal(sent.timerAt, 60 + 4 * 30 + PEER_ACK_DELAY_MS);
  assert.equal(sent.rtt.known, false);
  sent.took(ack([0, 0]), 90);
  sent.rtt.guess(10);
  assert.equal(sent.rtt.smoothed, 90);
  const other = recovery();
  other.rtt.guess(9000);
  assert.equal(other.rtt.smoothed, 333);
});

test("what is done with is forgotten", () => {
  const sent = recovery();
  for (let i = 0; i < 5000; i++) {
    send(sent, [i], i, 60);
    if (i % 4 === 3) sent.took(ack([i, Math.max(0, i - 60)]), i);
  }
  assert.equal(sent.anyInFlight, false);
  assert.equal(sent.congestion.inFlight, 0);
  assert.equal(sent.oldestStream(-1), undefined);
  send(sent, [5000, 5001], 5000);
  assert.equal(sent.oldestStream(-1)?.number, 5000);
  assert.equal(sent.oldestStream(5000)?.number, 5001);
});
