import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { loadConfig, ServiceHost, settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { createCa } from "@atlasnet/identity";
import { openClusterLinks } from "./cluster-links.ts";

const DAY_MS = 86_400_000;

/** The links of a proxy that got its certificate from a CA folder, which may be put away after that. */
async function scene(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-links-"));
  const ca = join(dir, "ca");
  const settings = { "node.id": "p-1", "health.port": "0", "identity.ca": ca, "data.dir": dir };
  const flags = Object.entries(settings).map(([path, text]) => ({ name: `--${path}`, path, text }));
  const { config } = await loadConfig({ env: {}, flags, workingDir: dir });
  const host = await ServiceHost.start({ config, role: "proxy" }, { logger: noopLogger });
  t.after(async () => {
    await host.stop();
    await rm(dir, { recursive: true, force: true });
  });
  await createCa(ca, { cluster: "test" });
  const clock = new SimClock({ wallStart: Date.now() });
  const options = {
    config,
    role: "proxy",
    accepts: ["gameserver"],
    bind: { host: "127.0.0.1", port: 0 },
    lookup: () => undefined,
  } as const;
  const links = await openClusterLinks(options, host, clock);
  host.ready();
  const get = async (path: string) => {
    const response = await fetch(`http://127.0.0.1:${host.health.boundPort}/${path}`);
    return response.text();
  };
  return { links, clock, get, putAway: () => rm(ca, { recursive: true }) };
}

test("the certificate is renewed while the links are in use, and its end is shown", {
  timeout: 20_000,
}, async (t) => {
  const { links, clock, get } = await scene(t);
  const { notAfter, ...who } = links.identity;
  assert.deepEqual(who, { cluster: "test", role: "proxy", node: "p-1" });
  assert.equal(links.address, undefined, "no socket is open yet");
  const shown = async () =>
    Number(/^atlasnet_identity_expiry_timestamp_seconds (\S+)$/m.exec(await get("metrics"))?.[1]);
  assert.equal(await shown(), notAfter / 1000);
  clock.advance(61 * DAY_MS);
  while (links.identity.notAfter === notAfter) await settle();
  assert.ok(links.identity.notAfter >= notAfter + 60 * DAY_MS);
  assert.equal(await shown(), links.identity.notAfter / 1000);
  assert.match(await get("ready"), /"name":"identity","ok":true/);
});

test("a node whose certificate could not be renewed is not ready once it expired", async (t) => {
  const { clock, get, putAway } = await scene(t);
  await putAway();
  assert.match(await get("ready"), /"status":"ok"/);
  clock.advance(91 * DAY_MS);
  assert.match(
    await get("ready"),
    /"identity","ok":false,"reason":"the node's certificate expired/,
  );
});
