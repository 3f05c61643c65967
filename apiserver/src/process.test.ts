import assert from "node:assert/strict";
import { cp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { ControlError, generationOf, type TxnRequest, type TxnResult } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { reached } from "@atlasnet/core/testing";
import type { ApiserverProcess } from "./process.ts";
import { ApiserverGroup } from "./server/testing/apiserver-group.ts";

/** Three apiservers as their processes have them, over QUIC and on this machine's disk. */

const ABC = ["a", "b", "c"];

async function startAll(group: ApiserverGroup): Promise<void> {
  await Promise.all(ABC.map((node) => group.start(node, ABC)));
  await group.leader();
}

function storeOf({ service }: ApiserverProcess) {
  assert.ok(service);
  return service.store;
}

function put(key: string, id?: string): TxnRequest {
  const value = new TextEncoder().encode(key);
  return { ...(id !== undefined && { id }), compare: [], then: [{ type: "put", key, value }] };
}

/** By way of any apiserver that runs, as clients do: the next one when one has no answer. At most so many tries. */
async function write(
  group: ApiserverGroup,
  key: string,
  id: string,
  tries = 20,
  then = put(key).then,
): Promise<TxnResult> {
  for (let at = 0; ; at++) {
    const processes = [...group.running.values()];
    const process = processes[at % processes.length];
    assert.ok(process);
    try {
      return await storeOf(process).txn({ ...put(key, id), then });
    } catch (error) {
      if (!(error instanceof ControlError) || at === tries) throw error;
    }
  }
}

async function keys(process: ApiserverProcess): Promise<readonly string[]> {
  const { items } = await storeOf(process).range({ prefix: "" });
  return items.map(({ key }) => key).filter((key) => key.startsWith("k/"));
}

async function ask({ addresses }: ApiserverProcess, path: string) {
  const { host, port } = addresses.health;
  const response = await fetch(`http://${host}:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

/** As the administrator, whose token each apiserver has in a file. */
async function api(
  group: ApiserverGroup,
  { addresses, identity }: ApiserverProcess,
  method: string,
  path: string,
  body?: ArrayBuffer,
): Promise<Response> {
  const token = await readFile(join(group.dir, identity?.node ?? "", "admin.token"), "utf8");
  const { host, port } = addresses.api;
  return await fetch(`http://${host}:${port}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${token.trim()}`,
      ...(body && { "content-type": "application/octet-stream" }),
    },
    ...(body && { body }),
  });
}

/** Asks until it is so. */
async function until(state: () => Promise<boolean>): Promise<void> {
  while (!(await state())) await settle();
}

async function ready(process: ApiserverProcess): Promise<void> {
  let status = 0;
  let asking = false;
  await reached(() => {
    if (!asking) {
      asking = true;
      void ask(process, "/ready").then((answer) => {
        ({ status } = answer);
        asking = false;
      });
    }
    return status === 200;
  });
}

test("transactions through any of three are seen through any; the leader's loss and its return cost nothing that was acknowledged", async (t) => {
  const group = await ApiserverGroup.create(t);
  await startAll(group);
  const wanted: string[] = [];
  for (const [node, process] of group.running) {
    await ready(process);
    await storeOf(process).txn(put(`k/${node}`));
    wanted.push(`k/${node}`);
  }
  wanted.sort();
  for (const process of group.running.values()) assert.deepEqual(await keys(process), wanted);

  const first = await group.leader();
  await group.kill(first);
  for (let i = 0; i < 10; i++) {
    await write(group, `k/later-${i}`, `later-${i}`);
    wanted.push(`k/later-${i}`);
  }
  const back = await group.start(first, ABC);
  await ready(back);
  assert.deepEqual(await keys(back), wanted);

  // The second answer to the same id is the first one, also by way of another apiserver.
  const [once, twice] = [await write(group, "k/z", "same"), await write(group, "k/z", "same")];
  assert.deepEqual(twice, once);
});

test("all three start anew with what they had, also with another list of peers", async (t) => {
  const group = await ApiserverGroup.create(t);
  await startAll(group);
  await write(group, "k/kept", "kept");
  for (const node of ABC) await group.stop(node);
  await Promise.all(ABC.map((node) => group.start(node, [...ABC, "d", "e"])));
  await write(group, "k/more", "more");
  const [process] = group.running.values();
  assert.ok(process);
  assert.deepEqual(await keys(process), ["k/kept", "k/more"]);
  assert.deepEqual(process.service?.status?.members.voters, ABC);
});

test("one of three: writes and linearizable reads say no-quorum and what to do, /ready too; old reads go on", async (t) => {
  const group = await ApiserverGroup.create(t);
  await startAll(group);
  await write(group, "k/before", "before");
  const leader = await group.leader();
  for (const node of ABC) if (node !== leader) await group.kill(node);
  const alone = group.running.get(leader);
  assert.ok(alone);
  await reached(() => storeOf(alone).leader() === undefined);
  const refused = { code: "no-quorum", hint: /Most of the apiservers have to run/ };
  await assert.rejects(storeOf(alone).txn(put("k/after", "after")), refused);
  await assert.rejects(storeOf(alone).range({ prefix: "" }), refused);
  const { items } = await storeOf(alone).range({ key: "k/before", consistency: "local" });
  assert.equal(items.length, 1);
  const { status, text } = await ask(alone, "/ready");
  assert.equal(status, 503);
  assert.match(text, /"group","ok":false,"reason":"no apiserver leads/);
});

test("a stop hands leadership over; metrics are those that operators are told of", async (t) => {
  const group = await ApiserverGroup.create(t);
  await startAll(group);
  await write(group, "k/a", "a");
  const leader = await group.leader();
  const process = group.running.get(leader);
  assert.ok(process);
  await ready(process);
  const { text } = await ask(process, "/metrics");
  for (const sample of [
    "atlasnet_raft_is_leader 1$",
    'atlasnet_raft_members{kind="voter"} 3$',
    'atlasnet_raft_follower_lag_entries{peer="[abc]"} [0-9]',
    "atlasnet_raft_applied_index [1-9]",
    "atlasnet_raft_log_syncs_total [1-9]",
    "atlasnet_store_keys [1-9]",
  ])
    assert.match(text, new RegExp(`^${sample}`, "m"));
  const documented = await readFile(new URL("../../docs/operations.md", import.meta.url), "utf8");
  for (const [, name] of text.matchAll(/^# TYPE (atlasnet_\w+)/gm))
    assert.ok(documented.includes(`\`${name}\``), `docs/operations.md does not list ${name}`);

  await process.drain(5_000);
  // It has heard of it already: nobody stood for election on account of a time-out.
  assert.equal(process.service?.status?.role, "follower");
  assert.notEqual(process.service?.status?.leader, leader);
  assert.match((await ask(process, "/ready")).text, /the process is stopping/);
  await group.stop(leader);
  await write(group, "k/b", "b");
});

test("a group of one works, and its HTTP API answers for the administrator", async (t) => {
  const group = await ApiserverGroup.create(t);
  const one = await group.start("a", ["a"]);
  await ready(one);
  await write(group, "k/one", "one");
  const response = await api(group, one, "GET", "/v1/status");
  const status: unknown = await response.json();
  assert.equal(response.status, 200, JSON.stringify(status));
  assert.match(JSON.stringify(status), /"leader":\{"node":"a"/);
  assert.match(
    JSON.stringify(status),
    /"members":\[\{"node":"a","voter":true,"address":"127.0.0.1:1","reachable":true\}\]/,
  );
});

test("a backup of the one is restored through the other, as a new generation", async (t) => {
  const group = await ApiserverGroup.create(t);
  await startAll(group);
  // More than one part of a restore.
  const value = new Uint8Array(200_000).fill(7);
  for (const key of ["k/1", "k/2", "k/3", "k/4"])
    await write(group, key, key, 20, [{ type: "put", key, value }]);
  const [one, other, third] = [...group.running.values()];
  assert.ok(one && other && third);
  const backup = await (await api(group, one, "GET", "/v1/backup")).arrayBuffer();
  await write(group, "k/5", "later");
  const before = (await storeOf(one).range({ prefix: "k/" })).revision;

  const damaged = await api(group, other, "POST", "/v1/restore", backup.slice(0, -5));
  assert.equal(damaged.status, 400, await damaged.text());
  assert.equal((await keys(third)).length, 5);

  const restored = await api(group, other, "POST", "/v1/restore", backup);
  assert.equal(restored.status, 200, await restored.text());
  assert.deepEqual(await keys(third), ["k/1", "k/2", "k/3", "k/4"]);
  const { revision, items } = await storeOf(third).range({ prefix: "k/" });
  assert.ok(generationOf(revision) > generationOf(before));
  assert.deepEqual(items[3]?.value, value);
});

test("a node that lost its log is not taken for the one it was, and says what to do", async (t) => {
  const group = await ApiserverGroup.create(t);
  await startAll(group);
  await write(group, "k/a", "a");
  const leader = await group.leader();
  const lost = ABC.find((node) => node !== leader) ?? "";
  await reached(() => {
    const status = group.running.get(leader)?.service?.status;
    return status?.members.incarnations[lost] !== undefined && !status.membersPending;
  });
  await group.stop(lost);
  await rm(join(group.dir, lost, "apiserver"), { recursive: true });
  await group.start(lost, ABC);
  await reached(() => group.fatal.has(lost));
  const error = group.fatal.get(lost);
  assert.ok(error && "code" in error && "hint" in error);
  assert.equal(error.code, "log-retired");
  assert.match(String(error.hint), /atlasnet raft rm .*atlasnet raft add /);
  await write(group, "k/b", "b");
});

test("an old copy of a log is found out, also when nobody remembers what it acknowledged", async (t) => {
  const group = await ApiserverGroup.create(t);
  await startAll(group);
  await write(group, "k/a", "a");
  const life = async (node: string) => {
    const [item] = (
      await storeOf(group.running.get("a") ?? assert.fail()).range({
        key: `lives/${node}`,
      })
    ).items;
    return item?.version ?? 0;
  };
  await until(async () => (await life("c")) === 1);
  await group.stop("c");
  const [data, copy] = [join(group.dir, "c", "apiserver"), join(group.dir, "copy")];
  await cp(data, copy, { recursive: true });
  await group.start("c", ABC);
  await until(async () => (await life("c")) === 2);
  for (const node of ABC) await group.stop(node);
  await rm(data, { recursive: true });
  await cp(copy, data, { recursive: true });
  await Promise.all(ABC.map((node) => group.start(node, ABC)));
  await reached(() => group.fatal.has("c"));
  const error = group.fatal.get("c");
  assert.ok(error && "code" in error);
  assert.equal(error.code, "log-retired");
  assert.match(error.message, /is an old copy/);
  assert.deepEqual([...group.fatal.keys()], ["c"]);
});

test("the log of another cluster or node, and one that is in use, are refused", async (t) => {
  const group = await ApiserverGroup.create(t);
  await group.start("a", ["a"]);
  await assert.rejects(group.start("a", ["a"]), { code: "data-dir-locked" });
  await group.stop("a");
  const data = join(group.dir, "a", "apiserver");
  await cp(data, join(group.dir, "b", "apiserver"), { recursive: true });
  await assert.rejects(group.start("b", ["b"]), { code: "wal-wrong-node" });
  await group.ca("other-ca", "other");
  const other = {
    "identity.ca": join(group.dir, "other-ca"),
    "identity.dir": join(group.dir, "other-identity"),
  };
  await assert.rejects(group.start("a", ["a"], other), { code: "wal-wrong-cluster" });
});

test("without peers it says which to name", async (t) => {
  const group = await ApiserverGroup.create(t);
  await assert.rejects(group.start("a", []), { code: "no-peers", hint: /--peers/ });
});
