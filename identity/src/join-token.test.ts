import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { SignJWT } from "jose";
import { addressText, parseAddress } from "./address.ts";
import { makeAuthority, spanOfDays } from "./authority.ts";
import { checkJoinToken, readJoinToken, signJoinToken, TOKEN_PREFIX } from "./join-token.ts";
import { parseNodeUri, ROLES } from "./node-uri.ts";

const NOW = Date.UTC(2030, 0, 1);
const address = { host: "10.0.0.5", port: 2558 };
const claims = { address, role: "proxy", node: "p-1", expiresAt: NOW + 60_000 } as const;
const make = () => makeAuthority("c", spanOfDays(NOW, 10));

test("a token says where, whom and until when, to the node and to the CA", async () => {
  const ca = await make();
  const text = await signJoinToken(ca, claims);
  // What the setting identity.join takes.
  assert.match(text, /^atlasnet-join-[A-Za-z0-9_.-]{20,4096}$/);
  const token = { ...claims, ca: ca.fingerprint };
  assert.deepEqual(readJoinToken(text), token);
  assert.deepEqual(await checkJoinToken(ca, text, NOW), { ok: true, token });
  const nowhere = await signJoinToken(ca, { ...claims, address: undefined });
  assert.deepEqual(readJoinToken(nowhere), { ...token, address: undefined });
  const open = await signJoinToken(ca, { ...claims, node: undefined });
  assert.equal(readJoinToken(open)?.node, undefined);
});

test("a token that is late, or of another CA, is refused by name", async () => {
  const [ca, other] = await Promise.all([make(), make()]);
  const text = await signJoinToken(ca, claims);
  const late = await checkJoinToken(ca, text, NOW + 60_000);
  assert.ok(!late.ok);
  assert.equal(late.code, "token-expired");
  assert.match(
    late.message,
    /expired at 2030-01-01T00:01:00Z; the CA's clock says 2030-01-01T00:01:00Z/,
  );
  const foreign = await checkJoinToken(other, text, NOW);
  assert.equal(!foreign.ok && foreign.code, "foreign-token");
});

test("a token that was changed, or signed by somebody else, is refused", async () => {
  const [ca, other] = await Promise.all([make(), make()]);
  const text = await signJoinToken(ca, claims);
  const forged = await signJoinToken({ ...other, fingerprint: ca.fingerprint }, claims);
  const checked = await checkJoinToken(ca, forged, NOW);
  assert.equal(!checked.ok && checked.code, "bad-token");
  const body = Buffer.from(JSON.stringify({ aud: "atlasnet-join", exp: 1e10 })).toString(
    "base64url",
  );
  const unsigned = `${TOKEN_PREFIX}${Buffer.from('{"alg":"none"}').toString("base64url")}.${body}.`;
  assert.ok(!(await checkJoinToken(ca, unsigned, NOW)).ok);
  const forOther = await new SignJWT({ address: "h:1", ca: ca.fingerprint, role: "proxy" })
    .setProtectedHeader({ alg: "ES256" })
    .setAudience("something-else")
    .setExpirationTime(1e10)
    .sign(ca.keys.privateKey);
  assert.ok(!(await checkJoinToken(ca, `${TOKEN_PREFIX}${forOther}`, NOW)).ok);
  const [head, payload, signature = ""] = text.split(".");
  await fc.assert(
    fc.asyncProperty(
      fc.nat(signature.length - 2),
      fc.constantFrom("A", "B", "_"),
      async (at, put) => {
        const changed = signature.slice(0, at) + put + signature.slice(at + 1);
        const { ok } = await checkJoinToken(ca, `${head}.${payload}.${changed}`, NOW);
        assert.equal(ok, changed === signature);
      },
    ),
    { numRuns: 50 },
  );
  await fc.assert(
    fc.asyncProperty(fc.string({ maxLength: 200 }), async (any) => {
      assert.equal((await checkJoinToken(ca, `${TOKEN_PREFIX}${any}`, NOW)).ok, false);
      assert.equal(readJoinToken(any), undefined);
    }),
  );
});

test("addresses are written as they are read", () => {
  assert.deepEqual(parseAddress("ca.example.net"), { host: "ca.example.net", port: 2558 });
  assert.deepEqual(parseAddress("[fd00::5]:1"), { host: "fd00::5", port: 1 });
  for (const bad of [
    "",
    ":1",
    "h:",
    "h:0",
    "h:65536",
    "h:1:2",
    "fd00::5",
    "http://h",
    "h/x",
    "a b",
    "-h",
  ])
    assert.equal(parseAddress(bad), undefined, bad);
  const host = fc.oneof(fc.domain(), fc.ipV4(), fc.ipV6());
  fc.assert(
    fc.property(host, fc.integer({ min: 1, max: 65_535 }), (name, port) => {
      const text = addressText({ host: name, port });
      assert.deepEqual(parseAddress(text), { host: name, port }, text);
    }),
  );
});

test("nothing but what we write is a node's name", () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.constantFrom(...ROLES, "ca", "x"),
      fc.string(),
      (cluster, role, node) => {
        const found = parseNodeUri(`atlasnet://${cluster}/${role}/${node}`);
        if (found === undefined) return;
        assert.deepEqual(found, { cluster, role, node });
        assert.match(`${cluster} ${node}`, /^[a-z0-9-]+ [A-Za-z0-9._-]+$/);
      },
    ),
  );
});
