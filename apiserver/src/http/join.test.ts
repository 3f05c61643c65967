import assert from "node:assert/strict";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { noopLogger, OperatingError } from "@atlasnet/core";
import { createCa, obtainIdentity, renewIdentity } from "@atlasnet/identity";
import { JoinService } from "@atlasnet/identity/server";
import type { JoiningPort } from "./routes/join.ts";
import { apiScene } from "./testing/scene.ts";

/** Nobody listens there: the port is not one that can be listened at. */
const DEAD = "http://127.0.0.1:1";
const now = () => Date.now();
const deps = { logger: noopLogger, now };

async function scene(
  t: TestContext,
  { issues = true, tls = false }: { issues?: boolean; tls?: boolean } = {},
) {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-join-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const ca = await createCa(join(dir, "ca"), { cluster: "play" });
  const server = await ca.issue({ role: "apiserver", node: "api-1" });
  const joining: JoiningPort = {
    cluster: "play",
    authorities: () => ca.authorities,
    certificates: issues ? new JoinService({ ca }, deps) : undefined,
  };
  const api = await apiScene(
    tls ? { tls: { cert: server.certificate, key: server.privateKey } } : {},
    {
      joining,
      cluster: {
        members: () => [
          { node: "api-1", voter: true, address: "10.0.0.1:2556" },
          { node: "api-2", voter: true },
        ],
      },
    },
  );
  t.after(() => api.close());
  const place = { dir: join(dir, "identity"), role: "gameserver", node: "gs-1" } as const;
  const token = (options: { role?: "proxy" | "gameserver"; node?: string } = {}) =>
    ca.token({ role: "gameserver", ttlSeconds: 3600, ...options });
  return { dir, ca, api, place, token, apiservers: [DEAD, ...api.addresses] };
}

async function refusal(
  work: Promise<unknown>,
  code: string,
  reason: string,
): Promise<OperatingError> {
  const error = await work.then(
    () => undefined,
    (problem: unknown) => problem,
  );
  assert.ok(error instanceof OperatingError, `${error}`);
  assert.deepEqual([error.code, error.facts["reason"]], [code, reason], error.message);
  return error;
}

test("anybody is told where the apiservers take links", async (t) => {
  const { api, ca } = await scene(t);
  const answer = await fetch(`${api.addresses[0]}/v1/links`);
  assert.deepEqual(await answer.json(), {
    cluster: "play",
    apiservers: [{ node: "api-1", address: "10.0.0.1:2556" }],
    certificates: true,
    authorities: ca.authorities,
  });
});

for (const tls of [false, true]) {
  const how = tls ? "TLS with a certificate of the CA" : "plain HTTP on this machine";
  test(`a node joins by the first apiserver that answers, and renews there, over ${how}`, async (t) => {
    const { place, token, apiservers, ca } = await scene(t, { tls });
    const { identity } = await obtainIdentity({ ...place, join: await token(), apiservers }, deps);
    assert.equal(identity.cluster, "play");
    const renewed = await renewIdentity({ ...place, apiservers }, deps);
    assert.notEqual(renewed.identity.certificate, identity.certificate);
    assert.equal(renewed.identity.privateKey, identity.privateKey);
    assert.equal((await ca.records.ofNode("gs-1")).length, 2);
  });
}

test("a proxy gets what proxies share; the audit names the node, and nothing secret", async (t) => {
  const { dir, token, apiservers, api, ca } = await scene(t);
  const place = { dir: join(dir, "identity"), role: "proxy", node: "p-1" } as const;
  const join_ = await token({ role: "proxy" });
  const { secrets } = await obtainIdentity({ ...place, join: join_, apiservers }, deps);
  assert.deepEqual(secrets, await ca.secrets());
  const audit = await fetch(`${api.addresses[0]}/v1/audit`, {
    headers: { authorization: `Bearer ${api.token}` },
  });
  const text = await audit.text();
  const [entry] = JSON.parse(text).entries;
  const { what, target, result, from } = entry;
  assert.deepEqual(
    { what, target, result, from },
    {
      what: "links.join",
      target: { role: "proxy", node: "p-1" },
      result: "ok",
      from: "127.0.0.1",
    },
  );
  assert.ok(!text.includes(join_));
});

test("what the CA refuses is not asked for elsewhere", async (t) => {
  const { place, token, apiservers } = await scene(t);
  const proxys = await token({ role: "proxy" });
  const error = await refusal(
    obtainIdentity({ ...place, join: proxys, apiservers }, deps),
    "join-refused",
    "wrong-role",
  );
  assert.match(error.message, /join token is for a proxy, the node is a gameserver/);
});

test("an apiserver of another cluster is not sent the token", async (t) => {
  const ours = await scene(t);
  const theirs = await scene(t);
  const join_ = await ours.token();
  const asking = obtainIdentity(
    { ...ours.place, join: join_, apiservers: theirs.apiservers },
    deps,
  );
  await refusal(asking, "join-refused", "foreign-server");
  const audit = await fetch(`${theirs.api.addresses[0]}/v1/audit`, {
    headers: { authorization: `Bearer ${theirs.api.token}` },
  });
  assert.deepEqual(await audit.json(), { entries: [] });
});

test("tokens do not cross a network in the clear", async (t) => {
  const { place, token } = await scene(t);
  const asking = obtainIdentity(
    { ...place, join: await token(), apiservers: ["http://192.0.2.1:8080"] },
    deps,
  );
  const error = await refusal(asking, "join-refused", "foreign-server");
  assert.match(error.hint ?? "", /https/);
});

test("without a CA at the apiservers a node is told what to do; dead ones are named", async (t) => {
  const { place, token, apiservers } = await scene(t, { issues: false });
  const asking = obtainIdentity({ ...place, join: await token(), apiservers }, deps);
  const error = await refusal(asking, "join-refused", "not-available");
  assert.match(error.hint ?? "", /apiserver --ca FOLDER/);
  const alone = obtainIdentity({ ...place, join: await token(), apiservers: [DEAD] }, deps);
  await assert.rejects(alone, {
    code: "ca-unreachable",
    message: /127\.0\.0\.1:1 cannot be asked/,
  });
  const nowhere = obtainIdentity({ ...place, join: await token() }, deps);
  await refusal(nowhere, "join-refused", "no-address");
});

test("a certificate without its key renews nothing", async (t) => {
  const { place, token, apiservers, api, ca } = await scene(t);
  await obtainIdentity({ ...place, join: await token(), apiservers }, deps);
  const stranger = await ca.issue({ role: "gameserver", node: "gs-2" });
  const body = {
    csr: "-",
    certificate: await readFile(join(place.dir, "gs-1.crt"), "utf8"),
    proof: stranger.privateKey.slice(0, 100),
  };
  const answer = await fetch(`${api.addresses[0]}/v1/renew`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  assert.equal(answer.status, 401);
  assert.match(await answer.text(), /bad-certificate/);
});

test("whoever asks too often waits", async (t) => {
  const { api } = await scene(t);
  const ask = async () => {
    const answer = await fetch(`${api.addresses[0]}/v1/join`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: "{}",
    });
    await answer.text();
    return answer.status;
  };
  const seen = new Set<number>();
  for (let asked = 0; asked < 500 && !seen.has(429); asked++) seen.add(await ask());
  assert.deepEqual([...seen].sort(), [400, 429]);
});

test("large requests of strangers are refused, and fill neither memory nor the audit log", async (t) => {
  const { api } = await scene(t);
  const post = (body: unknown) =>
    fetch(`${api.addresses[0]}/v1/join`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
  const large = await post({ role: "x".repeat(70_000) });
  assert.equal(large.status, 413);
  assert.match(await large.text(), /"code":"too-large"/);
  assert.equal((await post({ role: "x".repeat(60_000) })).status, 400);
  const audit = await fetch(`${api.addresses[0]}/v1/audit`, {
    headers: { authorization: `Bearer ${api.token}` },
  });
  const [newest] = JSON.parse(await audit.text()).entries;
  assert.equal(newest.target.role.length, 600);
});
