import assert from "node:assert/strict";
import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { loadOrCreateKeyFile, readUdpKey } from "@atlasnet/core/node";
import { DAY_MS } from "./authority.ts";
import { certificatesOf } from "./certificate.ts";
import { createCa, openCa } from "./cluster-ca.ts";
import { createVerifyPeer } from "./create-verify-peer.ts";
import { tempDir } from "./testing/temp-dir.ts";

const NOW = Date.UTC(2030, 0, 1);
const clock = { now: () => NOW };

test("a new CA has everything a cluster needs, and its secrets are for this user only", async (t) => {
  const dir = join(await tempDir(t), "ca");
  const ca = await createCa(dir, {}, clock);
  assert.match(ca.cluster, /^cluster-[a-z0-9]{6}$/);
  assert.equal(ca.authority.notAfter, NOW + 3650 * DAY_MS);
  assert.equal(ca.authority.notBefore, NOW - 300_000);
  assert.deepEqual((await readdir(dir)).sort(), [
    "ca.crt",
    "ca.key",
    "tickets.jwks.json",
    "udp.jwk.json",
  ]);
  if (process.platform !== "win32")
    for (const file of ["ca.key", "tickets.jwks.json", "udp.jwk.json"])
      assert.equal((await stat(join(dir, file))).mode & 0o777, 0o600, file);
  assert.equal((await loadOrCreateKeyFile(join(dir, "tickets.jwks.json"))).created, false);
  assert.ok(await readUdpKey(join(dir, "udp.jwk.json")));
  const secrets = await ca.secrets();
  assert.equal(secrets.tickets, await readFile(join(dir, "tickets.jwks.json"), "utf8"));
  assert.deepEqual(await (await openCa(dir, clock)).secrets(), secrets);
});

test("keys that proxies share are kept when they are in the folder already", async (t) => {
  const dir = await tempDir(t);
  await loadOrCreateKeyFile(join(dir, "tickets.jwks.json"));
  const before = await readFile(join(dir, "tickets.jwks.json"), "utf8");
  const ca = await createCa(dir, {}, clock);
  assert.equal((await ca.secrets()).tickets, before);
});

test("what was issued is trusted, and in the records", async (t) => {
  const dir = await tempDir(t);
  await createCa(dir, { cluster: "play" }, clock);
  const ca = await openCa(dir, clock);
  const second = await ca.issue({ role: "proxy", node: "p-1", days: 7 });
  const first = await ca.issue({ role: "gameserver", node: "gs-1" });
  assert.deepEqual(
    [first.cluster, first.role, first.node, first.notBefore, first.notAfter],
    ["play", "gameserver", "gs-1", NOW - 300_000, NOW + 90 * DAY_MS],
  );
  const verify = createVerifyPeer(ca.authorities, "play");
  for (const { certificate } of [first, second])
    assert.ok(verify(certificatesOf(certificate), NOW).ok);
  const records = await (await openCa(dir, clock)).list();
  assert.deepEqual(
    records.map(({ role, node, notAfter }) => [role, node, notAfter]),
    [
      ["gameserver", "gs-1", NOW + 90 * DAY_MS],
      ["proxy", "p-1", NOW + 7 * DAY_MS],
    ],
  );
  const [record] = records;
  assert.ok(record);
  assert.deepEqual(await ca.records.find("gs-1", record.serial.toUpperCase()), record);
  assert.equal(await ca.records.find("p-1", record.serial), undefined);
  assert.equal(await ca.records.find("../gs-1", record.serial), undefined);
});

test("node ids that share a beginning are kept apart", async (t) => {
  const ca = await createCa(await tempDir(t), {}, clock);
  for (const node of ["gs", "gs.1", "gs-1"]) await ca.issue({ role: "gameserver", node });
  for (const node of ["gs", "gs.1", "gs-1"])
    assert.deepEqual(
      (await ca.records.ofNode(node)).map((record) => record.node),
      [node],
    );
  assert.deepEqual(await ca.records.ofNode("g"), []);
});

test("two processes may issue at once", async (t) => {
  const dir = await tempDir(t);
  await createCa(dir, {}, clock);
  const [one, two] = await Promise.all([openCa(dir, clock), openCa(dir, clock)]);
  const issue = (ca: typeof one) => ca.issue({ role: "gameserver", node: "gs-1" });
  await Promise.all([one, two, one, two, one, two].map(issue));
  assert.equal(new Set((await one.list()).map(({ serial }) => serial)).size, 6);
});

test("no CA is ever written over", async (t) => {
  const dir = await tempDir(t);
  const results = await Promise.allSettled([createCa(dir), createCa(dir), createCa(dir)]);
  const made = results.filter((result) => result.status === "fulfilled");
  assert.equal(made.length, 1, "of several at once one has it");
  for (const result of results)
    if (result.status === "rejected") assert.equal(result.reason.code, "ca-exists");
  const before = await readFile(join(dir, "ca.key"), "utf8");
  await assert.rejects(createCa(dir), { code: "ca-exists" });
  await rm(join(dir, "ca.crt"));
  await assert.rejects(createCa(dir), { code: "ca-exists" }, "half of one, likewise");
  assert.equal(await readFile(join(dir, "ca.key"), "utf8"), before);
});

test("a folder that is no good CA is named, with what to do", async (t) => {
  const dir = await tempDir(t);
  const open = (code: string, message: RegExp) =>
    assert.rejects(
      openCa(dir, clock),
      (error: { code?: string; message?: string; hint?: string }) => {
        assert.equal(error.code, code);
        assert.match(error.message ?? "", message);
        assert.ok(error.hint);
        return true;
      },
    );
  await open("no-ca", /no CA folder/);
  const { certificate } = await createCa(dir, {}, clock);
  const key = await readFile(join(dir, "ca.key"), "utf8");
  await rm(join(dir, "ca.key"));
  await open("unreadable-file", /ca\.key is missing/);
  await writeFile(join(dir, "ca.key"), "no key");
  await open("unreadable-file", /ca\.key is not a P-256 key/);
  await writeFile(join(dir, "ca.key"), key);
  await writeFile(join(dir, "ca.crt"), "no certificate");
  await open("bad-authorities", /holds no certificate/);
  const other = await createCa(join(dir, "other"), {}, clock);
  await writeFile(join(dir, "ca.crt"), `${other.certificate}${certificate}`);
  await open("key-mismatch", /does not belong to the first certificate/);
  await writeFile(join(dir, "ca.crt"), `${certificate}${other.certificate}`);
  assert.equal((await openCa(dir, clock)).certificate.trim(), certificate.trim());
});

test("what the CA is asked for is checked", async (t) => {
  const dir = await tempDir(t);
  await assert.rejects(createCa(dir, { cluster: "No Name" }), { code: "bad-cluster" });
  await assert.rejects(createCa(dir, { days: 0 }), { code: "bad-days" });
  const ca = await createCa(dir, { days: 10 }, clock);
  const role = "proxy";
  await assert.rejects(ca.issue({ role, node: "../x" }), { code: "bad-node" });
  await assert.rejects(ca.issue({ role, node: "p", days: 1.5 }), { code: "bad-days" });
  const { notAfter } = await ca.issue({ role, node: "p", days: 90 });
  assert.equal(notAfter, NOW + 10 * DAY_MS, "no certificate outlives its CA");
  const late = await openCa(dir, { now: () => NOW + 11 * DAY_MS });
  await assert.rejects(late.issue({ role, node: "p" }), { code: "expired" });
  assert.equal((await late.list()).length, 1);
});

test("dates from 2050 on", async (t) => {
  const now = Date.UTC(2055, 0, 1);
  const ca = await createCa(await tempDir(t), {}, { now: () => now });
  const { certificate, notAfter } = await ca.issue({ role: "proxy", node: "p" });
  const verify = createVerifyPeer(ca.authorities, ca.cluster);
  const chain = certificatesOf(certificate);
  assert.ok(verify(chain, now).ok);
  assert.ok(!verify(chain, notAfter + 1000).ok);
});

test("a damaged record is named", async (t) => {
  const dir = await tempDir(t);
  const ca = await createCa(dir, {}, clock);
  await ca.issue({ role: "proxy", node: "p" });
  await writeFile(join(dir, "issued", "README.txt"), "others' files are not looked at");
  assert.equal((await ca.list()).length, 1);
  await writeFile(join(dir, "issued", `p.${"0".repeat(32)}.json`), "{}");
  await assert.rejects(ca.list(), { code: "unreadable-file", message: /p\.0+\.json is damaged/ });
});
