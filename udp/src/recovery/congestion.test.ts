import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_PACKET_BYTES, MAX_WINDOW_BYTES, MIN_WINDOW_PACKETS } from "../limits.ts";
import { Congestion } from "./congestion.ts";

const INITIAL = 10 * MAX_PACKET_BYTES;

function fill(congestion: Congestion): number {
  let packets = 0;
  while (congestion.open) {
    congestion.sent(MAX_PACKET_BYTES);
    packets += 1;
  }
  return packets;
}

function ackAll(congestion: Congestion, packets: number, sentAt: number): void {
  for (let i = 0; i < packets; i++) congestion.acked(MAX_PACKET_BYTES, sentAt, true);
}

test("slow start doubles the window each round trip, up to the limit", () => {
  const congestion = new Congestion();
  for (let round = 0; round < 3; round++) {
    const packets = fill(congestion);
    assert.equal(packets, 10 * 2 ** round);
    ackAll(congestion, packets, round);
  }
  for (let round = 0; round < 20; round++) ackAll(congestion, fill(congestion), 10);
  assert.ok(congestion.window < MAX_WINDOW_BYTES + MAX_PACKET_BYTES);
  assert.ok(congestion.window >= MAX_WINDOW_BYTES);
});

test("a loss halves the window once a round trip, then it grows by a packet each", () => {
  const congestion = new Congestion();
  const packets = fill(congestion);
  congestion.lost(MAX_PACKET_BYTES);
  congestion.congested(1, 100, 150);
  assert.equal(congestion.window, INITIAL / 2);
  congestion.congested(1, 150, 160);
  assert.equal(congestion.window, INITIAL / 2, "sent before the window was halved");
  ackAll(congestion, packets - 1, 120);
  assert.equal(congestion.window, INITIAL / 2, "what was sent before does not make it grow");
  for (let round = 1; round <= 3; round++) {
    const sent = fill(congestion);
    ackAll(congestion, sent, 200);
    assert.equal(congestion.window, INITIAL / 2 + round * MAX_PACKET_BYTES);
  }
  for (let i = 0; i < 10; i++) congestion.congested(1, 300 + i, 300 + i);
  assert.equal(congestion.window, MIN_WINDOW_PACKETS * MAX_PACKET_BYTES);
});

test("a window that is not used does not grow", () => {
  const congestion = new Congestion();
  congestion.sent(500);
  assert.equal(congestion.usedUp, false);
  congestion.acked(500, 0, congestion.usedUp);
  assert.equal(congestion.window, INITIAL);
  congestion.sent(INITIAL / 2 + 1);
  assert.equal(congestion.usedUp, true);
});

test("the window is given back when nothing was lost after all", () => {
  const congestion = new Congestion();
  congestion.congested(2, 100, 150);
  congestion.congested(1, 120, 160);
  congestion.regained(100);
  congestion.regained(100);
  assert.equal(congestion.window, INITIAL / 2);
  congestion.regained(120);
  assert.equal(congestion.window, INITIAL);
  congestion.regained(120);
  assert.equal(congestion.window, INITIAL);
});
