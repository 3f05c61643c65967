import assert from "node:assert/strict";
import test, { type TestContext } from "node:test";
import { decodeJwt, exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from "jose";
import { createTicketKeys, KeySetError } from "./jose-ticket-keys.ts";
import { TicketClaimError } from "./ticket-claims.ts";

const NOW = 1_800_000_000;
const CLAIMS = {
  account: "ann",
  world: "arena",
  name: "Ann",
  data: { level: 3 },
  expiresAt: NOW + 60,
};
const RESUME = { account: "ann", world: "arena", session: 7, name: "Ann", data: null };

async function newKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  return { ...(await exportJWK(privateKey)), alg: "EdDSA", kid };
}

function publicOf({ d: _, ...rest }: JWK): JWK {
  return rest;
}

/** A token with claims that `issue` would refuse, and the key it is signed with. */
async function signedByHand(claims: JWTPayload): Promise<{ jwk: JWK; token: string }> {
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const token = await new SignJWT(claims).setProtectedHeader({ alg: "EdDSA" }).sign(privateKey);
  return { jwk: { ...(await exportJWK(privateKey)), alg: "EdDSA" }, token };
}

test("a ticket comes back as it was issued", async () => {
  const keys = await createTicketKeys({ keys: [await newKey("a")] });
  assert.deepEqual(await keys.verify(await keys.issue(CLAIMS), NOW), { ok: true, claims: CLAIMS });
  const bare = { ...CLAIMS, name: "", data: null, world: "*" };
  assert.deepEqual(await keys.verify(await keys.issue(bare), NOW), { ok: true, claims: bare });
});

test("a ticket tells its holder the servers' key for UDP", async () => {
  const keys = await createTicketKeys({ keys: [await newKey("a")] });
  const serverKey = new Uint8Array(32).fill(255);
  const ticket = await keys.issue(CLAIMS, { serverKey });
  assert.equal(decodeJwt(ticket)["serverKey"], `${"_".repeat(42)}8`);
  assert.deepEqual(await keys.verify(ticket, NOW), { ok: true, claims: CLAIMS });
  assert.equal(decodeJwt(await keys.issue(CLAIMS))["serverKey"], undefined);
  await assert.rejects(
    keys.issue(CLAIMS, { serverKey: serverKey.subarray(1) }),
    /serverKey must have 32 bytes, found 31/,
  );
});

test("a ticket is good until it expires, and expired from then on", async () => {
  const keys = await createTicketKeys({ keys: [await newKey("a")] });
  const ticket = await keys.issue(CLAIMS);
  assert.equal((await keys.verify(ticket, CLAIMS.expiresAt - 1)).ok, true);
  assert.deepEqual(await keys.verify(ticket, CLAIMS.expiresAt), {
    ok: false,
    code: "ticket-expired",
    reason: "the ticket's time is over",
  });
});

test("a ticket of a foreign key is refused, with the same key id too", async () => {
  const ours = await createTicketKeys({ keys: [await newKey("a")] });
  for (const kid of ["a", "b"]) {
    const theirs = await createTicketKeys({ keys: [await newKey(kid)] });
    assert.deepEqual(await ours.verify(await theirs.issue(CLAIMS), NOW), {
      ok: false,
      code: "unauthorized",
      reason: "signed by no known key",
    });
  }
});

test("a ticket with any letter changed is refused", async () => {
  const keys = await createTicketKeys({ keys: [await newKey("a")] });
  const ticket = await keys.issue(CLAIMS);
  for (let at = 0; at < ticket.length - 1; at += 5) {
    const letter = ticket[at] === "A" ? "B" : "A";
    const tampered = ticket.slice(0, at) + letter + ticket.slice(at + 1);
    const answer = await keys.verify(tampered, NOW);
    assert.equal(answer.ok ? "accepted" : answer.code, "unauthorized", `letter ${at}`);
  }
});

test("what is no token at all is refused", async () => {
  const keys = await createTicketKeys({ keys: [await newKey("a")] });
  const none = Buffer.from('{"alg":"none"}').toString("base64url");
  const body = Buffer.from('{"aud":"atlasnet","sub":"ann"}').toString("base64url");
  for (const token of ["", "x", "a.b.c", `${none}.${body}.`, "A".repeat(10_000)]) {
    const answer = await keys.verify(token, NOW);
    assert.equal(answer.ok ? "accepted" : answer.code, "unauthorized", token.slice(0, 20));
  }
});

test("well signed claims out of bounds are refused with the claim's name", async () => {
  const good = { aud: "atlasnet", sub: "ann", world: "arena", exp: NOW + 60 };
  const cases: [string, { [name: string]: unknown }][] = [
    ["exp", { ...good, exp: undefined }],
    ["aud", { ...good, aud: "other" }],
    ["sub", { ...good, sub: "" }],
    ["sub", { ...good, sub: "é".repeat(65) }],
    ["sub", { ...good, sub: undefined }],
    ["world", { ...good, world: "" }],
    ["world", { ...good, world: 5 }],
    ["name", { ...good, name: "n".repeat(129) }],
    ["data", { ...good, data: "text" }],
    ["data", { ...good, data: [1] }],
    ["data", { ...good, data: { blob: "x".repeat(1024) } }],
    ["nbf", { ...good, nbf: NOW + 30 }],
  ];
  for (const [claim, claims] of cases) {
    const { jwk, token } = await signedByHand(claims);
    const keys = await createTicketKeys({ keys: [jwk] });
    const answer = await keys.verify(token, NOW);
    assert.ok(!answer.ok && answer.code === "unauthorized", claim);
    assert.match(answer.reason, new RegExp(`\\b${claim}\\b`));
  }
});

test("issuing refuses what verifying would refuse", async () => {
  const keys = await createTicketKeys({ keys: [await newKey("a")] });
  await assert.rejects(keys.issue({ ...CLAIMS, account: "" }), TicketClaimError);
  await assert.rejects(keys.issue({ ...CLAIMS, data: [1] }), TicketClaimError);
  await assert.rejects(keys.signResume({ ...RESUME, session: -1 }), TicketClaimError);
});

test("resume tokens come back, do not expire, and are no tickets", async () => {
  const keys = await createTicketKeys({ keys: [await newKey("a")] });
  const token = await keys.signResume(RESUME);
  assert.deepEqual(await keys.verifyResume(token), { ok: true, claims: RESUME });
  assert.equal((await keys.verify(token, NOW)).ok, false);
  assert.equal((await keys.verifyResume(await keys.issue(CLAIMS))).ok, false);
});

test("after a rotation the first key signs and the old one still verifies", async () => {
  const [oldKey, newer] = [await newKey("old"), await newKey("new")];
  const before = await createTicketKeys({ keys: [oldKey] });
  const after = await createTicketKeys({ keys: [newer, oldKey] });
  assert.equal((await after.verify(await before.issue(CLAIMS), NOW)).ok, true);
  const fresh = await after.issue(CLAIMS);
  assert.equal((await after.verify(fresh, NOW)).ok, true);
  assert.equal((await before.verify(fresh, NOW)).ok, false);
});

test("a public key verifies the tickets of somebody else", async () => {
  const [ours, theirs] = [await newKey("ours"), await newKey("theirs")];
  const issuer = await createTicketKeys({ keys: [theirs] });
  const keys = await createTicketKeys({ keys: [publicOf(theirs), ours] });
  assert.equal((await keys.verify(await issuer.issue(CLAIMS), NOW)).ok, true);
  const resumed = await keys.verifyResume(await keys.signResume(RESUME));
  assert.equal(resumed.ok, true);
});

test("unusable key sets are refused by name", async (t: TestContext) => {
  const good = await newKey("good");
  const { alg: _, ...withoutAlgorithm } = good;
  const cases: [string, JWK[], RegExp][] = [
    ["only public keys", [publicOf(good)], /no private key/],
    ["no keys", [], /no private key/],
    ["a secret", [{ kty: "oct", k: "c2VjcmV0", alg: "HS256", kid: "s" }], /key 1 \("s"\)/],
    ["no algorithm", [withoutAlgorithm], /key 1 .*"alg"/],
    ["a broken key", [good, { ...good, kid: "b", x: "AA" }], /key 2 \("b"\)/],
  ];
  for (const [name, keys, message] of cases) {
    await t.test(name, async () => {
      await assert.rejects(createTicketKeys({ keys }), (error: unknown) => {
        assert.ok(error instanceof KeySetError);
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
