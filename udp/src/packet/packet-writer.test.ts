import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_PACKET_BYTES } from "../limits.ts";
import { TAG_BYTES } from "../packet-keys.ts";
import { openKeys } from "../testing/open-keys.ts";
import { PacketArena } from "./packet-arena.ts";
import { NUMBER_AT, numberEnd, numberIn, SEALED } from "./packet-header.ts";
import { PacketWriter, varintBytes } from "./packet-writer.ts";

test("the head of a packet is read as it was written", () => {
  const writer = new PacketWriter(new PacketArena());
  fc.assert(
    fc.property(
      fc.maxSafeNat(),
      fc.option(fc.nat({ max: 2 ** 48 - 1 }), { nil: undefined }),
      (number, connectionId) => {
        writer.begin(number, connectionId);
        const packet = writer.end(number, openKeys);
        assert.equal(packet[0], SEALED);
        const at = connectionId === undefined ? NUMBER_AT.client : NUMBER_AT.server;
        if (connectionId !== undefined)
          assert.equal(
            packet.subarray(1, 7).reduce((id, byte) => id * 256 + byte, 0),
            connectionId,
          );
        const end = numberEnd(packet, at);
        assert.equal(end, at + varintBytes(number));
        assert.equal(numberIn(packet, at, end), number);
        assert.equal(packet.length, end + TAG_BYTES);
      },
    ),
  );
});

test("a head without an end is none", () => {
  assert.equal(numberEnd(Uint8Array.of(SEALED), 1), -1);
  assert.equal(numberEnd(Uint8Array.of(SEALED, 0x80), 1), -1);
  assert.equal(numberEnd(new Uint8Array(20).fill(0x80), 1), -1);
});

test("packets stay as they are while others are written", () => {
  const writer = new PacketWriter(new PacketArena());
  const packets: Uint8Array[] = [];
  for (let i = 0; i < 200; i++) {
    writer.begin(i, undefined);
    const { room } = writer;
    writer.raw(new Uint8Array(room - (i % 50)).fill(i));
    assert.equal(writer.room, i % 50);
    packets.push(writer.end(i, openKeys));
  }
  for (const [i, packet] of packets.entries()) {
    assert.equal(packet.length, MAX_PACKET_BYTES - (i % 50));
    const body = packet.subarray(1 + varintBytes(i), packet.length - TAG_BYTES);
    assert.ok(body.every((byte) => byte === i));
  }
});
