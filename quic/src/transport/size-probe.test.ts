import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { ANSWER_BYTES, isBesideQuic, readProbe, writeAnswer, writeAsk } from "./size-probe.ts";

const id = Buffer.from("12345678");
const nonce = Buffer.from("abcdefgh");

describe("size probes", () => {
  it("asks with a packet of the size to try", () => {
    const out = Buffer.alloc(4096, 255);
    writeAsk(out, id, nonce);
    assert.ok(isBesideQuic(out));
    assert.deepEqual(readProbe(out), { type: "ask", nonce, bytes: 4096 });
    assert.ok(
      out.subarray(17).every((byte) => byte === 0),
      "nothing of ours leaks into the padding",
    );
  });

  it("answers with 19 bytes", () => {
    const out = Buffer.alloc(ANSWER_BYTES);
    writeAnswer(out, id, nonce, 4096);
    assert.ok(isBesideQuic(out));
    assert.deepEqual(readProbe(out), { type: "answer", nonce, bytes: 4096 });
  });

  it("takes only whole probes, and never more than an answer's bytes for one", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const packet = Buffer.from(bytes);
        const probe = readProbe(packet);
        if (packet.length < ANSWER_BYTES) assert.equal(probe, undefined);
        if (probe?.type === "ask") assert.equal(probe.bytes, packet.length);
        if (probe?.type === "answer") assert.equal(packet.length, ANSWER_BYTES);
      }),
    );
  });

  it("is told apart from every packet of QUIC, which has one of the two highest bits", () => {
    for (let first = 0; first < 256; first++)
      assert.equal(isBesideQuic(Uint8Array.of(first)), first < 64);
  });
});
