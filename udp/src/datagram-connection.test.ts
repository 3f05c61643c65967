import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter } from "@atlasnet/world";
import fc from "fast-check";
import {
  CLIENT_ACK_DELAY_MS,
  CLOSE_INTERVAL_MS,
  CLOSING_MS,
  MAX_PACKETS_IN_FLIGHT,
  MAX_REASON_BYTES,
  MAX_UPDATES_BYTES,
  PACKETS_PER_KEY,
  SERVER_ACK_DELAY_MS,
} from "./limits.ts";
import {
  FRAME_ACK,
  FRAME_CHALLENGE,
  FRAME_CLOSE,
  FRAME_INPUTS,
  FRAME_PING,
  FRAME_RESPONSE,
  FRAME_STATE,
  FRAME_STREAM,
} from "./packet/frames.ts";
import { CraftedPeer, firstFrame, streamFrame } from "./testing/crafted-peer.ts";
import { testItem } from "./testing/simulated-pair.ts";

const HELLO = testItem(1, 0);
const WELCOME = testItem(5, 0);
const INPUT = Uint8Array.of(0x84, 5, 1);

function join(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

function inputFrame(hellos: number, serial: number): number[] {
  return [FRAME_INPUTS, hellos, serial, 1, INPUT.length, ...INPUT];
}

function state(peer: CraftedPeer): unknown {
  const { wakeAt, backlogBytes, rttMs, closing } = peer.connection;
  return [
    peer.items.length,
    peer.failures,
    peer.closes,
    peer.packets.length,
    wakeAt,
    backlogBytes,
    rttMs,
    closing,
  ];
}

test("forged, damaged, repeated and truncated packets are dropped and change nothing", () => {
  const peer = new CraftedPeer({ role: "server" });
  peer.give(streamFrame(0, HELLO));
  peer.connection.send(WELCOME);
  peer.flush();
  const frames = join(streamFrame(7, testItem(2, 1)), [FRAME_ACK, 0, 0, 0, 0]);
  const genuine = peer.seal(frames);
  const before = state(peer);
  const refuse = (packet: Uint8Array): void => {
    assert.equal(peer.connection.receive(packet, "second", peer.now), false);
    assert.deepEqual(state(peer), before);
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 1500 }), refuse));
  for (let length = 0; length < genuine.length; length++) refuse(genuine.subarray(0, length));
  refuse(join(genuine, [0]));
  // The connection id is the owner's to look at, but it is authenticated like all the rest.
  for (let bit = 0; bit < genuine.length * 8; bit++)
    refuse(genuine.with(bit >> 3, (genuine[bit >> 3] ?? 0) ^ (1 << (bit & 7))));
  refuse(peer.seal(frames, 2 * PACKETS_PER_KEY));
  assert.equal(peer.connection.stats.packetsIn, 1);
  assert.ok(peer.connection.stats.packetsRefused > 400);

  assert.equal(peer.connection.receive(genuine, "first", peer.now), true);
  assert.equal(peer.items.length, 2);
  const repeated = peer.connection.stats.packetsRepeated;
  assert.equal(peer.connection.receive(genuine, "first", peer.now), false);
  assert.equal(peer.items.length, 2);
  assert.equal(peer.connection.stats.packetsRepeated, repeated + 1);
});

test("whatever frames a peer makes up, the connection fails or goes on", () => {
  const varint = fc.oneof(fc.nat(40), fc.nat(300), fc.maxSafeNat()).map((value) => {
    const bytes = [];
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
    return [...bytes, rest];
  });
  const part = fc.oneof(varint, fc.array(fc.nat(255), { maxLength: 30 }));
  const frame = fc
    .tuple(fc.nat(9), fc.array(part, { maxLength: 5 }))
    .map(([type, parts]) => [type, ...parts.flat()]);
  const packets = fc.array(
    fc.array(frame, { maxLength: 4 }).map((frames) => frames.flat().slice(0, 1100)),
    { maxLength: 12 },
  );
  for (const role of ["client", "server"] as const) {
    fc.assert(
      fc.property(packets, (given) => {
        const peer = new CraftedPeer({ role, maxItemBytes: 100 });
        peer.give(role === "server" ? streamFrame(0, HELLO) : streamFrame(0, WELCOME));
        peer.connection.send(role === "server" ? WELCOME : HELLO);
        peer.flush();
        for (const frames of given) {
          assert.equal(peer.give(frames), true);
          peer.flush();
          peer.now += 30;
          if (peer.connection.wakeAt <= peer.now) peer.connection.wake(peer.now);
          if (peer.failures.length > 0 && !peer.connection.closing) peer.connection.close(1, "bad");
        }
        assert.ok(peer.failures.length <= 1);
        assert.ok(peer.failures.every((code) => code === "bad-message" || code === "too-large"));
        assert.ok(peer.packets.length <= 3 * given.length + 3, "answers grow without bound");
      }),
      { numRuns: 300 },
    );
  }
});

test("frames that are malformed or not for this side end the connection", () => {
  const bad: ["client" | "server", readonly number[]][] = [
    ["server", [0x09]],
    ["server", [0x00]],
    ["server", [FRAME_STREAM, 0, 5, 1]],
    ["server", [FRAME_STATE, 0, 1, 1]],
    ["server", [FRAME_CHALLENGE, 1, 2, 3, 4, 5, 6, 7, 8]],
    ["server", [FRAME_RESPONSE, 1, 2, 3]],
    ["server", [FRAME_ACK, 0, 0, 0, 0]],
    ["server", [FRAME_CLOSE, 1, 2, 0xff, 0xff]],
    ["client", [FRAME_RESPONSE, 1, 2, 3, 4, 5, 6, 7, 8]],
    ["client", inputFrame(1, 1)],
    ["client", [FRAME_STATE, 0, 0x80]],
  ];
  for (const [role, frames] of bad) {
    const peer = new CraftedPeer({ role });
    assert.equal(peer.give(frames), true);
    assert.deepEqual(peer.failures, ["bad-message"], `${role} ${frames.join()}`);
    peer.give(streamFrame(0, HELLO));
    assert.equal(peer.items.length, 0, "nothing is handed out after a failure");
    assert.equal(peer.connection.wakeAt, Number.POSITIVE_INFINITY);
  }
});

test("items that are too large end the connection, in the stream and as inputs", () => {
  const peer = new CraftedPeer({ role: "server", maxItemBytes: 50 });
  peer.give(streamFrame(0, testItem(2, 0, 10), testItem(2, 1, 100)));
  assert.equal(peer.items.length, 1);
  assert.deepEqual(peer.failures, ["too-large"]);
  const other = new CraftedPeer({ role: "server", maxItemBytes: 50 });
  other.give(streamFrame(0, HELLO));
  other.connection.send(WELCOME);
  other.give([FRAME_INPUTS, 1, 1, 1, 60, ...INPUT, ...new Array<number>(57).fill(0)]);
  assert.deepEqual(other.failures, ["too-large"]);
});

test("one packet carries an ack, updates and the stream", () => {
  const peer = new CraftedPeer({ role: "server" });
  peer.give(streamFrame(0, HELLO));
  peer.connection.send(WELCOME);
  peer.connection.sendFrames(Uint8Array.of(2, 7, 7, 1, 8));
  peer.connection.sendUpdates(new Uint8Array(300).fill(9), 1);
  assert.equal(peer.dirty, 1);
  peer.flush();
  const [packet, ...more] = peer.sent();
  assert.deepEqual(more, []);
  assert.deepEqual(
    packet?.frames,
    join(
      [FRAME_ACK, 0, 0, 0, 0],
      [FRAME_STATE, 1, 0xac, 0x02],
      new Uint8Array(300).fill(9),
      [FRAME_STREAM, 0, 12, WELCOME.length],
      WELCOME,
      [2, 7, 7, 1, 8],
    ),
  );
  peer.flush();
  assert.deepEqual(peer.sent(), [], "once");
  assert.throws(
    () => peer.connection.sendUpdates(new Uint8Array(MAX_UPDATES_BYTES + 1), 1),
    /at most/,
  );
});

test("a lone ack waits for its delay, and the owner is told of four packets", () => {
  const peer = new CraftedPeer({ role: "server" });
  peer.give([FRAME_PING]);
  peer.flush();
  assert.deepEqual(peer.sent(), []);
  assert.equal(peer.connection.wakeAt, 1100);
  peer.now = 1100;
  peer.connection.wake(peer.now);
  assert.deepEqual(
    peer.sent().map(({ frames }) => [...frames]),
    [[FRAME_ACK, 0, 0xe8, 0x07, 0, 0]],
  );
  assert.equal(peer.connection.wakeAt, Number.POSITIVE_INFINITY);
  for (let i = 0; i < 4; i++) peer.give([FRAME_PING]);
  assert.equal(peer.dirty, 1);
  peer.flush();
  assert.equal(peer.sent().length, 1);
});

test("updates that the window has no room for are reported by the flush, and lost ones by the ack", () => {
  const peer = new CraftedPeer({ role: "server" });
  const packed = new Uint8Array(MAX_UPDATES_BYTES);
  for (let i = 0; i < 20; i++) peer.connection.sendUpdates(packed, i);
  assert.deepEqual(peer.lostUpdates, []);
  peer.flush();
  const sent = peer.sent();
  assert.ok(sent.length >= 10 && sent.length <= 11, `${sent.length} packets`);
  assert.deepEqual(
    peer.lostUpdates,
    Array.from({ length: 20 - sent.length }, (_, i) => i + sent.length),
  );
  peer.lostUpdates.length = 0;
  peer.now += 50;
  peer.give([FRAME_ACK, 4, 0, 1, 1, 0, 0]);
  assert.deepEqual(peer.lostUpdates, [0], "packet 2 is not three behind");
  assert.equal(peer.connection.stats.packetsLost, 1);
});

test("updates that stay without an ack are reported when the probe is due, and once", () => {
  const peer = new CraftedPeer({ role: "server" });
  peer.connection.sendUpdates(Uint8Array.of(1), 7);
  peer.flush();
  assert.deepEqual(peer.lostUpdates, []);
  const probeAt = peer.connection.wakeAt;
  peer.now = probeAt;
  peer.connection.wake(probeAt);
  assert.deepEqual(peer.lostUpdates, [7]);
  assert.deepEqual(
    peer.sent().map(({ frames }) => frames[0]),
    [FRAME_STATE, FRAME_PING],
  );
  peer.now += 50;
  peer.give([FRAME_ACK, 1, 0, 0, 0]);
  assert.equal(peer.connection.stats.packetsLost, 1);
  assert.deepEqual(peer.lostUpdates, [7]);
});

test("a side that only acknowledges asks for an ack when its own get long", () => {
  const peer = new CraftedPeer({ role: "client" });
  const asked = (): boolean[] => {
    peer.flush();
    return peer.sent().map(({ frames }) => frames.at(-1) === FRAME_PING);
  };
  const ping = (number: number): boolean =>
    peer.connection.receive(peer.seal(Uint8Array.of(FRAME_PING), number), "", peer.now);
  for (let number = 1; number <= 15; number += 2) {
    ping(number);
    assert.deepEqual(asked(), [false]);
  }
  ping(17);
  assert.deepEqual(asked(), [true]);
  ping(19);
  assert.deepEqual(asked(), [false], "one is under way");
  peer.connection.receive(peer.seal(Uint8Array.of(FRAME_ACK, 8, 0, 0, 0), 21), "", peer.now);
  ping(23);
  peer.flush();
  // Those up to 17 were in the ack that came.
  assert.deepEqual([...(peer.sent()[0]?.frames ?? [])], [FRAME_ACK, 23, 0, 0, 2, 0, 0, 0, 0]);
});

test("hellos and welcomes decide which inputs and updates are handed out", () => {
  const server = new CraftedPeer({ role: "server" });
  const handed = (): number => server.items.filter((item) => item.length === INPUT.length).length;
  server.give(streamFrame(0, HELLO));
  server.give(inputFrame(1, 1));
  assert.equal(handed(), 0);
  server.connection.send(WELCOME);
  server.give(inputFrame(1, 1));
  assert.equal(handed(), 1);
  server.give(streamFrame(7, HELLO));
  server.give(inputFrame(1, 2));
  server.give(inputFrame(2, 3));
  assert.equal(handed(), 1);
  server.connection.send(WELCOME);
  server.give(inputFrame(2, 3));
  assert.equal(handed(), 2);
  server.connection.sendUpdates(Uint8Array.of(1), 1);
  server.flush();
  const [packet] = server.sent();
  assert.ok(packet !== undefined);
  assert.deepEqual([...packet.frames].slice(5, 9), [FRAME_STATE, 2, 1, 1]);

  const client = new CraftedPeer({ role: "client" });
  client.give([FRAME_STATE, 1, 1, 7]);
  assert.deepEqual(client.items, []);
  client.give(streamFrame(0, WELCOME));
  assert.deepEqual(client.items, [WELCOME, Uint8Array.of(0x82, 10, 0x41, 7)]);
});

test("while paused nothing is handed out, and what is passed over stays unacknowledged", () => {
  const peer = new CraftedPeer({ role: "client" });
  peer.give(streamFrame(0, WELCOME));
  peer.onItem = () => peer.connection.pause();
  peer.give(streamFrame(7, testItem(2, 1), testItem(2, 2), testItem(2, 3)));
  assert.equal(peer.items.length, 2);
  peer.give([FRAME_STATE, 1, 1, 7]);
  peer.give(streamFrame(28, testItem(2, 4)));
  assert.equal(peer.items.length, 2);
  assert.equal(peer.connection.stats.packetsUnkept, 1);
  peer.onItem = () => {};
  peer.connection.resume();
  assert.deepEqual(
    peer.items.slice(1),
    [1, 2, 3, 4].map((i) => testItem(2, i)),
  );
  peer.flush();
  const [packet] = peer.sent();
  assert.deepEqual([...(packet?.frames ?? [])].slice(0, 1), [FRAME_ACK]);
  assert.deepEqual(
    [...(packet?.frames ?? [])].slice(3),
    [0, 1, 0, 1],
    "3, then not 2, then 1 and 0",
  );
});

test("items may be refused or answered while they are handed out", () => {
  const peer = new CraftedPeer({ role: "server" });
  peer.onItem = () => peer.connection.close(4001, "enough");
  peer.give(streamFrame(0, HELLO, testItem(2, 1)));
  assert.equal(peer.items.length, 1);
  assert.equal(peer.connection.closing, true);
  const [packet] = peer.sent();
  assert.equal(firstFrame(packet?.frames ?? new Uint8Array(1)), FRAME_CLOSE);
});

test("a close goes out at once, and answers what comes for a while", () => {
  const peer = new CraftedPeer({ role: "server" });
  peer.connection.send(HELLO);
  peer.connection.close(4000, "ä".repeat(1000));
  const [close, ...more] = peer.packets.splice(0);
  assert.deepEqual(more, []);
  assert.ok(close !== undefined && close.packet.length < MAX_REASON_BYTES + 40);
  const dirty = peer.dirty;
  peer.connection.send(HELLO);
  peer.connection.sendUpdates(Uint8Array.of(1), 1);
  peer.connection.close(1, "again");
  peer.flush();
  peer.connection.wake(peer.now);
  assert.deepEqual([peer.packets.length, peer.dirty], [0, dirty]);
  assert.equal(peer.connection.wakeAt, Number.POSITIVE_INFINITY);
  peer.give(streamFrame(0, HELLO), "elsewhere");
  peer.give(streamFrame(0, HELLO));
  assert.deepEqual(peer.packets.splice(0), [close], "not more often than at intervals");
  peer.now += CLOSE_INTERVAL_MS;
  peer.give(streamFrame(0, HELLO));
  assert.deepEqual(peer.packets.splice(0), [close]);
  assert.equal(peer.connection.receive(new Uint8Array(60).fill(4), "first", peer.now), false);
  peer.now += CLOSING_MS + 1;
  peer.give(streamFrame(0, HELLO));
  assert.equal(peer.packets.length, 0);
  assert.equal(peer.items.length, 0);

  const client = new CraftedPeer({ role: "client" });
  client.give(join([FRAME_CLOSE, 0xa0, 0x1f, 2, 0x68, 0x69], streamFrame(0, WELCOME)));
  assert.deepEqual(client.closes, ["4000 hi"]);
  client.connection.send(HELLO);
  client.flush();
  client.give(streamFrame(0, WELCOME));
  assert.deepEqual([client.items.length, client.packets.length], [0, 0]);
});

test("a new address is challenged, and used when it answers", () => {
  const peer = new CraftedPeer({ role: "server" });
  peer.give([FRAME_PING]);
  peer.give(join([FRAME_PING], streamFrame(0, HELLO)), "second");
  peer.connection.send(WELCOME);
  peer.flush();
  const sent = peer.sent();
  assert.deepEqual(
    sent.map(({ path, frames }) => [path, frames[0]]),
    [
      ["second", FRAME_CHALLENGE],
      ["first", FRAME_ACK],
    ],
  );
  const challenge = sent[0]?.frames.subarray(1) ?? new Uint8Array(8);
  peer.give(join([FRAME_RESPONSE], challenge.with(0, 0)), "second");
  peer.give(join([FRAME_RESPONSE], challenge), "third");
  assert.deepEqual(peer.moves, []);
  // A ping alone is smaller than a challenge, and the new address gets no more than came from it.
  peer.give([FRAME_PING], "second");
  peer.now += 1000;
  peer.flush();
  assert.ok(peer.sent().every(({ path }) => path === "first"));
  peer.give([FRAME_PING], "second");
  peer.flush();
  const [again] = peer.sent();
  peer.give(join([FRAME_RESPONSE], again?.frames.subarray(1) ?? []), "second");
  assert.deepEqual(peer.moves, ["second"]);
  peer.flush();
  const after = peer.sent();
  assert.ok(after.length > 0 && after.every(({ path }) => path === "second"));
  assert.ok(
    after.some(({ frames }) => frames.length > 12),
    "what was in flight goes to the new address as a probe",
  );
});

test("a client answers a challenge with the next flush", () => {
  const peer = new CraftedPeer({ role: "client" });
  peer.give([FRAME_CHALLENGE, 1, 2, 3, 4, 5, 6, 7, 8]);
  assert.equal(peer.dirty, 1);
  peer.flush();
  assert.deepEqual(
    peer.sent().map(({ frames }) => [...frames]),
    [[FRAME_ACK, 0, 0, 0, 0, FRAME_RESPONSE, 1, 2, 3, 4, 5, 6, 7, 8]],
  );
});

test("a burst is bounded, and the rest follows", () => {
  const peer = new CraftedPeer({ role: "server" });
  // The window grows until it is no longer what bounds a flush.
  let number = 0;
  for (let round = 0; round < 6; round++) {
    peer.connection.sendFrames(new Uint8Array(60_000));
    for (let bursts = 0; bursts < 6; bursts++) {
      peer.flush();
      const sent = peer.sent();
      assert.ok(sent.length <= 16, `${sent.length} packets in one flush`);
      number = Math.max(number, ...sent.map((packet) => packet.number));
      if (peer.connection.wakeAt <= peer.now + 20) peer.now = peer.connection.wakeAt;
    }
    peer.now += 20;
    const largest = [];
    for (let rest = number; ; rest = Math.floor(rest / 128)) {
      if (rest < 128) {
        largest.push(rest);
        break;
      }
      largest.push((rest % 128) | 128);
    }
    peer.give([FRAME_ACK, ...largest, 0, ...largest, 0]);
  }
  assert.ok(number > 100, "the stream went on");
});

test("many small messages do not wait for the pace", () => {
  const peer = new CraftedPeer({ role: "server" });
  for (let i = 0; i < 60; i++) {
    peer.connection.send(testItem(2, i));
    peer.flush();
  }
  assert.equal(peer.sent().length, 60);
});

test("a peer that grew the window and acknowledges nothing holds a bounded number of packets in flight", () => {
  const peer = new CraftedPeer({ role: "server" });
  const { connection } = peer;
  const ackAll = (): void => {
    const largest = peer.sent().at(-1)?.number ?? 0;
    const ack = new ByteWriter();
    for (const value of [FRAME_ACK, largest, 0, largest, 0]) ack.varint(value);
    peer.give(ack.finish());
  };
  for (let i = 0; i < 400; i++) {
    connection.sendFrames(new Uint8Array(16 * 1024));
    peer.now += 20;
    peer.flush();
    ackAll();
  }
  peer.packets.length = 0;
  const updates = 2 * MAX_PACKETS_IN_FLIGHT;
  for (let i = 0; i < updates; i++) {
    connection.sendUpdates(Uint8Array.of(1), i);
    peer.flush();
  }
  assert.equal(peer.packets.length, MAX_PACKETS_IN_FLIGHT);
  assert.equal(peer.lostUpdates.length, updates - MAX_PACKETS_IN_FLIGHT);
  peer.now = connection.wakeAt;
  connection.wake(peer.now);
  assert.ok(peer.packets.length > MAX_PACKETS_IN_FLIGHT, "probes go on");
  ackAll();
  connection.sendUpdates(Uint8Array.of(1), 1);
  peer.flush();
  assert.equal(peer.packets.length, 1);
});

test("a second ack in one packet ends the connection", () => {
  const peer = new CraftedPeer({ role: "server" });
  peer.connection.send(WELCOME);
  peer.flush();
  const ack = [FRAME_ACK, 0, 0, 0, 0];
  peer.give(ack);
  peer.give(ack);
  assert.deepEqual(peer.failures, []);
  peer.give([...ack, ...ack]);
  assert.deepEqual(peer.failures, ["bad-message"]);
});

test("a ping is answered, and is no smaller than the challenge that it may cause", () => {
  const client = new CraftedPeer({ role: "client" });
  client.connection.ping();
  assert.equal(client.dirty, 1);
  client.flush();
  const [ping, ...more] = client.packets;
  assert.deepEqual(more, []);
  assert.ok(ping !== undefined);
  const server = new CraftedPeer({ role: "server" });
  // The header of the crafted peers is the same, so one takes the packets of the other.
  assert.equal(server.connection.receive(ping.packet, "second", server.now), true);
  assert.equal(server.dirty, 1);
  server.flush();
  const [challenge] = server.packets;
  assert.equal(challenge?.path, "second");
  assert.ok((challenge?.packet.length ?? 99) <= ping.packet.length);
  assert.ok(server.connection.wakeAt <= server.now + SERVER_ACK_DELAY_MS, "an ack is due");
});

test("a peer that acknowledges nothing gets few probes, whenever it speaks", () => {
  const seconds = 20;
  const probesOf = (speaks: (ms: number) => boolean): number => {
    const peer = new CraftedPeer({ role: "server" });
    peer.give(streamFrame(0, HELLO));
    peer.connection.send(WELCOME);
    peer.flush();
    for (let ms = 0; ms < seconds * 1000; ms += 10) {
      peer.now += 10;
      if (speaks(ms)) peer.give(inputFrame(1, 1));
      if (peer.connection.wakeAt <= peer.now) peer.connection.wake(peer.now);
    }
    return peer.connection.stats.probes;
  };
  const ofSilence = probesOf(() => false);
  assert.ok(ofSilence > 5);
  assert.equal(ofSilence, probesOf(always), "speaking all the time is worth nothing");
  // The most comes of speaking whenever the backoff has begun.
  let most = 0;
  for (let every = 20; every <= 1000; every += 20)
    most = Math.max(
      most,
      probesOf((ms) => ms % every === 0),
    );
  assert.ok(most > ofSilence);
  const leastTimeoutMs = CLIENT_ACK_DELAY_MS;
  assert.ok(most <= (seconds * 1000) / leastTimeoutMs, `${most} probes`);
});

function always(): boolean {
  return true;
}
