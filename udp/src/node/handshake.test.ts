import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test from "node:test";
import { connectionIdOf, isReset, PACKET } from "../handshake/packets.ts";
import { INITIATE_TRIES } from "../handshake/times.ts";
import { MAX_PACKET_BYTES } from "../limits.ts";
import type { PacketKeys } from "../packet-keys.ts";
import { ClientHandshake, type HandshakeStep } from "./client-handshake.ts";
import { type Admission, type DoorAnswer, HandshakeDoor } from "./handshake-door.ts";
import { createServerIdentity } from "./server-identity.ts";
import { newPrivateKey } from "./x25519.ts";

const PATH = "192.0.2.1|40000";
const NOW = 5_000_500;
const identity = createServerIdentity(newPrivateKey());
const door = new HandshakeDoor({ idleTimeoutMs: 30_000 }, { identity, randomBytes });
const client = (serverKey: Uint8Array | undefined = identity.publicKey) =>
  new ClientHandshake({ serverKey }, { randomBytes });
const admitted = (connectionId: number) => (): Admission => ({ type: "new", connectionId });
const nobody = (): Admission => assert.fail("admit was asked");

function retryOf(answer: DoorAnswer): Uint8Array {
  assert.equal(answer.type, "retry");
  return answer.type === "retry" ? answer.packet : assert.fail();
}

function acceptOf(answer: DoorAnswer): DoorAnswer & { type: "accept" } {
  return answer.type === "accept" ? answer : assert.fail(`answered with ${answer.type}`);
}

function doneOf(step: HandshakeStep): HandshakeStep & { type: "done" } {
  return step.type === "done" ? step : assert.fail(`step is ${step.type}`);
}

/** A client that has its cookie: its packet is the initiate that would be accepted. */
function withCookie(path = PATH, now = NOW, one = client()): ClientHandshake {
  const retry = retryOf(door.answer(one.packet, path, now, nobody));
  assert.deepEqual(one.receive(retry), { type: "again" });
  return one;
}

function carries(from: PacketKeys, to: PacketKeys): boolean {
  const packet = new Uint8Array(40);
  packet.set([PACKET.sealed, 0, 1, 2, 3]);
  assert.equal(from.seal(0, packet, 2, 24), 40);
  const plain = to.open(0, packet, 2);
  return (
    plain !== undefined && Buffer.from(plain).equals(Buffer.from([1, 2, 3, ...Array(19).fill(0)]))
  );
}

test("client and server come to the same keys and the client to know its connection", () => {
  const one = client();
  assert.equal(one.packet.length, MAX_PACKET_BYTES);
  withCookie(PATH, NOW, one);
  assert.equal(one.packet.length, MAX_PACKET_BYTES);
  const asked: string[] = [];
  const accept = acceptOf(
    door.answer(one.packet, PATH, NOW, (attempt) => {
      asked.push(attempt);
      return { type: "new", connectionId: 0xfedc_ba98_7654 };
    }),
  );
  assert.deepEqual(asked, [accept.attempt]);
  assert.equal(accept.connectionId, 0xfedc_ba98_7654);
  const { keys, resetToken, ...facts } = doneOf(one.receive(accept.packet));
  assert.deepEqual(facts, {
    type: "done",
    connectionId: 0xfedc_ba98_7654,
    idleTimeoutMs: 30_000,
    serverKey: Buffer.from(identity.publicKey),
  });
  assert.ok(carries(keys, accept.keys) && carries(accept.keys, keys));
  assert.ok(!carries(keys, keys), "the directions have different keys");
  const sealed = Uint8Array.from([
    PACKET.sealed,
    0xfe,
    0xdc,
    0xba,
    0x98,
    0x76,
    0x54,
    0,
    ...Array(16),
  ]);
  const reset = door.reset(sealed);
  assert.ok(reset !== undefined && isReset(reset, resetToken));
  assert.deepEqual(one.receive(accept.packet), { type: "ignored" }, "it is over");
});

test("a repeated initiate is the same attempt; from elsewhere or with another key it is another", () => {
  const one = withCookie();
  const first = acceptOf(door.answer(one.packet, PATH, NOW, admitted(1)));
  const again = door.answer(one.packet, PATH, NOW + 9000, (attempt) => {
    assert.equal(attempt, first.attempt);
    return { type: "repeat", accept: first.packet };
  });
  assert.deepEqual(again, { type: "repeat", packet: first.packet });
  const late = door.answer(one.packet, PATH, NOW, () => ({ type: "late" }));
  assert.deepEqual(late, { type: "drop", why: "late" }, "the client was heard since");
  assert.equal(one.receive(first.packet).type, "done");

  const stranger = client();
  const stolen = stranger.packet.slice();
  stolen.set(one.packet.subarray(0, 14));
  const cookie = retryOf(door.answer(stolen, PATH, NOW, nobody)).subarray(9);
  stolen[46] = 24;
  stolen.set(cookie, 47);
  const other = acceptOf(door.answer(stolen, PATH, NOW, admitted(2)));
  assert.notEqual(other.attempt, first.attempt, "same client id, other key");

  const copied = one.packet.slice();
  copied.fill(0, 46);
  const elsewhere = "192.0.2.9|7";
  const theirs = retryOf(door.answer(copied, elsewhere, NOW, nobody)).subarray(9);
  copied[46] = 24;
  copied.set(theirs, 47);
  const replayed = acceptOf(door.answer(copied, elsewhere, NOW, admitted(3)));
  assert.notEqual(replayed.attempt, first.attempt, "same initiate, other path");
});

test("a cookie is good for ten seconds, at its path, with its key and client id", () => {
  const one = withCookie();
  const answers = (packet: Uint8Array, path: string, now: number) => {
    let asked = false;
    const answer = door.answer(packet, path, now, () => {
      asked = true;
      return { type: "too-busy" };
    });
    return answer.type === "drop" ? `${answer.why}${asked ? " asked" : ""}` : answer.type;
  };
  assert.equal(answers(one.packet, PATH, NOW), "too-busy asked");
  assert.equal(answers(one.packet, PATH, NOW + 10_000), "too-busy asked");
  assert.equal(answers(one.packet, PATH, NOW + 11_000), "bad-cookie");
  assert.equal(answers(one.packet, PATH, NOW - 1000), "bad-cookie", "not made yet");
  assert.equal(answers(one.packet, "192.0.2.1|40001", NOW), "bad-cookie");
  for (const at of [6, 13, 14, 45, 47, 50, 51, 70]) {
    const changed = one.packet.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    assert.equal(answers(changed, PATH, NOW), "bad-cookie", `byte ${at}`);
  }
  const otherDoor = new HandshakeDoor({ idleTimeoutMs: 1 }, { identity, randomBytes });
  const answer = otherDoor.answer(one.packet, PATH, NOW, nobody);
  assert.deepEqual(answer, { type: "drop", why: "bad-cookie" }, "another process's secret");
});

test("cookies outlast the clock's 32 bits of seconds", () => {
  const late = 2 ** 32 * 1000 - 500;
  const one = withCookie(PATH, late);
  assert.equal(door.answer(one.packet, PATH, late + 5000, admitted(1)).type, "accept");
});

test("another version and what is no initiate are dropped with the reason", () => {
  const { packet } = client();
  const changed = (at: number, value: number) => {
    const copy = packet.slice();
    copy[at] = value;
    return door.answer(copy, PATH, NOW, nobody);
  };
  assert.deepEqual(changed(5, 2), { type: "drop", why: "version" });
  for (const [at, value] of [
    [0, 2],
    [1, 0],
    [4, 0],
    [46, 1],
    [46, 23],
    [46, 25],
  ] as const)
    assert.deepEqual(changed(at, value), { type: "drop", why: "malformed" }, `byte ${at}`);
  for (const length of [0, 1, 47, 1199]) {
    const answer = door.answer(packet.slice(0, length), PATH, NOW, nobody);
    assert.deepEqual(answer, { type: "drop", why: "malformed" }, `${length} bytes`);
  }
  const longer = new Uint8Array(1201);
  longer.set(packet);
  assert.deepEqual(door.answer(longer, PATH, NOW, nobody), { type: "drop", why: "malformed" });
});

test("a client's key of low order is dropped", () => {
  const { packet } = client();
  const low = packet.slice();
  low.fill(0, 14, 46);
  const cookie = retryOf(door.answer(low, PATH, NOW, nobody)).subarray(9);
  low[46] = 24;
  low.set(cookie, 47);
  assert.deepEqual(door.answer(low, PATH, NOW, admitted(1)), { type: "drop", why: "malformed" });
});

test("a server with another key than the pinned one is told apart, any is taken without a pin", () => {
  const pinned = withCookie(PATH, NOW, client(createServerIdentity(newPrivateKey()).publicKey));
  const accept = acceptOf(door.answer(pinned.packet, PATH, NOW, admitted(1)));
  assert.deepEqual(pinned.receive(accept.packet), {
    type: "wrong-key",
    serverKey: Buffer.from(identity.publicKey),
  });
  assert.deepEqual(pinned.receive(accept.packet), { type: "ignored" }, "it broke off");

  const trusting = new ClientHandshake({ serverKey: undefined }, { randomBytes });
  withCookie(PATH, NOW, trusting);
  const welcome = acceptOf(door.answer(trusting.packet, PATH, NOW, admitted(1)));
  assert.equal(trusting.receive(welcome.packet).type, "done");
});

test("a client takes no answer that is for another, and no endless row of cookies", () => {
  const one = client();
  const other = withCookie();
  const accept = acceptOf(door.answer(other.packet, PATH, NOW, admitted(1)));
  assert.deepEqual(one.receive(accept.packet), { type: "ignored" });
  const foreign = retryOf(door.answer(client().packet, PATH, NOW, nobody));
  assert.deepEqual(one.receive(foreign), { type: "ignored" });
  const retryAt = (now: number) => retryOf(door.answer(one.packet, PATH, now, nobody));
  const plain = one.packet;
  const steps: string[] = [];
  for (let i = 0; i <= INITIATE_TRIES; i++) {
    const retry = retryOf(door.answer(plain, PATH, NOW + i * 1000, nobody));
    steps.push(one.receive(retry).type, one.receive(retry).type);
  }
  const taken = Array(INITIATE_TRIES).fill(["again", "ignored"]).flat();
  assert.deepEqual(steps, [...taken, "ignored", "ignored"]);
  assert.throws(() => retryAt(NOW), "its packet has a cookie now");
});

test("reset tokens outlive a restart, differ by connection and node, and go out for sealed packets only", () => {
  const privateKey = newPrivateKey();
  const doorOf = (node?: string) =>
    new HandshakeDoor(
      { idleTimeoutMs: 1, ...(node === undefined ? {} : { node }) },
      { identity: createServerIdentity(privateKey), randomBytes },
    );
  const sealed = (connectionId: number, length = 24) => {
    const packet = new Uint8Array(length);
    packet.set([PACKET.sealed, 0, 0, 0, 0, 0, connectionId]);
    return packet;
  };
  const token = (node: string | undefined, connectionId: number) =>
    Buffer.from(doorOf(node).reset(sealed(connectionId)) ?? assert.fail()).toString("hex");
  assert.equal(token("a", 1), token("a", 1));
  assert.equal(new Set([token("a", 1), token("a", 2), token("b", 1), token(undefined, 1)]).size, 4);
  for (let length = 0; length < 24; length++)
    assert.equal(doorOf().reset(new Uint8Array(length).fill(PACKET.sealed)), undefined);
  assert.equal(doorOf().reset(client().packet), undefined);
  assert.equal(connectionIdOf(sealed(9)), 9);
  assert.equal(isReset(doorOf().reset(sealed(1)) ?? assert.fail(), new Uint8Array(16)), false);
  assert.equal(isReset(new Uint8Array(16), new Uint8Array(16)), false);
});
