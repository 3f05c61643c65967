import assert from "node:assert/strict";
import { test } from "node:test";
import { ownerKey } from "@atlasnet/core";
import { TinyStore } from "@atlasnet/core/testing";
import type { Plain } from "@atlasnet/world";
import { FakeControlPlane } from "../testing/fake-control-plane.ts";
import { kvServices, MAX_KV_REQUEST_VALUE_BYTES, noKvServices } from "./kv-services.ts";

function scene() {
  const tiny = new TinyStore();
  const { store } = new FakeControlPlane({ tiny });
  const owns = () =>
    tiny.txn({
      compare: [],
      then: [{ type: "put", key: ownerKey("arena/0"), value: new Uint8Array() }],
    }).revision;
  const services = kvServices("g", store);
  const ask = async (epoch: number, payload: Plain, name = "kv.cluster") =>
    services.get(name)?.(payload, {
      shard: "arena/0",
      epoch,
      id: 1,
      signal: new AbortController().signal,
    });
  return { tiny, owns, ask };
}

test("worlds write, read, list and delete, in the store of the cluster and in that of the node", async () => {
  const { tiny, owns, ask } = scene();
  const epoch = owns();
  const put = await ask(epoch, { op: "put", key: "scores/ann", value: "7" });
  assert.deepEqual(put, { ok: true, revision: tiny.revision });
  const { revision } = tiny;
  assert.deepEqual(await ask(epoch, { op: "get", key: "scores/ann", as: "text" }), {
    key: "scores/ann",
    value: "7",
    revision,
  });
  await ask(epoch, { op: "put", key: "scores/bob", value: new Uint8Array([1]) }, "kv.node");
  assert.deepEqual(tiny.keys("kv/"), ["kv/cluster/scores/ann", "kv/node/g/scores/bob"]);
  assert.deepEqual(await ask(epoch, { op: "list", prefix: "scores/" }, "kv.node"), {
    items: [{ key: "scores/bob", value: new Uint8Array([1]), revision: tiny.revision }],
    more: false,
  });
  const conflict = { ok: false, code: "conflict" };
  const stale = { op: "delete", key: "scores/ann", expect: revision + 9 };
  assert.deepEqual(await ask(epoch, stale), conflict);
  await ask(epoch, { ...stale, expect: revision });
  assert.equal(await ask(epoch, { op: "get", key: "scores/ann" }), null);
});

test("a shard that is owned at another epoch writes nothing", async () => {
  const { owns, ask, tiny } = scene();
  const epoch = owns();
  owns();
  const answer = await ask(epoch, { op: "put", key: "k", value: "v" });
  assert.deepEqual(answer, { ok: false, code: "conflict" });
  assert.deepEqual(tiny.keys("kv/"), []);
});

test("a long list comes in parts that fit into an answer", async () => {
  const { owns, ask } = scene();
  const epoch = owns();
  for (const key of ["a", "b", "c"])
    await ask(epoch, { op: "put", key, value: new Uint8Array(20_000) });
  const keys: string[] = [];
  for (let after: string | undefined; ; ) {
    const part = await ask(epoch, { op: "list", ...(after !== undefined && { after }) });
    assert.ok(typeof part === "object" && part !== null && "items" in part);
    const { items, more } = part;
    assert.ok(Array.isArray(items));
    for (const { key } of items) keys.push(key);
    after = keys.at(-1);
    if (more === false) break;
  }
  assert.deepEqual(keys, ["a", "b", "c"]);
});

test("what is not of its form, or too large, is refused and says why", async () => {
  const { owns, ask } = scene();
  const epoch = owns();
  const wrong: readonly [Plain, RegExp][] = [
    [null, /an object with op/],
    [{ op: "drop" }, /op is one of/],
    [{ op: "get" }, /key is text/],
    [{ op: "get", key: "" }, /a key of 1 to/],
    [{ op: "put", key: "k", value: 5 }, /value is text or bytes/],
    [{ op: "put", key: "k", value: "v", expect: -1 }, /expect is a revision/],
    [{ op: "list", limit: 0 }, /limit/],
    [{ op: "get", key: "k", as: "json" }, /as is/],
  ];
  for (const [payload, problem] of wrong)
    await assert.rejects(ask(epoch, payload), (error) => {
      assert.ok(error instanceof Error && "code" in error);
      assert.equal(error.code, "bad-request");
      assert.match(error.message, problem);
      return true;
    });
  const value = new Uint8Array(MAX_KV_REQUEST_VALUE_BYTES + 1);
  await assert.rejects(ask(epoch, { op: "put", key: "k", value }), { code: "too-large" });
});

test("without a control plane worlds hear so", async () => {
  const request = { shard: "a/0", epoch: 1, id: 1, signal: new AbortController().signal };
  for (const service of noKvServices().values())
    await assert.rejects(service({ op: "get", key: "k" }, request), { code: "no-control-plane" });
});
