import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { makeAuthority } from "./authority.ts";
import { certificatesOf } from "./certificate.ts";
import { createVerifyPeer } from "./create-verify-peer.ts";
import { createTestCa } from "./testing.ts";
import type { VerifyPeer } from "./verify-peer.ts";
import { newKeyPair, SIGNING_ALGORITHM, x509 } from "./x509.ts";

const NOW = Date.UTC(2030, 5, 1, 12);
const HOUR = 3_600_000;

function derOf(pem: string): Buffer {
  const [der] = certificatesOf(pem);
  assert.ok(der);
  return der;
}

function refusal(result: ReturnType<VerifyPeer>): { code: string; reason: string } {
  assert.ok(!result.ok);
  return result;
}

test("a node's certificate says who it is", async () => {
  const ca = await createTestCa({ now: NOW });
  for (const role of ["proxy", "gameserver", "apiserver"] as const) {
    const { certificate, notAfter } = await ca.issue({ role, node: "n_1.A-b" });
    const chain = [derOf(certificate)];
    const expected = {
      ok: true,
      peer: { cluster: "cluster-test", role, node: "n_1.A-b", notAfter },
    };
    assert.deepEqual(ca.verifyPeer(chain, NOW), expected);
    assert.deepEqual(ca.verifyPeer(chain, NOW), expected, "remembered");
    assert.deepEqual(ca.verifyPeer([...chain, Buffer.from("more")], NOW), expected);
  }
});

test("a clock before or behind the certificate's days is named, also for one seen before", async () => {
  const ca = await createTestCa({ now: NOW });
  const span = { notBefore: NOW - HOUR, notAfter: NOW + HOUR };
  const { certificate } = await ca.issue({ role: "gameserver", node: "gs-1" }, span);
  const chain = [derOf(certificate)];
  assert.ok(ca.verifyPeer(chain, NOW - HOUR).ok);
  assert.ok(ca.verifyPeer(chain, NOW + HOUR).ok);
  const early = refusal(ca.verifyPeer(chain, NOW - HOUR - 1));
  assert.equal(early.code, "not-yet-valid");
  assert.match(early.reason, /gameserver gs-1 is good only from 2030-06-01T11:00:00Z/);
  assert.match(early.reason, /this machine's clock says 2030-06-01T10:59:59Z.*other machine/);
  const late = refusal(ca.verifyPeer(chain, NOW + HOUR + 1000));
  assert.equal(late.code, "expired");
  assert.match(late.reason, /gs-1 expired at 2030-06-01T13:00:00Z/);
  assert.match(late.reason, /this machine's clock says 2030-06-01T13:00:01Z.*other machine/);
});

test("no certificate outlives its CA", async () => {
  const ca = await createTestCa({ now: NOW, span: { notAfter: NOW - HOUR } });
  const { certificate, notAfter } = await ca.issue({ role: "proxy", node: "p-1" });
  assert.equal(notAfter, NOW - HOUR);
  const { code, reason } = refusal(ca.verifyPeer([derOf(certificate)], NOW));
  assert.equal(code, "expired");
  assert.match(reason, /proxy p-1 expired/);
});

test("another CA is refused, also one of the same name", async () => {
  const [ours, twin, other] = await Promise.all([
    createTestCa({ now: NOW }),
    createTestCa({ now: NOW }),
    createTestCa({ now: NOW, cluster: "elsewhere" }),
  ]);
  const name = { role: "proxy", node: "p-1" } as const;
  const fromTwin = refusal(ours.verifyPeer([derOf((await twin.issue(name)).certificate)], NOW));
  assert.equal(fromTwin.code, "foreign-ca");
  assert.match(fromTwin.reason, /another CA of the same name/);
  const fromOther = refusal(ours.verifyPeer([derOf((await other.issue(name)).certificate)], NOW));
  assert.equal(fromOther.code, "foreign-ca");
  assert.match(fromOther.reason, /CA of elsewhere; trusted here: .*CA of cluster-test/);
});

test("while a CA is replaced both are trusted; another cluster's is trusted for nothing", async () => {
  const [old, fresh, other] = await Promise.all([
    createTestCa({ now: NOW }),
    createTestCa({ now: NOW }),
    createTestCa({ now: NOW, cluster: "elsewhere" }),
  ]);
  const verify = createVerifyPeer(
    `${fresh.authorities}${old.authorities}${other.authorities}`,
    "cluster-test",
  );
  const name = { role: "proxy", node: "p-1" } as const;
  for (const ca of [old, fresh])
    assert.ok(verify([derOf((await ca.issue(name)).certificate)], NOW).ok);
  const { code, reason } = refusal(verify([derOf((await other.issue(name)).certificate)], NOW));
  assert.equal(code, "other-cluster");
  assert.match(reason, /p-1 of cluster elsewhere, here is cluster-test/);
});

test("a peer without a certificate, or with none that can be read", async () => {
  const ca = await createTestCa({ now: NOW });
  assert.equal(refusal(ca.verifyPeer([], NOW)).code, "no-certificate");
  assert.equal(refusal(ca.verifyPeer([Buffer.alloc(0)], NOW)).code, "no-certificate");
  const { certificate } = await ca.issue({ role: "proxy", node: "p-1" });
  const der = derOf(certificate);
  const strange = [
    Buffer.from("nothing"),
    Buffer.alloc(100_000),
    Buffer.from(certificate),
    Buffer.concat([der, Buffer.from([0])]),
    der.subarray(0, -1),
  ];
  for (const bytes of strange)
    assert.equal(refusal(ca.verifyPeer([bytes], NOW)).code, "bad-certificate");
});

test("the CA's own certificate is nobody's", async () => {
  const ca = await createTestCa({ now: NOW });
  const { code, reason } = refusal(ca.verifyPeer([derOf(ca.authorities)], NOW));
  assert.equal(code, "bad-certificate");
  assert.match(reason, /names no node/);
});

test("what the CA signed for other ends is refused", async () => {
  const span = { notBefore: NOW - HOUR, notAfter: NOW + HOUR };
  const authority = await makeAuthority("cluster-test", span);
  const verify = createVerifyPeer(authority.certificate, "cluster-test");
  const uri = (value: string) => ({ type: "url", value }) as const;
  const { serverAuth, clientAuth } = x509.ExtendedKeyUsage;
  const good = {
    ca: false,
    names: [uri("atlasnet://cluster-test/proxy/p-1")],
    usages: [serverAuth, clientAuth],
  };
  const sign = async ({ ca, names, usages }: typeof good) => {
    const { publicKey } = await newKeyPair();
    const certificate = await x509.X509CertificateGenerator.create({
      subject: "CN=p-1",
      issuer: new x509.X509Certificate(authority.certificate).subjectName.toJSON(),
      notBefore: new Date(span.notBefore),
      notAfter: new Date(span.notAfter),
      signingAlgorithm: SIGNING_ALGORITHM,
      publicKey,
      signingKey: authority.keys.privateKey,
      extensions: [
        new x509.BasicConstraintsExtension(ca, undefined, true),
        new x509.ExtendedKeyUsageExtension(usages),
        new x509.SubjectAlternativeNameExtension(names),
      ],
    });
    return verify([new Uint8Array(certificate.rawData)], NOW);
  };
  assert.ok((await sign(good)).ok, "the way of signing is not what is refused");
  const cases: [Partial<typeof good>, RegExp][] = [
    [{ ca: true }, /one of a CA/],
    [{ usages: [serverAuth] }, /not for servers and clients/],
    [{ usages: [clientAuth] }, /not for servers and clients/],
    [{ names: [uri("atlasnet://cluster-test/ca/ca")] }, /join server/],
    ...[
      [uri("atlasnet://cluster-test/proxy/p-1"), uri("atlasnet://cluster-test/proxy/p-2")],
      [uri("atlasnet://cluster-test/proxy/p-1/")],
      [uri("atlasnet://cluster-test/proxy/p-1?x")],
      [uri("atlasnet://cluster-test/admin/p-1")],
      [uri("atlasnet://cluster-test/proxy/../p-1")],
      [uri("ATLASNET://cluster-test/proxy/p-1")],
      [uri("atlasnet://cluster-test/proxy/p-1, URI:atlasnet://cluster-test/proxy/p-2")],
      [uri("atlasnet://cluster-test/proxy/")],
      [uri(`atlasnet://cluster-test/proxy/${"p".repeat(65)}`)],
      [uri("https://cluster-test/proxy/p-1")],
    ].map((names): [Partial<typeof good>, RegExp] => [{ names }, /names no node/]),
  ];
  for (const [part, reason] of cases) {
    const found = refusal(await sign({ ...good, ...part }));
    assert.equal(found.code, "bad-certificate");
    assert.match(found.reason, reason);
  }
});

test("no bytes but the CA's own are taken, and none make it throw", async () => {
  const ca = await createTestCa({ now: NOW });
  const { certificate } = await ca.issue({ role: "proxy", node: "p-1" });
  const der = derOf(certificate);
  const change = fc.oneof(
    // A byte becomes another, some are cut out, some are put in.
    fc.record({
      at: fc.nat(der.length - 1),
      cut: fc.constant(1),
      put: fc.uint8Array({ minLength: 1, maxLength: 1 }),
    }),
    fc.record({ at: fc.nat(der.length), cut: fc.nat(8), put: fc.uint8Array({ maxLength: 8 }) }),
  );
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 3 }), (changes) => {
      let bytes = der;
      for (const { at, cut, put } of changes)
        bytes = Buffer.concat([bytes.subarray(0, at), put, bytes.subarray(at + cut)]);
      const result = ca.verifyPeer([bytes], NOW);
      assert.equal(result.ok, bytes.equals(der));
      if (!result.ok) assert.match(result.reason, /^[ -~…]*$/, "a reason is one plain line");
    }),
    { numRuns: 2000 },
  );
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2000 }), (bytes) => {
      assert.ok(!ca.verifyPeer([bytes], NOW).ok);
    }),
    { numRuns: 300 },
  );
});

test("CA certificates that cannot be used are named at once", async () => {
  const ca = await createTestCa({ now: NOW });
  const { certificate } = await ca.issue({ role: "proxy", node: "p-1" });
  const bad = { code: "bad-authorities" };
  assert.throws(() => createVerifyPeer("", "c"), bad);
  assert.throws(() => createVerifyPeer("no certificate", "c"), bad);
  assert.throws(() => createVerifyPeer(certificate, "c"), bad);
  assert.throws(() => createVerifyPeer(ca.authorities.replace(/M/g, "N"), "c"), bad);
});
