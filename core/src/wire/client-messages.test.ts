import assert from "node:assert/strict";
import { test } from "node:test";
import { ByteWriter, closeCodes } from "@atlasnet/world";
import fc from "fast-check";
import { type CborValue, writeCbor } from "./client-cbor.ts";
import { decodeClientMessage, type Hello, MAX_CLIENT_MESSAGE_BYTES } from "./client-messages.ts";
import {
  encodeClose,
  encodeNotice,
  encodePong,
  encodeReconnect,
  encodeTransfer,
  encodeUpdates,
  encodeWelcome,
  stateHeadBytes,
  writeAck,
  writeResync,
  writeServerMessage,
  writeStateHead,
} from "./server-messages.ts";

/** The bytes of what writes into a writer. */
function written(write: (writer: ByteWriter) => void): Uint8Array {
  const writer = new ByteWriter();
  write(writer);
  return writer.finish();
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const unhex = (text: string): Uint8Array => Buffer.from(text.replaceAll(" ", ""), "hex");

function cbor(value: CborValue): Uint8Array {
  const writer = new ByteWriter();
  writeCbor(writer, value);
  return writer.finish();
}

const STREAM = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
const HELLO: { [key: string]: CborValue } = {
  v: 1,
  world: "arena",
  stream: STREAM,
  attempt: 0,
  firstUnacked: 1,
  lastReceived: 0,
};

test("texts are UTF-8, whatever they are of, behind what was written before", () => {
  const texts = fc.string({
    unit: fc.constantFrom("a", "~", "\u007f", "\u0080", "é", "€", "😀", "\ud800"),
  });
  fc.assert(
    fc.property(fc.array(texts, { maxLength: 4 }), (few) => {
      const values = [...few, "x".repeat(40), "x".repeat(32), `${"x".repeat(31)}é`];
      const utf8 = values.map((value) => Buffer.from(value, "utf8"));
      const head = (n: number) => (n < 24 ? [0x60 + n] : [0x78, n]);
      const expected = utf8.flatMap((bytes) => [...head(bytes.length), ...bytes]);
      assert.deepEqual([...cbor(values)], [0x80 + values.length, ...expected]);
    }),
  );
});

function refusal(bytes: Uint8Array): string {
  const message = decodeClientMessage(bytes);
  return message.type === "malformed" ? `${message.code}: ${message.reason}` : message.type;
}

const CLIENT_GOLDEN: readonly [bytes: string, message: unknown][] = [
  ["84 02 01 00 42 abcd", { type: "message", seq: 1, index: 0, payload: unhex("abcd") }],
  ["84 02 19 0400 18 63 40", { type: "message", seq: 1024, index: 99, payload: unhex("") }],
  ["83 03 07 19 012c", { type: "ack", seq: 7, timeline: 300 }],
  ["82 04 1a 499602d2", { type: "ping", t: 1234567890 }],
  ["82 04 1b 001fffffffffffff", { type: "ping", t: 2 ** 53 - 1 }],
  ["82 04 fb 41f0000000000000", { type: "ping", t: 2 ** 32 }],
  ["84 05 18 2a 01 43 010203", { type: "input", n: 42, index: 1, payload: unhex("010203") }],
  ["81 06", { type: "leave" }],
  ["81 07", { type: "resync" }],
];

test("client messages: golden bytes", () => {
  for (const [bytes, message] of CLIENT_GOLDEN)
    assert.deepEqual(decodeClientMessage(unhex(bytes)), message, bytes);
});

test("hello: golden bytes", () => {
  const bytes =
    "82 01 a6 6176 01 65776f726c64 656172656e61 6673747265616d 480102030405060708" +
    "67617474656d7074 00 6c6669727374556e61636b6564 01 6c6c6173745265636569766564 00";
  assert.equal(hex(cbor([1, HELLO])), hex(unhex(bytes)));
  const { v: _, ...hello } = HELLO;
  assert.deepEqual(decodeClientMessage(unhex(bytes)), { type: "hello", hello });
});

test("hello: optional keys are taken, unknown, double and missing ones refused", () => {
  const more: Partial<Hello> = {
    ticket: "t",
    resume: "r",
    timeline: 9,
    schema: STREAM,
    params: Uint8Array.of(5),
  };
  const { v: _, ...hello } = HELLO;
  assert.deepEqual(decodeClientMessage(cbor([1, { ...HELLO, ...more }])), {
    type: "hello",
    hello: { ...hello, ...more },
  });
  assert.match(refusal(cbor([1, { ...HELLO, color: 1 }])), /bad-message: .*unknown key color/);
  for (const key of Object.keys(HELLO)) {
    const { [key]: _left, ...rest } = HELLO;
    assert.match(refusal(cbor([1, rest])), new RegExp(`bad-message: .*lacks the key ${key}`));
  }
  assert.match(refusal(cbor([1, { ...HELLO, v: 2 }])), /^unsupported-version: version 2/);
  assert.match(refusal(cbor([1, { ...HELLO, stream: Uint8Array.of(1) }])), /1 bytes, not 8/);
  assert.match(refusal(cbor([1, { ...HELLO, ticket: "x".repeat(8193) }])), /at most 8192/);
  assert.match(refusal(unhex("82 01 a2 6176 01 6176 01")), /key v twice/);
  assert.match(refusal(cbor([1, { ...HELLO, ["__proto__"]: 1 }])), /bad-message/);
});

test("what is not of the protocol is refused with a reason", () => {
  const cases: readonly [bytes: string, refusal: RegExp][] = [
    ["", /ends too early/],
    ["82 04", /ends too early/],
    ["82 08 01", /unknown message number 8/],
    ["81 00", /unknown message number 0/],
    ["82 03 07", /2 elements, not 3/],
    ["83 03 07 01 00", /1 bytes too many/],
    ["9f 03 07 ff", /indefinite/],
    ["c1 82 03 07", /CBOR type 6/],
    ["83 03 20 01", /CBOR type 1/],
    ["83 03 f93c00 01", /CBOR type 7/],
    ["83 03 fb 3ff0000000000000 01", /a float/],
    ["83 03 1b 0020000000000000 01", /above 2\^53/],
    ["84 02 00 00 40", /numbering starts at 1/],
    ["84 02 01 00 60", /CBOR type 3/],
    ["84 02 01 00 5a 00010001", /at most 65536/],
    ["a0", /CBOR type 5/],
  ];
  for (const [bytes, expected] of cases) {
    assert.match(refusal(unhex(bytes)), /^bad-message: /, bytes);
    assert.match(refusal(unhex(bytes)), expected, bytes);
  }
  assert.match(refusal(new Uint8Array(MAX_CLIENT_MESSAGE_BYTES + 1)), /^too-large/);
});

test("hostile bytes never throw: random ones and mutated messages", () => {
  const seeds = [cbor([1, { ...HELLO, ticket: "abc", params: STREAM }]), cbor([2, 1, 0, STREAM])];
  const mutated = fc
    .tuple(
      fc.constantFrom(...seeds),
      fc.array(fc.tuple(fc.nat(200), fc.nat(255)), { maxLength: 6 }),
    )
    .map(([seed, changes]) => {
      const bytes = seed.slice();
      for (const [at, value] of changes) bytes[at % bytes.length] = value;
      return bytes;
    });
  fc.assert(
    fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
      assert.equal(typeof decodeClientMessage(bytes).type, "string");
    }),
    { numRuns: 2000 },
  );
});

test("server messages: golden bytes", () => {
  assert.equal(
    hex(written((writer) => writeServerMessage(writer, 300, 2, unhex("abcd")))),
    "840219012c0242abcd",
  );
  assert.equal(hex(written((writer) => writeAck(writer, 7, 2 ** 40))), "8303071b0000010000000000");
  assert.equal(hex(encodePong(1234567890, 24)), "83041a499602d21818");
  assert.equal(hex(written((writer) => writeResync(writer, 6))), "820706");
  assert.equal(hex(encodeClose("left", "bye")), "8306190fa063627965");
  assert.equal(closeCodes.left.code, 0xfa0);
  assert.equal(hex(encodeTransfer("cave")), "82086463617665");
  assert.equal(hex(encodeNotice("dev-error", "é")), "8309696465762d6572726f7262c3a9");
  assert.equal(hex(encodeReconnect()), "810b");
  assert.equal(hex(encodeUpdates(Uint8Array.of(7, 8))), "820a420708");
});

test("welcome: golden bytes; numbers of all kinds in the definition", () => {
  const welcome = encodeWelcome({
    world: "w",
    account: "a",
    session: 2 ** 33,
    resume: "r",
    attempt: 1,
    schema: STREAM,
    definition: {
      name: "d",
      version: 1,
      tickRate: 20,
      space: null,
      components: [
        {
          name: "p",
          owner: false,
          fields: [["x", { kind: "quantized", min: -5, max: 0.5, step: 0.25 }]],
        },
      ],
      inputs: [],
      clientMessages: [],
      serverMessages: [],
      channels: [],
      join: [],
      publicCells: true,
    },
    tickRate: 20,
    tick: 3,
    epoch: 4,
    timeline: 5,
    appliedSeq: 6,
    outSeq: 7,
    lastInput: 8,
    graceTicks: 9,
    limits: { maxMessageBytes: 10, messagesPerSecond: 11, bytesPerSecond: 12, idleTimeoutMs: 13 },
    endpoints: ["e"],
  });
  const text = hex(welcome);
  assert.ok(text.startsWith("8205b1"), text.slice(0, 8));
  // session, as a true 64-bit integer
  assert.ok(text.includes(`67${hex(Buffer.from("session"))}1b0000000200000000`));
  // min −5, max 0.5 as float64
  assert.ok(text.includes(`63${hex(Buffer.from("min"))}24`));
  assert.ok(text.includes(`63${hex(Buffer.from("max"))}fb3fe0000000000000`));
  assert.ok(text.includes(`6b${hex(Buffer.from("publicCells"))}f5`));
});

test("the head of a state message fits every length", () => {
  for (const [length, head] of [
    [0, "820140"],
    [23, "820157"],
    [24, "82015818"],
    [255, "820158ff"],
    [256, "8201590100"],
    [65535, "820159ffff"],
    [65536, "82015a00010000"],
  ] as const) {
    const target = new Uint8Array(16);
    const end = writeStateHead(target, 1, length);
    assert.equal(hex(target.subarray(1, end)), head);
    assert.equal(end - 1, stateHeadBytes(length));
  }
});
