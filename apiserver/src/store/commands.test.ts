import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeCbor, MAX_VALUE_BYTES, type TxnRequest } from "@atlasnet/core";
import fc from "fast-check";
import { CheckpointDecoder, CheckpointError } from "./checkpoint-decoder.ts";
import { encodeCheckpoint } from "./checkpoint-encoder.ts";
import { type Command, decodeCommand, encodeCommand } from "./commands.ts";
import { StateMachine } from "./state-machine.ts";
import { txnArbitrary } from "./store-arbitraries.ts";

const VALUE = Uint8Array.of(1, 2);
const txn: TxnRequest = {
  id: "r-1",
  compare: [
    { type: "modified", key: "k", is: "equal", revision: 2 ** 40 + 1 },
    { type: "value", key: "k", equals: VALUE },
    { type: "term", term: 3 },
  ],
  then: [
    { type: "put", key: "k", value: VALUE },
    { type: "delete", key: "l" },
    { type: "delete", prefix: "m/" },
  ],
  otherwise: [],
};
const item = { key: "k", value: VALUE, created: 1, modified: 2 ** 40, version: 2 };

/** Bytes as logs on disks hold them: they stay as they are. */
const golden: readonly (readonly [Command, string])[] = [
  [
    { type: "txns", txns: [txn, { id: "x", compare: [], then: [], refused: "no-lease" }] },
    "a264747970656474786e736474786e7382a462696463722d3167636f6d7061726583a46474797065686d6f646966696564636b6579616b62697365657175616c687265766973696f6e1b0000010000000001a364747970656576616c7565636b6579616b66657175616c73420102a26474797065647465726d647465726d03647468656e83a3647479706563707574636b6579616b6576616c7565420102a264747970656664656c657465636b6579616ca264747970656664656c65746566707265666978626d2f696f746865727769736580a46269646178" +
      "67636f6d7061726580647468656e80677265667573656468" +
      "6e6f2d6c65617365",
  ],
  [
    { type: "quota", bytes: 2 ** 33 },
    "a26474797065657175" + "6f74616562797465731b0000000200000000",
  ],
  [
    { type: "restore-begin", restore: "b1" },
    "a264747970656d726573746f72652d626567696e67726573746f7265626231",
  ],
  [
    { type: "restore-part", restore: "b1", part: 0, items: [item] },
    "a464747970656c726573746f72652d7061727467726573746f7265626231647061727400656974656d7381a5636b6579616b6576616c7565420102676372656174656401686d6f6469666965641b00000100000000006776657273696f6e02",
  ],
  [
    { type: "restore-end", restore: "b1", parts: 1 },
    "a364747970656b726573746f72652d656e6467726573746f726562623165706172747301",
  ],
];

describe("commands of the log", () => {
  test("golden bytes", () => {
    for (const [command, hex] of golden) {
      assert.equal(Buffer.from(encodeCommand(command)).toString("hex"), hex, command.type);
      assert.deepEqual(decodeCommand(Buffer.from(hex, "hex"), 1), command);
    }
  });

  test("every command comes back as it was", () => {
    fc.assert(
      fc.property(fc.array(txnArbitrary, { maxLength: 5 }), (txns) => {
        const command: Command = { type: "txns", txns };
        assert.deepEqual(decodeCommand(encodeCommand(command), 1), command);
      }),
    );
  });

  test("whatever bytes there are, a command or a CommandError comes of them", () => {
    const whole = encodeCommand({ type: "txns", txns: [txn] });
    fc.assert(
      fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.boolean(), (at, byte, cut) => {
        const bytes = cut ? whole.slice(0, at) : whole.slice();
        if (!cut) bytes[at] = byte;
        try {
          decodeCommand(bytes, 9);
        } catch (error) {
          assert.ok(error instanceof Error && "code" in error);
          assert.equal(error.code, "unreadable-command");
          assert.match(error.message, /entry 9/);
        }
      }),
    );
  });

  test("fields that are unknown, absent or out of bounds are refused", () => {
    const base = { compare: [], then: [] };
    const bad: unknown[] = [
      { type: "txns" },
      { type: "txns", txns: [base], more: 1 },
      { type: "txns", txns: [{ ...base, leases: [] }] },
      { type: "txns", txns: [{ ...base, then: [{ type: "put", key: "k" }] }] },
      { type: "txns", txns: [{ ...base, then: [{ type: "delete" }] }] },
      { type: "txns", txns: [{ ...base, then: [{ type: "delete", key: "k", prefix: "k" }] }] },
      { type: "txns", txns: [{ ...base, compare: [{ type: "term", term: -1 }] }] },
      { type: "txns", txns: [{ ...base, refused: "quota" }] },
      { type: "other" },
      { type: "quota", bytes: 2 ** 52 },
      [],
      1,
    ];
    for (const value of bad)
      assert.throws(() => decodeCommand(encodeCbor(value), 1), { code: "unreadable-command" });
    const value = new Uint8Array(MAX_VALUE_BYTES + 1);
    const large: Command = {
      type: "txns",
      txns: [{ ...base, then: [{ type: "put", key: "k", value }] }],
    };
    assert.throws(() => encodeCommand(large), RangeError);
  });
});

describe("checkpoints", () => {
  const machine = new StateMachine();
  machine.apply({
    index: 1,
    term: 2,
    command: encodeCommand({
      type: "txns",
      txns: [{ id: "one", compare: [], then: [{ type: "put", key: "k", value: VALUE }] }],
    }),
  });
  machine.apply({
    index: 2,
    term: 2,
    command: encodeCommand({ type: "restore-begin", restore: "b" }),
  });
  const bytes = Buffer.concat([...encodeCheckpoint(machine.freeze())]);

  test("golden bytes", () => {
    assert.equal(
      bytes.toString("hex"),
      "00000056a76474797065646865616466666f726d61740165696e64657802647465726d02687265766973696f6e016a71756f746142797465731a2000000066737461676564a267726573746f72656162686e65787450617274000000001ca26474797065656974656d73656974656d738185616b4201020101010000002aa264747970656a72656d656d62657265646a72656d656d62657265648185636f6e650164646f6e65f50100000057a2647479706563656e6464686173687846322d322d312d303930363638323366306165353631392d373766306462313739656264303033652d3533363837303931322d622f302f30303030303030303030303030303030",
    );
  });

  test("damage anywhere is found", () => {
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, change) => {
        const damaged = Buffer.from(bytes);
        damaged[at] = (damaged[at] ?? 0) ^ change;
        const take = () => {
          const decoder = new CheckpointDecoder();
          decoder.push(damaged);
          return decoder.finish();
        };
        try {
          assert.fail(`byte ${at} may be ${take().hash}`);
        } catch (error) {
          assert.ok(error instanceof CheckpointError, String(error));
        }
      }),
    );
  });

  test("one that ends too early, or is of another format, is refused", () => {
    const decoder = new CheckpointDecoder();
    decoder.push(bytes.subarray(0, -1));
    assert.throws(() => decoder.finish(), { code: "bad-checkpoint" });
    const later = Buffer.from(bytes);
    const at = later.indexOf("format") + 6;
    later[at] = 2;
    assert.throws(() => new CheckpointDecoder().push(later), /format 2/);
  });
});
