import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { configuredStore, digestOf } from "@atlasnet/artifacts";
import { moduleFiles, tarballOf } from "@atlasnet/artifacts/testing";
import { moduleKey } from "@atlasnet/core";
import { apiScene } from "../testing/scene.ts";
import { MAX_MODULE_UPLOADS } from "./modules.ts";

async function scene(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-modules-"));
  const config = { artifacts: { store: join(dir, "artifacts"), cacheBytes: 1_048_576 } };
  const artifacts = configuredStore(config, {}) ?? assert.fail("a store");
  const api = await apiScene({}, { artifacts });
  t.after(async () => {
    await api.close();
    await rm(dir, { recursive: true, force: true });
  });
  const [address = ""] = api.addresses;
  const headers = {
    authorization: `Bearer ${api.token}`,
    "content-type": "application/octet-stream",
  };
  const urlOf = (path: string, query: { [name: string]: string | number }) => {
    const url = new URL(`/v1/modules/${path}`, address);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, String(value));
    return url;
  };
  const push = async (
    path: string,
    tgz: Uint8Array,
    facts: { [name: string]: string | number },
  ) => {
    const query = { digest: digestOf(tgz), bytes: tgz.length, ...facts };
    const answer = await fetch(urlOf(path, query), { method: "PUT", headers, body: tgz });
    return { status: answer.status, body: Object(JSON.parse(await answer.text())) };
  };
  return { api, artifacts, headers, urlOf, push };
}

test("what is pushed is kept under its digest, listed with its entry, and in the audit log", async (t) => {
  const { api, artifacts, push } = await scene(t);
  const tgz = await tarballOf(moduleFiles("@studio/arena", "1.0.0"));
  const { status, body } = await push("@studio%2Farena/1.0.0", tgz, {});
  assert.equal(status, 200, JSON.stringify(body));
  assert.deepEqual([body.entry, body.added, body.bytes], ["dist/world.js", true, tgz.length]);
  assert.equal(await artifacts.has(digestOf(tgz)), true);
  const client = api.client();
  const listed = Object(await client.request({ method: "GET", path: "/v1/modules" }));
  assert.deepEqual(
    listed.modules.map(({ name, digest }: { name: string; digest: string }) => [name, digest]),
    [["@studio/arena", digestOf(tgz)]],
  );
  const [entry] = Object(await client.request({ method: "GET", path: "/v1/audit" })).entries;
  assert.deepEqual([entry.what, entry.result], ["modules.push", "ok"]);
  assert.equal(entry.target.name, "@studio/arena");
});

test("what is not as it was announced is refused, and nothing of it is kept", async (t) => {
  const { artifacts, push } = await scene(t);
  const tgz = await tarballOf(moduleFiles("arena", "1.0.0"));
  const other = await tarballOf(moduleFiles("arena", "1.0.0", "export const world = 2;"));
  const cases: [string, { [name: string]: string | number }, number, RegExp][] = [
    ["arena/1.0.0", { digest: digestOf(other) }, 400, /its content has the SHA-256/],
    ["arena/1.0.0", { bytes: tgz.length - 1 }, 400, /goes on behind/],
    ["arena/1.0.0", { bytes: tgz.length + 1 }, 400, /ends after/],
    ["arena/1.0.0", { bytes: 300_000_000 }, 400, /query\.bytes/],
    ["arena/1.0.0", { digest: "x" }, 400, /query\.digest/],
    ["arena/1.0.1", {}, 400, /calls itself arena 1\.0\.0, and was pushed as arena 1\.0\.1/],
    ["Arena/1.0.0", {}, 400, /path\.name/],
    ["arena/one", {}, 400, /path\.version/],
  ];
  for (const [path, facts, status, message] of cases) {
    const answer = await push(path, tgz, facts);
    assert.equal(answer.status, status, path);
    assert.match(answer.body.message, message);
  }
  assert.deepEqual(await artifacts.list(), []);
  assert.equal((await push("arena/1.0.0", tgz, {})).status, 200);
  const conflict = await push("arena/1.0.0", other, {});
  assert.deepEqual([conflict.status, conflict.body.code], [409, "conflict"]);
  assert.deepEqual(await artifacts.list(), [digestOf(tgz)]);
});

test("only so many are taken in at once; one that breaks off makes room", async (t) => {
  const { api, headers, urlOf, push } = await scene(t);
  const tgz = await tarballOf(moduleFiles("arena", "1.0.0"));
  const facts = { digest: digestOf(tgz), bytes: tgz.length };
  const open = Array.from({ length: MAX_MODULE_UPLOADS }, () => {
    const upload = request(urlOf("arena/1.0.0", facts), { method: "PUT", headers });
    upload.on("error", () => undefined);
    upload.write(tgz.subarray(0, 10));
    return upload;
  });
  const until = async (status: number) => {
    for (;;) {
      const answer = await push("arena/1.0.0", tgz, {});
      if (answer.status === status) return answer;
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const busy = await until(503);
  assert.equal(busy.body.code, "busy");
  for (const upload of open) upload.destroy();
  assert.equal((await until(200)).body.name, "arena");
  const modules = Object(await api.client().request({ method: "GET", path: "/v1/modules" }));
  assert.equal(modules.modules.length, 1);
});

test("a world does not begin to name a module that is removed at that moment", async (t) => {
  const { api, push } = await scene(t);
  const tgz = await tarballOf(moduleFiles("@studio/arena", "1.0.0"));
  await push("@studio%2Farena/1.0.0", tgz, {});
  const client = api.client();
  const module = { source: "store", name: "@studio/arena", version: "1.0.0" };
  const plain = { source: "node", path: "./arena.js" };
  await client.request({
    method: "POST",
    path: "/v1/worlds",
    body: { world: "old", module: plain },
  });
  const key = moduleKey("@studio/arena", "1.0.0");
  const { store } = api;
  const range = store.range.bind(store);
  const [kept] = (await range({ key })).items;
  assert.ok(kept);
  const { value } = kept;
  /** Right after the module was looked up. */
  const removeOnce = () => {
    store.range = async (request) => {
      const result = await range(request);
      if ("key" in request && request.key === key) {
        store.range = range;
        await store.txn({ compare: [], then: [{ type: "delete", key }] });
      }
      return result;
    };
  };
  removeOnce();
  const created = client.request({
    method: "POST",
    path: "/v1/worlds",
    body: { world: "new", module },
  });
  await assert.rejects(created, { code: "conflict", message: /its module was removed/ });
  await store.txn({ compare: [], then: [{ type: "put", key, value }] });
  removeOnce();
  const changed = client.request({ method: "PATCH", path: "/v1/worlds/old", body: { module } });
  await assert.rejects(changed, { code: "not-found", message: /there is no module @studio/ });
  await store.txn({ compare: [], then: [{ type: "put", key, value }] });
  await client.request({ method: "PATCH", path: "/v1/worlds/old", body: { module } });
});
