import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { RESET_BYTES, ResetTokens } from "./reset-tokens.ts";
import { gameserverCredentials, proxyCredentials } from "./testing/test-credentials.ts";

const id = Buffer.from("12345678");

describe("ResetTokens", () => {
  const tokens = new ResetTokens(gameserverCredentials);

  it("are the same in the next process of a node, and another node's or connection's are not", () => {
    assert.deepEqual(tokens.token(id), new ResetTokens(gameserverCredentials).token(id));
    assert.notDeepEqual(tokens.token(id), new ResetTokens(proxyCredentials).token(id));
    assert.notDeepEqual(tokens.token(id), tokens.token(Buffer.from("12345679")));
  });

  it("end a packet that looks like any other", () => {
    const out = Buffer.alloc(100);
    assert.equal(tokens.write(out, id), RESET_BYTES);
    assert.equal((out[0] ?? 0) & 0xc0, 0x40);
    assert.deepEqual(out.subarray(RESET_BYTES - 16, RESET_BYTES), tokens.token(id));
    assert.equal(
      tokens.number(id).toString(16).padStart(32, "0"),
      tokens.token(id).toString("hex"),
    );
  });
});
