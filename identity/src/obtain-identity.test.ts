import assert from "node:assert/strict";
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { noopLogger, OperatingError } from "@atlasnet/core";
import { DAY_MS } from "./authority.ts";
import { certificatesOf } from "./certificate.ts";
import { createCa } from "./cluster-ca.ts";
import { createVerifyPeer } from "./create-verify-peer.ts";
import { newPrivateKey } from "./node-key.ts";
import { type ObtainIdentityOptions, obtainIdentity } from "./obtain-identity.ts";
import { tempDir } from "./testing/temp-dir.ts";

const NOW = Date.UTC(2030, 0, 1);

async function scene(t: TestContext) {
  const root = await tempDir(t);
  const clock = { at: NOW };
  const now = () => clock.at;
  const caDir = join(root, "ca");
  const ca = await createCa(caDir, { cluster: "play" }, { now });
  const dir = join(root, "identity");
  const obtain = (options: Partial<ObtainIdentityOptions> = {}) =>
    obtainIdentity(
      { dir, role: "gameserver", node: "gs-1", ...options },
      { logger: noopLogger, now },
    );
  const fails = async (
    options: Partial<ObtainIdentityOptions>,
    code: string,
    message: RegExp,
    hint: RegExp,
  ) => {
    const error = await obtain(options).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof OperatingError, `${error}`);
    assert.equal(error.code, code, error.message);
    assert.match(error.message, message);
    assert.match(error.hint ?? "", hint);
  };
  return { root, clock, now, ca, caDir, dir, obtain, fails };
}

test("a folder of a CA on this machine gives a node its certificate once", async (t) => {
  const { ca, caDir, dir, obtain, fails } = await scene(t);
  const { identity, secrets } = await obtain({ ca: caDir });
  assert.equal(secrets, undefined, "a gameserver gets no keys of proxies");
  assert.deepEqual(
    [identity.cluster, identity.role, identity.node, identity.notAfter],
    ["play", "gameserver", "gs-1", NOW + 90 * DAY_MS],
  );
  assert.ok(createVerifyPeer(ca.authorities, "play")(certificatesOf(identity.certificate), NOW).ok);
  assert.deepEqual((await readdir(dir)).sort(), ["ca.crt", "gs-1.crt", "gs-1.key"]);
  if (process.platform !== "win32")
    assert.equal((await stat(join(dir, "gs-1.key"))).mode & 0o777, 0o600);
  assert.deepEqual(await obtain({ ca: caDir }), { identity });
  assert.deepEqual(await obtain(), { identity }, "the folder of the CA is not needed any more");
  assert.equal((await ca.list()).length, 1);
  await rm(caDir, { recursive: true });
  assert.deepEqual(await obtain({ ca: caDir }), { identity }, "the folder may be put away");
  await fails({ ca: caDir, node: "gs-2" }, "no-ca", /is no CA folder/, /atlasnet ca init/);
});

test("a proxy gets the keys that proxies share, and hears of new ones from the CA's folder", async (t) => {
  const { ca, caDir, dir, obtain, fails } = await scene(t);
  const proxy = { role: "proxy", node: "p-1" } as const;
  const { secrets } = await obtain({ ...proxy, ca: caDir });
  assert.deepEqual(secrets, await ca.secrets());
  assert.equal(secrets?.udp, await readFile(join(dir, "udp.jwk.json"), "utf8"));
  assert.deepEqual((await obtain(proxy)).secrets, secrets);
  await rm(join(caDir, "udp.jwk.json"));
  const later = await obtain({ ...proxy, ca: caDir });
  assert.notEqual(later.secrets?.udp, secrets?.udp);
  assert.equal((await ca.list()).length, 1, "the certificate is the same");
  await rm(join(dir, "tickets.jwks.json"));
  await fails(proxy, "unreadable-file", /tickets\.jwks\.json is missing/, /CA's folder/);
});

test("several nodes of a machine share a folder; two starts of one node at once agree", async (t) => {
  const { caDir, dir, obtain } = await scene(t);
  const nodes = ["gs-1", "gs-2", "gs-1", "gs-2", "gs-1"];
  await Promise.all(nodes.map((node) => obtain({ node, ca: caDir })));
  assert.deepEqual(await readdir(dir), ["ca.crt", "gs-1.crt", "gs-1.key", "gs-2.crt", "gs-2.key"]);
  for (const node of ["gs-1", "gs-2"]) assert.equal((await obtain({ node })).identity.node, node);
});

test("a node without anything is told both ways", async (t) => {
  const { dir, fails } = await scene(t);
  await fails(
    {},
    "no-identity",
    /gs-1 has no certificate in .*identity/,
    /atlasnet ca token --role gameserver --node gs-1.*--join.*--ca FOLDER.*atlasnet ca init/,
  );
  await assert.rejects(readdir(dir), { code: "ENOENT" });
  await fails({ ca: join(dir, "none") }, "no-ca", /is no CA folder/, /atlasnet ca init --dir/);
});

test("what expired is said with the date, and mended where there is a CA", async (t) => {
  const { clock, caDir, obtain, fails } = await scene(t);
  const { identity } = await obtain({ ca: caDir });
  clock.at += 91 * DAY_MS;
  await fails(
    {},
    "expired",
    /gs-1\.crt: .*expired at 2030-04-01T00:00:00Z.*clock says 2030-04-02/,
    /atlasnet ca token --role gameserver --node gs-1.*atlasnet ca renew/,
  );
  const again = await obtain({ ca: caDir });
  assert.equal(again.identity.privateKey, identity.privateKey);
  assert.equal(again.identity.notAfter, clock.at + 90 * DAY_MS);
});

test("a certificate of the future means a wrong clock, which a new certificate does not mend", async (t) => {
  const { clock, caDir, obtain, fails } = await scene(t);
  await obtain({ ca: caDir });
  clock.at -= DAY_MS;
  for (const ca of [{}, { ca: caDir }])
    await fails(
      ca,
      "not-yet-valid",
      /from 2029-12-31T23:55:00Z on.*clock says 2029-12-31T00/,
      /Set this machine's clock/,
    );
});

test("files of another role, another node or another cluster are named", async (t) => {
  const { root, caDir, dir, obtain, fails } = await scene(t);
  await obtain({ ca: caDir });
  await fails(
    { role: "proxy" },
    "wrong-role",
    /gs-1\.crt is the certificate of a gameserver, this node is a proxy/,
    /atlasnet ca issue --role proxy --node gs-1/,
  );
  for (const end of ["crt", "key"])
    await copyFile(join(dir, `gs-1.${end}`), join(dir, `gs-2.${end}`));
  await fails(
    { node: "gs-2" },
    "wrong-node",
    /certificate of node gs-1, this node is gs-2/,
    /node\.id/,
  );
  const otherCa = join(root, "other-ca");
  await createCa(otherCa, { cluster: "elsewhere" }, { now: () => NOW });
  await fails(
    { ca: otherCa },
    "foreign-ca",
    /of cluster play that .*other-ca does not know/,
    /remove gs-1\.crt/,
  );
  await fails(
    { node: "gs-3", ca: otherCa },
    "other-cluster",
    /holds identities of cluster play.*elsewhere/,
    /identity\.dir/,
  );
  await copyFile(join(otherCa, "ca.crt"), join(dir, "ca.crt"));
  await fails({}, "foreign-ca", /gs-1\.crt: .*another CA/, /identity\.dir/);
});

test("a file that is missing or damaged is named", async (t) => {
  const { caDir, dir, obtain, fails } = await scene(t);
  await obtain({ ca: caDir });
  const at = (name: string) => join(dir, name);
  const texts = new Map<string, string>();
  for (const name of await readdir(dir)) texts.set(name, await readFile(at(name), "utf8"));
  const spoil = async (name: string, text: string | undefined, code: string, message: RegExp) => {
    await rm(at(name));
    if (text !== undefined) await writeFile(at(name), text);
    await fails({}, code, message, /./);
    await writeFile(at(name), texts.get(name) ?? "");
    await obtain();
  };
  await spoil("gs-1.key", undefined, "unreadable-file", /gs-1\.key is missing.*gs-1\.crt/);
  await spoil("gs-1.key", "no key", "unreadable-file", /gs-1\.key is not a private key/);
  await spoil("gs-1.key", await newPrivateKey(), "key-mismatch", /gs-1\.key does not belong/);
  await spoil("gs-1.crt", "", "unreadable-file", /gs-1\.crt holds no certificate/);
  await spoil("ca.crt", undefined, "unreadable-file", /ca\.crt is missing/);
  await spoil("ca.crt", "x", "unreadable-file", /ca\.crt cannot be used/);
  await rm(at("gs-1.key"));
  await mkdir(at("gs-1.key"));
  await fails({}, "unreadable-file", /gs-1\.key cannot be read/, /readable/);
});

test("a key without a certificate, of a start that was cut off, is used", async (t) => {
  const { caDir, dir, obtain, fails } = await scene(t);
  await mkdir(dir, { recursive: true });
  await writeFile(join(dir, "gs-1.key"), "half a k");
  await fails(
    { ca: caDir },
    "unreadable-file",
    /gs-1\.key is not a P-256 key/,
    /remove gs-1\.crt and gs-1\.key/,
  );
  const key = await newPrivateKey();
  await writeFile(join(dir, "gs-1.key"), key);
  assert.equal((await obtain({ ca: caDir })).identity.privateKey, key);
});

test("no node is called ca: its files would be the CA's own", async (t) => {
  const { ca, caDir, fails } = await scene(t);
  for (const node of ["ca", "CA"]) {
    await fails(
      { node, dir: caDir, ca: caDir },
      "bad-node",
      /node\.id: found .ca/i,
      /another node\.id/,
    );
    await assert.rejects(ca.issue({ role: "gameserver", node }), OperatingError);
  }
  assert.equal((await readdir(caDir)).includes("CA.key"), false);
});
