import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteReader, DecodeError } from "@atlasnet/world";
import { newDatagramStats } from "../datagram-stats.ts";
import { INPUT_REPEAT_MS, MAX_INPUTS_PER_PACKET } from "../limits.ts";
import { FRAME_INPUTS } from "../packet/frames.ts";
import { PacketArena } from "../packet/packet-arena.ts";
import { PacketWriter } from "../packet/packet-writer.ts";
import { openKeys } from "../testing/open-keys.ts";
import { InputIntake } from "./input-intake.ts";
import { InputSender } from "./input-sender.ts";

function input(value: number, bytes = 3): Uint8Array {
  return new Uint8Array(bytes).fill(value).with(0, 0x84).with(1, 5);
}

/** The frames of one packet, without a head. */
function packet(sender: InputSender, hellos: number, now: number): Uint8Array {
  const writer = new PacketWriter(new PacketArena());
  writer.begin(0, undefined);
  sender.write(writer, hellos, now);
  return openKeys.open(0, writer.end(0, openKeys), 2);
}

function receiver(): {
  intake: InputIntake;
  taken: number[];
  stats: ReturnType<typeof newDatagramStats>;
} {
  const stats = newDatagramStats();
  const taken: number[] = [];
  const intake = new InputIntake((item) => {
    taken.push(item[2] ?? -1);
    return true;
  }, stats);
  return { intake, taken, stats };
}

function read(intake: InputIntake, frame: Uint8Array, open = true): void {
  const reader = new ByteReader(frame);
  if (reader.remaining === 0) return;
  assert.equal(reader.u8(), FRAME_INPUTS);
  intake.read(reader, open);
  reader.end();
}

function joined(): ReturnType<typeof receiver> {
  const server = receiver();
  server.intake.hello();
  server.intake.welcome();
  return server;
}

test("an input goes into three packets, in order with the others", () => {
  const sender = new InputSender(newDatagramStats());
  const packets = [];
  for (let i = 1; i <= 5; i++) {
    sender.push(input(i));
    assert.ok(sender.fresh);
    packets.push(packet(sender, 1, 30 * i));
    assert.ok(!sender.fresh);
  }
  for (const lost of [[], [0, 1], [2, 3], [1, 2]]) {
    const server = joined();
    for (const [i, bytes] of packets.entries()) if (!lost.includes(i)) read(server.intake, bytes);
    assert.deepEqual(server.taken, [1, 2, 3, 4, 5]);
  }
  packet(sender, 1, 200);
  packet(sender, 1, 200);
  assert.equal(packet(sender, 1, 200).length, 0, "all were repeated often enough");
});

test("an input is taken once, and never behind a newer one", () => {
  const sender = new InputSender(newDatagramStats());
  sender.push(input(1));
  const first = packet(sender, 1, 0);
  sender.push(input(2));
  const second = packet(sender, 1, 0);
  const server = joined();
  read(server.intake, second);
  read(server.intake, first);
  read(server.intake, second);
  assert.deepEqual(server.taken, [1, 2]);
  assert.equal(server.stats.inputsDuplicate, 3);
});

test("inputs of an earlier hello, and inputs before a welcome, are dropped", () => {
  const sender = new InputSender(newDatagramStats());
  sender.push(input(1));
  const frame = packet(sender, 1, 0);
  const server = receiver();
  read(server.intake, frame);
  server.intake.hello();
  read(server.intake, frame);
  assert.deepEqual(server.taken, []);
  server.intake.welcome();
  read(server.intake, frame);
  assert.deepEqual(server.taken, [1], "a copy that came behind the welcome");
  sender.push(input(2));
  const late = packet(sender, 1, 0);
  server.intake.hello();
  server.intake.welcome();
  read(server.intake, late);
  assert.deepEqual(server.taken, [1]);
  assert.equal(server.stats.inputsOutdated, 4);
});

test("while nothing may be handed out, inputs wait for their repeats", () => {
  const sender = new InputSender(newDatagramStats());
  sender.push(input(1));
  const server = joined();
  read(server.intake, packet(sender, 1, 0), false);
  assert.deepEqual(server.taken, []);
  read(server.intake, packet(sender, 1, 0));
  assert.deepEqual(server.taken, [1]);
});

test("the last input is repeated by a packet of its own once", () => {
  const sender = new InputSender(newDatagramStats());
  sender.push(input(1));
  packet(sender, 1, 1000);
  assert.equal(sender.repeatAt, 1000 + INPUT_REPEAT_MS);
  packet(sender, 1, 1025);
  assert.equal(sender.repeatAt, Number.POSITIVE_INFINITY);
  // In a steady row the next input is the repeat.
  for (const now of [2000, 2080]) {
    sender.push(input(2));
    packet(sender, 1, now);
  }
  assert.equal(sender.repeatAt, 2180);
});

test("newer inputs displace those that no packet carried", () => {
  const stats = newDatagramStats();
  const sender = new InputSender(stats);
  for (let i = 1; i <= 10; i++) sender.push(input(i));
  const server = joined();
  read(server.intake, packet(sender, 1, 0));
  assert.deepEqual(server.taken, [3, 4, 5, 6, 7, 8, 9, 10]);
  assert.equal(stats.inputsDisplaced, 2);
  sender.clear();
  assert.equal(packet(sender, 2, 0).length, 0);
  sender.push(input(11));
  server.intake.hello();
  server.intake.welcome();
  read(server.intake, packet(sender, 2, 0));
  assert.equal(server.taken.at(-1), 11);
});

test("large inputs go in as many as fit, the newest first", () => {
  const sender = new InputSender(newDatagramStats());
  for (let i = 1; i <= 5; i++) sender.push(input(i, 500));
  const server = joined();
  read(server.intake, packet(sender, 1, 0));
  assert.deepEqual(server.taken, [4, 5]);
});

test("malformed inputs frames are refused", () => {
  const item = [3, 0x84, 5, 1];
  for (const bytes of [
    [1, 1, 0],
    [1, MAX_INPUTS_PER_PACKET + 1, MAX_INPUTS_PER_PACKET + 1, ...item],
    [1, 1, 2, ...item, ...item],
    [1, 1, 1, 3, 0x82, 1, 1],
    [1, 1, 1, 1, 0x84],
    [1, 1, 1, 0],
    [1, 1, 1, 9, 0x84, 5],
  ]) {
    const { intake } = joined();
    assert.throws(() => intake.read(new ByteReader(Uint8Array.from(bytes)), true), DecodeError);
  }
});
