import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { certificatesOf, parseCertificate } from "./certificate.ts";
import { checkRenewalProof, signRenewalProof } from "./renewal-proof.ts";
import { createTestCa } from "./testing.ts";

const NOW = Date.UTC(2030, 0, 1);

async function scene() {
  const ca = await createTestCa({ now: NOW });
  const { certificate: pem, privateKey } = await ca.issue({ role: "gameserver", node: "gs-1" });
  const [der] = certificatesOf(pem);
  const certificate = der && parseCertificate(der);
  assert.ok(certificate !== undefined);
  return { ca, certificate, privateKey };
}

test("a proof is good for its request, for the time of clocks that differ, and for one key", async () => {
  const { ca, certificate, privateKey } = await scene();
  const proof = await signRenewalProof({ csr: "a", privateKey }, NOW);
  const check = (csr: string, now: number, text = proof) =>
    checkRenewalProof({ csr, proof: text, certificate }, now);
  assert.equal(await check("a", NOW), undefined);
  assert.equal(await check("a", NOW + 299_000), undefined);
  assert.equal(await check("a", NOW - 299_000), undefined);
  assert.match((await check("a", NOW + 301_000)) ?? "", /compare the clocks/);
  assert.match((await check("a", NOW - 301_000)) ?? "", /clocks|not signed/);
  assert.match((await check("b", NOW)) ?? "", /another request/);
  const other = await ca.issue({ role: "gameserver", node: "gs-1" });
  const theirs = await signRenewalProof({ csr: "a", privateKey: other.privateKey }, NOW);
  assert.match((await check("a", NOW, theirs)) ?? "", /not signed with the key/);
});

test("whatever is sent as a proof, it is judged", async () => {
  const { certificate } = await scene();
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary", maxLength: 200 }), async (proof) => {
      assert.match(
        (await checkRenewalProof({ csr: "a", proof, certificate }, NOW)) ?? "",
        /not signed/,
      );
    }),
    { numRuns: 50 },
  );
});
