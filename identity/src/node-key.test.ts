import assert from "node:assert/strict";
import { webcrypto } from "node:crypto";
import test from "node:test";
import fc from "fast-check";
import { keyFingerprint, keyOfRequest, newPrivateKey, requestFor } from "./node-key.ts";
import { keyPairOf, newKeyPair, SIGNING_ALGORITHM, x509 } from "./x509.ts";

const encode = (der: Uint8Array) => x509.PemConverter.encode(der, "CERTIFICATE REQUEST");

async function problemOf(csr: string): Promise<string> {
  const found = await keyOfRequest(csr);
  assert.ok(!found.ok);
  return found.problem;
}

test("a request says which key it wants a certificate for", async () => {
  const pem = await newPrivateKey();
  const found = await keyOfRequest(await requestFor(pem, "gs-1"));
  assert.ok(found.ok);
  const { publicKey } = await keyPairOf(pem);
  assert.equal(await keyFingerprint(found.publicKey), await keyFingerprint(publicKey));
});

test("a request for somebody else's key is refused", async () => {
  const [mine, theirs] = await Promise.all([newKeyPair(), newKeyPair()]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: "CN=gs-1",
    keys: { publicKey: theirs.publicKey, privateKey: mine.privateKey },
    signingAlgorithm: SIGNING_ALGORITHM,
  });
  assert.match(await problemOf(request.toString("pem")), /not signed with its own key/);
});

test("only keys on P-256 get certificates", async () => {
  const kinds = [
    { name: "ECDSA", namedCurve: "P-384", hash: "SHA-256" },
    {
      name: "RSASSA-PKCS1-v1_5",
      modulusLength: 1024,
      publicExponent: new Uint8Array([1, 0, 1]),
      hash: "SHA-256",
    },
  ];
  for (const signingAlgorithm of kinds) {
    const keys = await webcrypto.subtle.generateKey(signingAlgorithm, true, ["sign", "verify"]);
    assert.ok("privateKey" in keys);
    const request = await x509.Pkcs10CertificateRequestGenerator.create({
      name: "CN=gs-1",
      keys,
      signingAlgorithm,
    });
    assert.match(await problemOf(request.toString("pem")), /not an ECDSA key on P-256/);
  }
});

test("requests that were changed bring no other key, and garbage none", async () => {
  const csr = await requestFor(await newPrivateKey(), "gs-1");
  const der = Buffer.from(new x509.Pkcs10CertificateRequest(csr).rawData);
  const own = await keyOfRequest(csr);
  assert.ok(own.ok);
  const ownKey = await keyFingerprint(own.publicKey);
  const change = fc.record({
    at: fc.nat(der.length - 1),
    cut: fc.nat(3),
    put: fc.uint8Array({ maxLength: 3 }),
  });
  await fc.assert(
    fc.asyncProperty(change, async ({ at, cut, put }) => {
      const bytes = Buffer.concat([der.subarray(0, at), put, der.subarray(at + cut)]);
      const found = await keyOfRequest(encode(bytes));
      assert.ok(!found.ok || (await keyFingerprint(found.publicKey)) === ownKey);
    }),
    { numRuns: 300 },
  );
  await fc.assert(
    fc.asyncProperty(fc.oneof(fc.string(), fc.uint8Array().map(encode)), async (text) => {
      assert.ok(!(await keyOfRequest(text)).ok);
    }),
  );
  assert.match(await problemOf("x".repeat(5000)), /longer than 4096/);
});
