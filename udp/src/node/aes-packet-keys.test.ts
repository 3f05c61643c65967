import assert from "node:assert/strict";
import { createCipheriv } from "node:crypto";
import test from "node:test";
import fc from "fast-check";
import { PACKETS_PER_KEY } from "../limits.ts";
import { TAG_BYTES } from "../packet-keys.ts";
import { AesPacketKeys } from "./aes-packet-keys.ts";

const FIRST = new Uint8Array(32).fill(1);
const SECOND = new Uint8Array(32).fill(2);
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString("hex");

function pair(): { left: AesPacketKeys; right: AesPacketKeys } {
  return {
    left: new AesPacketKeys({ outgoing: FIRST, incoming: SECOND }),
    right: new AesPacketKeys({ outgoing: SECOND, incoming: FIRST }),
  };
}

/** A header of two bytes, then `plain`. */
function sealed(keys: AesPacketKeys, number: number, plain: Uint8Array): Uint8Array {
  const packet = new Uint8Array(2 + plain.length + TAG_BYTES).fill(4, 0, 2);
  packet.set(plain, 2);
  assert.equal(keys.seal(number, packet, 2, 2 + plain.length), packet.length);
  return packet;
}

const HELLO = new TextEncoder().encode("hello");

test("any packet comes back as it was sealed, with the header in the clear", () => {
  const { left, right } = pair();
  let number = 0;
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1170 }), (plain) => {
      const packet = sealed(left, number, plain);
      assert.deepEqual([packet[0], packet[1]], [4, 4]);
      assert.equal(hex(right.open(number, packet, 2)), hex(plain));
      number += 1;
    }),
  );
});

test("a packet is AES-256-GCM as anybody else computes it", () => {
  const { left } = pair();
  const number = 2 ** 20 - 5;
  const packet = sealed(left, number, HELLO);
  const nonce = Buffer.alloc(12);
  nonce.writeBigUInt64BE(BigInt(number), 4);
  const cipher = createCipheriv("aes-256-gcm", FIRST, nonce).setAAD(Buffer.from([4, 4]));
  const expected = [cipher.update(HELLO), cipher.final(), cipher.getAuthTag()];
  assert.equal(hex(packet.subarray(2)), Buffer.concat(expected).toString("hex"));
});

test("a packet with any bit changed, cut, or of another number is not genuine", () => {
  const { left, right } = pair();
  const packet = sealed(left, 300, HELLO);
  for (let bit = 0; bit < packet.length * 8; bit++) {
    const changed = packet.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    assert.equal(right.open(300, changed, 2), undefined, `bit ${bit}`);
  }
  for (let length = 0; length < packet.length; length++)
    assert.equal(right.open(300, packet.subarray(0, length), 2), undefined, `${length} bytes`);
  for (const number of [0, 299, 301, 300 + 2 ** 32, Number.MAX_SAFE_INTEGER])
    assert.equal(right.open(number, packet, 2), undefined, `as number ${number}`);
  assert.equal(left.open(300, packet, 2), undefined, "sent back to its sender");
  assert.equal(hex(right.open(300, packet, 2)), hex(HELLO));
});

test("errors elsewhere have their stacks after a forged packet, too", () => {
  const { right } = pair();
  const before = Error.stackTraceLimit;
  assert.equal(right.open(0, new Uint8Array(40), 2), undefined);
  assert.equal(Error.stackTraceLimit, before);
});

test("each generation has its key, and late packets of the one before are taken", () => {
  const { left, right } = pair();
  const late = sealed(left, PACKETS_PER_KEY - 1, HELLO);
  const next = sealed(left, PACKETS_PER_KEY, HELLO);
  const later = sealed(left, 2 * PACKETS_PER_KEY, HELLO);
  assert.notEqual(hex(late.subarray(2)), hex(next.subarray(2)));
  assert.equal(right.open(2 * PACKETS_PER_KEY, later, 2), undefined, "two generations ahead");
  assert.equal(hex(right.open(PACKETS_PER_KEY, next, 2)), hex(HELLO));
  assert.equal(hex(right.open(PACKETS_PER_KEY - 1, late, 2)), hex(HELLO));
  assert.equal(hex(right.open(2 * PACKETS_PER_KEY, later, 2)), hex(HELLO));
  assert.equal(right.open(PACKETS_PER_KEY - 1, late, 2), undefined, "two generations old");
  assert.equal(hex(right.open(PACKETS_PER_KEY, next, 2)), hex(HELLO));
});

test("forged packets that claim the next generation change nothing", () => {
  const { left, right } = pair();
  const early = sealed(left, 0, HELLO);
  const forged = sealed(left, 7, HELLO);
  for (let i = 0; i < 100; i++) assert.equal(right.open(PACKETS_PER_KEY + i, forged, 2), undefined);
  const next = sealed(left, PACKETS_PER_KEY + 1, HELLO);
  assert.equal(hex(right.open(0, early, 2)), hex(HELLO));
  assert.equal(right.open(2 * PACKETS_PER_KEY, next, 2), undefined);
  assert.equal(hex(right.open(PACKETS_PER_KEY + 1, next, 2)), hex(HELLO));
});

test("sealing out of the row of generations is a fault of the program", () => {
  const { left } = pair();
  const packet = new Uint8Array(64);
  assert.throws(() => left.seal(2 * PACKETS_PER_KEY, packet, 2, 10), /Packet 2097152 does not/);
});
