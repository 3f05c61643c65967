import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { DecodeError } from "@atlasnet/world";
import fc from "fast-check";
import {
  decodeTopicDatagram,
  decodeTopicSequence,
  encodeSection,
  encodeTopicDatagram,
  isFullSection,
  MAX_MULTICAST_BYTES,
  MAX_SECTION_PARTS,
  partRoom,
  type TopicAddress,
} from "./multicast.ts";
import { parseGroupAddress } from "./multicast-address.ts";
import {
  type Announcement,
  decodeAnnouncement,
  encodeAnnouncement,
  looksLikeAnnouncement,
  MAX_ANNOUNCED_WORLDS,
} from "./multicast-announcement.ts";

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
const unhex = (text: string) => Uint8Array.from(Buffer.from(text.replaceAll(" ", ""), "hex"));

const ADDRESS: TopicAddress = {
  server: "g1",
  run: 1_700_000_000_000,
  world: "arena",
  topic: "cell/3,4",
  schema: unhex("0102030405060708"),
};
/** docs/multicast.md explains these bytes one by one. */
const GOLDEN =
  "8b 01 62 6731 1b 0000018bcfe56800 65 6172656e61 68 63656c6c2f332c34 48 0102030405060708" +
  "18 2a 19 03e8 00 01 43 110401";

test("topic datagrams: golden bytes", () => {
  const datagram = { ...ADDRESS, number: 42, tick: 1000, part: 0, parts: 1 };
  const bytes = encodeTopicDatagram({ ...datagram, section: unhex("110401") });
  assert.equal(hex(bytes), GOLDEN.replaceAll(" ", ""));
  assert.deepEqual(decodeTopicDatagram(bytes), { ...datagram, section: unhex("110401") });
});

test("docs/multicast.md shows these bytes", async () => {
  const page = await readFile(new URL("../../../docs/multicast.md", import.meta.url), "utf8");
  const [, block = ""] =
    /^Golden bytes.*?^```\n(.*?)```$/ms.exec(page.replaceAll("\r\n", "\n")) ?? [];
  const shown = block.split("\n").map((line) => line.slice(0, 35).trim());
  assert.equal(shown.join("").replaceAll(" ", ""), GOLDEN.replaceAll(" ", ""));
});

test("a section of any length comes back from its parts, none above the bound", () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 20_000 }),
      fc.integer({ min: 1, max: 2 ** 40 }),
      fc.string({ unit: "binary-ascii", maxLength: 64 }),
      (section, number, server) => {
        const address = { ...ADDRESS, server };
        const parts = encodeSection(address, partRoom(address), { number, tick: 7, section });
        assert.ok(parts !== undefined);
        for (const part of parts) assert.ok(part.length <= MAX_MULTICAST_BYTES);
        const read = decodeTopicSequence(Buffer.concat(parts));
        assert.deepEqual(
          read.map((item) => [item.number, item.part, item.parts]),
          parts.map((_, part) => [number + part, part, parts.length]),
        );
        assert.equal(hex(Buffer.concat(read.map((item) => item.section))), hex(section));
      },
    ),
  );
});

test("a section of too many parts is not cut", () => {
  const section = new Uint8Array(MAX_MULTICAST_BYTES * MAX_SECTION_PARTS);
  assert.equal(
    encodeSection(ADDRESS, partRoom(ADDRESS), { number: 1, tick: 1, section }),
    undefined,
  );
});

test("whatever the bytes, reading ends in a datagram or a DecodeError", () => {
  const golden = unhex(GOLDEN);
  const mutated = fc
    .tuple(fc.nat(golden.length - 1), fc.integer({ min: 0, max: 255 }), fc.nat(golden.length))
    .map(([at, byte, length]) => {
      const bytes = golden.slice(0, length);
      if (at < length) bytes[at] = byte;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(mutated, fc.uint8Array({ maxLength: 64 })), (bytes) => {
      try {
        const { part, parts } = decodeTopicDatagram(bytes);
        assert.ok(parts === 0 || part < parts);
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
      }
    }),
  );
});

test("parts that cannot be are refused", () => {
  const make = (part: number, parts: number, section = "") =>
    encodeTopicDatagram({ ...ADDRESS, number: 1, tick: 1, part, parts, section: unhex(section) });
  for (const bytes of [make(1, 1), make(0, 0, "00"), make(1, 0), make(0, MAX_SECTION_PARTS + 1)])
    assert.throws(() => decodeTopicDatagram(bytes), DecodeError);
  assert.equal(decodeTopicDatagram(make(0, 0)).parts, 0);
});

test("a section's head tells full state from changes", () => {
  assert.equal(isFullSection(unhex("10")), true);
  assert.equal(isFullSection(unhex("f0 14")), true);
  assert.equal(isFullSection(unhex("11")), false);
  assert.equal(isFullSection(unhex("")), false);
});

const ANNOUNCEMENT: Announcement = {
  v: 1,
  server: "g1",
  seq: 3,
  connected_clients: 2,
  events_per_sec: 19.5,
  tick_hz: 20,
  worlds: [{ name: "arena", connected_clients: 2, events_per_sec: 19.5, tick_hz: 20 }],
  more_worlds: 0,
  tcp: "127.0.0.1:2557",
};

test("announcements: golden text, and back", () => {
  const bytes = encodeAnnouncement(ANNOUNCEMENT);
  assert.equal(
    new TextDecoder().decode(bytes),
    '{"v":1,"server":"g1","seq":3,"connected_clients":2,"events_per_sec":19.5,"tick_hz":20,' +
      '"worlds":[{"name":"arena","connected_clients":2,"events_per_sec":19.5,"tick_hz":20}],' +
      '"more_worlds":0,"tcp":"127.0.0.1:2557"}',
  );
  assert.ok(looksLikeAnnouncement(bytes));
  assert.deepEqual(decodeAnnouncement(bytes), ANNOUNCEMENT);
});

test("an announcement stays below the bound, and says what it leaves out", () => {
  const [world] = ANNOUNCEMENT.worlds;
  assert.ok(world !== undefined);
  const worlds = Array.from({ length: 40 }, () => ({ ...world, name: "w".repeat(64) }));
  const bytes = encodeAnnouncement({ ...ANNOUNCEMENT, worlds, more_worlds: 5 });
  assert.ok(bytes.length <= MAX_MULTICAST_BYTES);
  const read = decodeAnnouncement(bytes);
  assert.ok(read !== undefined && read.worlds.length > 0);
  assert.ok(read.worlds.length <= MAX_ANNOUNCED_WORLDS);
  assert.equal(read.worlds.length + read.more_worlds, 45);
});

test("announcements of strangers are checked: nothing reaches the terminal unseen", () => {
  const changed = (change: object) =>
    decodeAnnouncement(Buffer.from(JSON.stringify({ ...ANNOUNCEMENT, ...change })));
  for (const change of [
    { v: 2 },
    { server: "\u001b[2J" },
    { seq: -1 },
    { tick_hz: "20" },
    { events_per_sec: null },
    { worlds: [{ name: "a\u0007", connected_clients: 0, events_per_sec: 0, tick_hz: 0 }] },
    { worlds: Array.from({ length: 17 }, () => ANNOUNCEMENT.worlds[0]) },
    { tcp: "http://elsewhere/" },
    { tcp: "host" },
  ])
    assert.equal(changed(change), undefined, JSON.stringify(change));
  assert.equal(changed({ tcp: ":2557" })?.tcp, ":2557");
  for (const bytes of ["", "{", "[]", "null", "\ud800"])
    assert.equal(decodeAnnouncement(Buffer.from(bytes)), undefined);
});

test("group addresses", () => {
  assert.deepEqual(parseGroupAddress("239.255.0.1:30001"), { group: "239.255.0.1", port: 30001 });
  for (const text of ["10.0.0.1:1", "240.0.0.1:1", "239.256.0.1:1", "239.0.0.1", "239.0.0.1:0", ""])
    assert.equal(parseGroupAddress(text), undefined, text);
});
