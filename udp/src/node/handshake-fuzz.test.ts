import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import test from "node:test";
import fc from "fast-check";
import { COOKIE_BYTES, isReset, PACKET } from "../handshake/packets.ts";
import { MAX_PACKET_BYTES } from "../limits.ts";
import { ClientHandshake } from "./client-handshake.ts";
import { type DoorAnswer, HandshakeDoor } from "./handshake-door.ts";
import { createServerIdentity } from "./server-identity.ts";
import { newPrivateKey } from "./x25519.ts";

const PATH = "192.0.2.1|40000";
const NOW = 1000;
const identity = createServerIdentity(newPrivateKey());
const door = new HandshakeDoor({ idleTimeoutMs: 30_000 }, { identity, randomBytes });
const newClient = () => new ClientHandshake({ serverKey: identity.publicKey }, { randomBytes });

function packetOf(answer: DoorAnswer): Uint8Array {
  return answer.type === "drop" ? assert.fail(`dropped: ${answer.why}`) : answer.packet;
}
const ask = (packet: Uint8Array, path = PATH) =>
  door.answer(packet, path, NOW, () => ({ type: "new", connectionId: 7 }));

// One handshake, packet by packet.
const client = newClient();
const bare = client.packet;
const retry = packetOf(ask(bare));
client.receive(retry);
const initiate = client.packet;
const accept = packetOf(ask(initiate));
/** The last byte of an initiate that means something: zeros follow. */
const INITIATE_END = 47 + COOKIE_BYTES;

/** What may happen to a packet on its way, or what somebody makes of it. Never nothing. */
function mutated(packet: Uint8Array, end = packet.length): fc.Arbitrary<Uint8Array> {
  const at = fc.nat(end - 1);
  const flipped = fc.tuple(at, fc.integer({ min: 1, max: 255 })).map(([where, bits]) => {
    const changed = packet.slice();
    changed[where] = (changed[where] ?? 0) ^ bits;
    return changed;
  });
  const cut = fc.nat(packet.length - 1).map((length) => packet.slice(0, length));
  const longer = fc
    .uint8Array({ minLength: 1, maxLength: 50 })
    .map((tail) => new Uint8Array([...packet, ...tail]));
  const shifted = fc
    .integer({ min: 1, max: Math.min(50, packet.length - 1) })
    .map((count) => new Uint8Array([...packet.subarray(count), ...packet.subarray(0, count)]));
  return fc.oneof(flipped, cut, longer, shifted);
}

const anyBytes = fc.oneof(
  fc.uint8Array({ maxLength: 100 }),
  fc.uint8Array({ minLength: 1190, maxLength: 1210 }),
);
/** Random bytes behind the first of a packet of each kind, at the lengths where one may be taken. */
const shaped = fc
  .tuple(
    fc.integer({ min: 0, max: 6 }),
    fc.constantFrom(17, 33, 24, 128, 130, MAX_PACKET_BYTES),
    fc.uint8Array({ minLength: MAX_PACKET_BYTES, maxLength: MAX_PACKET_BYTES }),
  )
  .map(([type, length, bytes]) => {
    const packet = bytes.slice(0, length);
    packet[0] = type;
    return packet;
  });
/** Packets with a good beginning and anything behind: what an attacker would send. */
const initiateLike = fc
  .tuple(
    fc.uint8Array({ minLength: 40, maxLength: 40 }),
    fc.constantFrom(0, 24),
    fc.uint8Array({ minLength: 24, maxLength: 24 }),
  )
  .map(([middle, cookieLength, cookie]) => {
    const packet = bare.slice();
    packet.set(middle, 6);
    packet[46] = cookieLength;
    packet.set(cookie, 47);
    return packet;
  });

test("no stranger gets more bytes than it sent, and none without a cookie gets in", () => {
  let sent = 0;
  let answered = 0;
  const stranger = fc.oneof(anyBytes, shaped, initiateLike, mutated(bare), fc.constant(bare));
  fc.assert(
    fc.property(stranger, fc.string(), (packet, path) => {
      const answer = door.answer(packet, path, NOW, () => assert.fail("admit was asked"));
      const out = answer.type === "drop" ? 0 : packetOf(answer).length;
      const resets = door.reset(packet)?.length ?? 0;
      assert.ok(answer.type === "drop" || answer.type === "retry", answer.type);
      assert.ok(out + resets <= packet.length, `${out + resets} bytes for ${packet.length}`);
      sent += packet.length;
      answered += out + resets;
    }),
    { numRuns: 3000 },
  );
  assert.ok(answered > 0 && answered / sent <= 1, `${answered / sent} bytes out per byte in`);
});

test("an initiate with a cookie that was changed anywhere is not taken", () => {
  assert.equal(ask(initiate).type, "accept");
  fc.assert(
    fc.property(mutated(initiate, INITIATE_END), (packet) => {
      const answer = door.answer(packet, PATH, NOW, () => assert.fail("admit was asked"));
      assert.ok(answer.type === "drop" || answer.type === "retry", answer.type);
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.string(), (path) => {
      fc.pre(path !== PATH);
      assert.deepEqual(ask(initiate, path), { type: "drop", why: "bad-cookie" });
    }),
  );
});

test("a cookie that is sent over and over is one attempt", () => {
  const attempts = new Set<string>();
  for (let i = 0; i < 50; i++)
    door.answer(initiate, PATH, NOW + i * 100, (attempt) => {
      attempts.add(attempt);
      return { type: "too-busy" };
    });
  assert.equal(attempts.size, 1);
});

test("nothing but its own server's accept ends a client's handshake", () => {
  const others = packetOf(ask(otherInitiate()));
  const received = fc.oneof(
    anyBytes,
    shaped,
    mutated(retry),
    mutated(accept),
    fc.constant(others),
    fc.constant(initiate),
  );
  fc.assert(
    fc.property(received, (packet) => {
      const { type } = client.receive(packet);
      assert.ok(type === "ignored" || type === "again", type);
      assert.equal(client.packet.length, MAX_PACKET_BYTES);
    }),
    { numRuns: 3000 },
  );
  assert.equal(client.receive(accept).type, "done", "all that left no trace");
});

function otherInitiate(): Uint8Array {
  const other = newClient();
  other.receive(packetOf(ask(other.packet)));
  return other.packet;
}

test("no reset but the one with the token is one", () => {
  const sealed = new Uint8Array(24);
  sealed[0] = PACKET.sealed;
  const reset = door.reset(sealed) ?? assert.fail();
  const token = reset.subarray(1);
  assert.ok(isReset(reset, token));
  fc.assert(
    fc.property(fc.oneof(anyBytes, shaped, mutated(reset)), (packet) => {
      assert.equal(isReset(packet, token), false);
    }),
  );
});
