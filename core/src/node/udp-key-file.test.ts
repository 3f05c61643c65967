import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { KeyFileError } from "./key-file.ts";
import { loadOrCreateUdpKey, readUdpKey } from "./udp-key-file.ts";

async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-keys-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test("a key file is made once and read afterwards", async (t) => {
  const dir = await tempDir(t);
  const file = join(dir, "keys", "udp.jwk.json");
  assert.equal(await readUdpKey(file), undefined);
  const first = await loadOrCreateUdpKey(file);
  const second = await loadOrCreateUdpKey(file);
  assert.deepEqual([first.created, second.created], [true, false]);
  assert.deepEqual(second.key, first.key);
  assert.deepEqual(await readUdpKey(file), first.key);
  assert.deepEqual(await readdir(join(dir, "keys")), ["udp.jwk.json"]);
});

test("the file is for its owner only", { skip: process.platform === "win32" }, async (t) => {
  const file = join(await tempDir(t), "udp.jwk.json");
  await loadOrCreateUdpKey(file);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
});

test("processes that start together agree on one key", async (t) => {
  const file = join(await tempDir(t), "udp.jwk.json");
  const all = await Promise.all(Array.from({ length: 4 }, () => loadOrCreateUdpKey(file)));
  assert.equal(all.filter(({ created }) => created).length, 1);
  for (const { key } of all) assert.deepEqual(key, all[0]?.key);
});

const jwk = (key: Uint8Array) => Buffer.from(key).toString("base64url");
// A key pair of the public Noise test vectors.
const PRIVATE = Buffer.from(
  "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
  "hex",
);
const PUBLIC = Buffer.from(
  "358072d6365880d1aeea329adf9121383851ed21a28e3b75e965d0d2cd166254",
  "hex",
);
const GOOD = { kty: "OKP", crv: "X25519", d: jwk(PRIVATE), x: jwk(PUBLIC) };

test("a key that somebody else made is read", async (t) => {
  const file = join(await tempDir(t), "udp.jwk.json");
  await writeFile(file, JSON.stringify({ ...GOOD, use: "enc" }));
  const { key, created } = await loadOrCreateUdpKey(file);
  assert.equal(created, false);
  assert.deepEqual(key, {
    privateKey: new Uint8Array(PRIVATE),
    publicKey: new Uint8Array(PUBLIC),
  });
});

test("a damaged file is refused with its name and the way out, and left alone", async (t) => {
  const file = join(await tempDir(t), "udp.jwk.json");
  const good = JSON.stringify(GOOD);
  const damaged: [string, RegExp][] = [
    ["", /is not JSON/],
    [good.slice(0, good.length / 2), /is not JSON/],
    ["null", /is not a private X25519 key/],
    ["[]", /is not a private X25519 key/],
    [JSON.stringify({ ...GOOD, d: undefined }), /is not a private X25519 key/],
    [JSON.stringify({ ...GOOD, crv: "Ed25519" }), /is not a private X25519 key/],
    [JSON.stringify({ ...GOOD, d: "AAAA" }), /a part d of 3 bytes, allowed: 32/],
    [JSON.stringify({ ...GOOD, x: GOOD.d }), /do not belong together/],
    [" ".repeat(5000), /is longer than/],
  ];
  for (const [text, problem] of damaged) {
    await writeFile(file, text);
    await assert.rejects(loadOrCreateUdpKey(file), (error: unknown) => {
      assert.ok(error instanceof KeyFileError, String(error));
      assert.ok(error.message.startsWith(`${file} `));
      assert.match(error.message, problem);
      assert.match(error.hint ?? "", /Put a good copy back, or move the file away/);
      return true;
    });
    assert.equal(await readFile(file, "utf8"), text);
  }
});

test("a folder that cannot be made is an error that names file and setting", async (t) => {
  const blocker = join(await tempDir(t), "blocker");
  await writeFile(blocker, "a file, not a folder");
  const file = join(blocker, "keys", "udp.jwk.json");
  await assert.rejects(loadOrCreateUdpKey(file), (error: unknown) => {
    assert.ok(error instanceof KeyFileError);
    assert.ok(error.message.startsWith(`${file} cannot be `));
    assert.match(error.hint ?? "", /proxy\.udp\.keyFile/);
    return true;
  });
});
