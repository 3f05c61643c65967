import assert from "node:assert/strict";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import test from "node:test";
import { DAY_MS } from "./authority.ts";
import { certificatesOf } from "./certificate.ts";
import { createCa, openCa } from "./cluster-ca.ts";
import { createVerifyPeer } from "./create-verify-peer.ts";
import { renewIdentity } from "./renew-identity.ts";
import { NOW, refusalOf, refuses, scene, serve } from "./testing/join-scene.ts";

test("a token fetches a gameserver's certificate, without the keys of proxies", async (t) => {
  const { ca, dir, token, obtain } = await scene(t);
  const { identity, secrets } = await obtain({ join: await token() });
  assert.equal(secrets, undefined);
  assert.deepEqual([identity.cluster, identity.node], ["play", "gs-1"]);
  const verified = createVerifyPeer(ca.authorities, "play")(
    certificatesOf(identity.certificate),
    NOW,
  );
  assert.ok(verified.ok && verified.peer.role === "gameserver");
  assert.deepEqual((await readdir(dir)).sort(), ["ca.crt", "gs-1.ca.json", "gs-1.crt", "gs-1.key"]);
  assert.deepEqual(await obtain({ join: "no token" }), { identity }, "no token is needed any more");
});

test("a token for proxies brings the keys that proxies share", async (t) => {
  const { ca, token, obtain } = await scene(t);
  const join = await token({ role: "proxy" });
  const nodes = ["p-1", "p-2"].map((node) => obtain({ role: "proxy", node, join }));
  for (const { secrets } of await Promise.all(nodes)) assert.deepEqual(secrets, await ca.secrets());
});

test("tokens that do not fit are refused by name, with what to do", async (t) => {
  const { root, clock, now, dir, address, token, obtain } = await scene(t);
  const forProxy = await token({ role: "proxy" });
  await refuses(
    obtain({ join: forProxy }),
    "wrong-role",
    /for a proxy, the node is a gameserver/,
    /--role/,
  );
  const named = await token({ node: "gs-9" });
  await refuses(obtain({ join: named }), "wrong-node", /for node gs-9, the node is gs-1/, /--node/);
  const other = await createCa(join(root, "other"), {}, { now });
  const theirs = await other.token({ role: "gameserver", ttlSeconds: 60, address });
  await refuses(
    obtain({ join: theirs }),
    "foreign-server",
    /not that of the expected CA/,
    /Nothing was sent/,
  );
  await refuses(obtain({ join: "atlasnet-join-abc" }), "bad-token", /damaged/, /whole token/);
  const short = await token({ ttlSeconds: 60 });
  clock.at += 61_000;
  await refuses(
    obtain({ join: short }),
    "token-expired",
    /expired at 2030-01-01T00:01:00Z/,
    /--ttl/,
  );
  assert.deepEqual(
    await readdir(dir),
    ["gs-1.key"],
    "a refused node has its key, and nothing else",
  );
});

test("a node id that is taken is refused, unless the token names the node", async (t) => {
  const { root, clock, ca, token, obtain } = await scene(t);
  const open = await token({ ttlSeconds: 1000 * 86_400 });
  await obtain({ join: open });
  const elsewhere = join(root, "elsewhere");
  await refuses(
    obtain({ dir: elsewhere, join: open }),
    "node-taken",
    /gs-1 \(gameserver\) has a certificate until 2030-04-01/,
    /another node\.id.*--node/,
  );
  await refuses(
    obtain({ dir: elsewhere, role: "proxy", join: await token({ role: "proxy" }) }),
    "node-taken",
    /gs-1 \(gameserver\)/,
    /node\.id/,
  );
  await obtain({ dir: elsewhere, join: await token({ node: "gs-1" }) });
  await rm(join(elsewhere, "gs-1.crt"));
  clock.at += 91 * DAY_MS;
  await obtain({ dir: join(root, "third"), join: open });
  assert.equal((await ca.list()).length, 3);
});

test("of two nodes with one id that come at once, one gets in", async (t) => {
  const { root, token, obtain } = await scene(t);
  const join_ = await token();
  const dirs = ["a", "b", "c", "d"].map((name) => join(root, name));
  const results = await Promise.allSettled(dirs.map((dir) => obtain({ dir, join: join_ })));
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a node whose first answer was lost asks again with its key", async (t) => {
  const { dir, token, obtain } = await scene(t);
  const open = await token();
  const first = await obtain({ join: open });
  await rm(join(dir, "gs-1.crt"));
  const second = await obtain({ join: open });
  assert.equal(second.identity.privateKey, first.identity.privateKey);
});

test("a node renews against its certificate, and hears of new keys", async (t) => {
  const { clock, ca, dir, token, deps, obtain } = await scene(t);
  const place = { dir, role: "proxy", node: "p-1" } as const;
  const before = await obtain({ ...place, join: await token({ role: "proxy" }) });
  clock.at += 60 * DAY_MS;
  const after = await renewIdentity(place, deps);
  assert.equal(after.identity.notAfter, clock.at + 90 * DAY_MS);
  assert.equal(after.identity.privateKey, before.identity.privateKey);
  assert.deepEqual((await obtain(place)).identity, after.identity);
  await rm(join(ca.dir, "udp.jwk.json"));
  const third = await renewIdentity(place, deps);
  assert.ok(third.secrets);
  assert.notEqual(third.secrets.udp, before.secrets?.udp);
});

test("a CA is replaced step by step, as the operations page says, and nobody is cut off", async (t) => {
  const { root, now, ca, address, token, deps, obtain } = await scene(t);
  const place = (node: string) => ({ dir: join(root, node), role: "proxy", node }) as const;
  const first = await obtain({ ...place("p-1"), join: await token({ role: "proxy" }) });
  const second = await obtain({ ...place("p-2"), join: await token({ role: "proxy" }) });
  const knowsEachOther = (a: typeof first, b: typeof first) =>
    [
      [a, b],
      [b, a],
    ].every(([one, other]) => {
      assert.ok(one && other);
      const verify = createVerifyPeer(one.identity.authorities, "play");
      return verify(certificatesOf(other.identity.certificate), now()).ok;
    });
  // The old one tells everybody of the new one.
  const next = await createCa(join(root, "next"), { cluster: "play" }, { now });
  await writeFile(join(ca.dir, "ca.crt"), `${ca.certificate}${next.certificate}`);
  const told = await serve(t, await openCa(ca.dir, { now }), now);
  const toldFirst = await renewIdentity({ ...place("p-1"), address: told }, deps);
  assert.ok(knowsEachOther(toldFirst, second));
  await renewIdentity({ ...place("p-2"), address: told }, deps);
  // The new one takes over, with the records and the keys, and trusts the old one still.
  for (const name of ["issued", "tickets.jwks.json", "udp.jwk.json"])
    await cp(join(ca.dir, name), join(next.dir, name), { recursive: true });
  await writeFile(join(next.dir, "ca.crt"), `${next.certificate}${ca.certificate}`);
  const taken = await serve(t, await openCa(next.dir, { now }), now);
  const newFirst = await renewIdentity({ ...place("p-1"), address: taken }, deps);
  assert.deepEqual(newFirst.secrets, first.secrets);
  const oldSecond = await obtain(place("p-2"));
  assert.ok(knowsEachOther(newFirst, oldSecond), "one has a new certificate, one an old one");
  await renewIdentity({ ...place("p-2"), address: taken }, deps);
  // The old one goes.
  await writeFile(join(next.dir, "ca.crt"), next.certificate);
  const last = await serve(t, await openCa(next.dir, { now }), now);
  const lastFirst = await renewIdentity({ ...place("p-1"), address: last }, deps);
  assert.ok(knowsEachOther(lastFirst, await obtain(place("p-2"))));
  assert.ok(!knowsEachOther(lastFirst, second), "what the old one signed is nothing any more");
  await refuses(
    renewIdentity({ ...place("p-1"), address }, deps),
    "foreign-server",
    /not that of the expected CA/,
    /./,
  );
});

test("a renewal is refused to who is out of date, or out of the records", async (t) => {
  const { clock, ca, dir, token, place, deps, obtain } = await scene(t);
  await obtain({ join: await token() });
  const [record] = await ca.list();
  assert.ok(record);
  const file = join(ca.dir, "issued", `gs-1.${record.serial}.json`);
  const text = await readFile(file, "utf8");
  await rm(file);
  await refuses(
    renewIdentity(place, deps),
    "unknown-certificate",
    /not in the CA's records/,
    /ca token/,
  );
  await writeFile(file, text);
  await renewIdentity(place, deps);
  // The CA's clock is ahead of the node's.
  const late = { ...deps, now: () => NOW };
  clock.at += 91 * DAY_MS;
  await refuses(
    renewIdentity(place, late),
    "bad-certificate",
    /gs-1 expired at/,
    /ca token --node/,
  );
  const { code } = await refusalOf(renewIdentity(place, deps));
  assert.equal(code, "expired");
  await rm(join(dir, "gs-1.ca.json"));
  const error = await refusalOf(renewIdentity(place, late));
  assert.equal(error.code, "no-source");
  assert.match(error.hint ?? "", /--address HOST:PORT/);
});

test("a node whose certificate has expired joins again with a token", async (t) => {
  const { clock, token, obtain } = await scene(t);
  const join = await token({ ttlSeconds: 1000 * 86_400 });
  const { identity } = await obtain({ join });
  clock.at += 91 * DAY_MS;
  const again = await obtain({ join });
  assert.equal(again.identity.notAfter, clock.at + 90 * DAY_MS);
  assert.equal(again.identity.privateKey, identity.privateKey);
});
