import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { describe, it } from "node:test";
import fc from "fast-check";
import { RETRY_LIFETIME_MS, RetryTokens } from "./retry-tokens.ts";

const from = { host: "10.0.0.5", port: 4000 };
const originalId = Buffer.from("0123456789abcdef");
const newId = Buffer.from("12345678");

describe("RetryTokens", () => {
  let now = 1000;
  const tokens = new RetryTokens({ now: () => now, random: randomBytes });

  it("gives back the first id to who received the token", () => {
    const token = tokens.issue(from, originalId, newId);
    assert.deepEqual(tokens.verify(from, token, newId), originalId);
  });

  it("is good for one address and one id", () => {
    const token = tokens.issue(from, originalId, newId);
    assert.equal(tokens.verify({ ...from, port: 4001 }, token, newId), undefined);
    assert.equal(tokens.verify({ ...from, host: "10.0.0.50" }, token, newId), undefined);
    assert.equal(tokens.verify(from, token, Buffer.from("12345679")), undefined);
  });

  it("does not take a port's digit for one of the host", () => {
    const token = tokens.issue({ host: "10.0.0.1", port: 234 }, originalId, newId);
    assert.equal(tokens.verify({ host: "10.0.0.12", port: 34 }, token, newId), undefined);
  });

  it("ends after its lifetime", () => {
    const token = tokens.issue(from, originalId, newId);
    now += RETRY_LIFETIME_MS;
    assert.deepEqual(tokens.verify(from, token, newId), originalId);
    now += 1;
    assert.equal(tokens.verify(from, token, newId), undefined);
  });

  it("is good for the process only that issued it", () => {
    const other = new RetryTokens({ now: () => now, random: randomBytes });
    assert.equal(other.verify(from, tokens.issue(from, originalId, newId), newId), undefined);
  });

  it("takes no token with any bit changed, nor anything made up", () => {
    const token = tokens.issue(from, originalId, newId);
    fc.assert(
      fc.property(fc.nat(token.length * 8 - 1), (bit) => {
        const changed = Buffer.from(token);
        changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(tokens.verify(from, changed, newId), undefined);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
        assert.equal(tokens.verify(from, bytes, newId), undefined);
      }),
    );
  });
});
