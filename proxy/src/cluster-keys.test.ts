import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { loadConfig, loadOrCreateKeyFile, loadOrCreateUdpKey } from "@atlasnet/core/node";
import { clusterKeys } from "./cluster-keys.ts";

const dir = await mkdtemp(join(tmpdir(), "atlasnet-keys-"));
after(() => rm(dir, { recursive: true, force: true }));

async function loaded(settings: { [path: string]: string } = {}) {
  const given = { "data.dir": dir, ...settings };
  const flags = Object.entries(given).map(([path, text]) => ({ name: `--${path}`, path, text }));
  return loadConfig({ env: {}, flags, workingDir: dir });
}

/** A token that these keys sign. */
const claims = { account: "ann", world: "w", name: "Ann", data: null, expiresAt: 2_000_000_000 };
const NOW = 1_900_000_000;

test("a proxy of a cluster has the CA's keys, or those of the files it is told, and makes none", async () => {
  await assert.rejects(clusterKeys(await loaded()), {
    code: "no-key-file",
    message: `tickets.keyFile: ${join(dir, "identity", "tickets.jwks.json")} is not there`,
    hint: /The CA hands it to proxies/,
  });
  assert.deepEqual(await readdir(dir), [], "nothing was made");

  const { keys: ofCa } = await loadOrCreateKeyFile(join(dir, "identity", "tickets.jwks.json"));
  const { key: udpOfCa } = await loadOrCreateUdpKey(join(dir, "identity", "udp.jwk.json"));
  const usual = await clusterKeys(await loaded());
  assert.ok((await usual.tickets.verify(await ofCa.issue(claims), NOW)).ok);
  assert.deepEqual(usual.udp, udpOfCa);

  const own = join(dir, "own.jwks.json");
  const settings = { "tickets.keyFile": own, "proxy.udp.enabled": "false" };
  await assert.rejects(clusterKeys(await loaded(settings)), {
    code: "no-key-file",
    message: `tickets.keyFile: ${own} is not there`,
    hint: /^All proxies of a cluster share this file/,
  });
  const { keys: ofUser } = await loadOrCreateKeyFile(own);
  const told = await clusterKeys(await loaded(settings));
  assert.ok((await told.tickets.verify(await ofUser.issue(claims), NOW)).ok);
  assert.ok(!(await told.tickets.verify(await ofCa.issue(claims), NOW)).ok);
  assert.equal(told.udp, undefined);
});
