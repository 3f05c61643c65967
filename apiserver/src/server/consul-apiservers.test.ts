import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { type DevAgent, NO_CONSUL, startDevAgent } from "@atlasnet/consul/testing";
import { ControlError, generationOf, type TxnRequest } from "@atlasnet/core";
import type { ApiserverProcess } from "../process.ts";
import { ApiserverGroup, type Settings } from "./testing/apiserver-group.ts";

/** Apiservers as their processes have them, over QUIC, with their state in Consul. */

const why = NO_CONSUL === undefined ? "" : ` (skipped: ${NO_CONSUL})`;

describe(`apiservers with their state in Consul${why}`, {
  skip: NO_CONSUL !== undefined,
  timeout: 60_000,
}, () => {
  let dev: DevAgent;
  before(async () => {
    dev = await startDevAgent();
  });
  after(() => dev.stop());

  const settings = (): Settings => ({
    "apiserver.store": "consul",
    "discovery.consul.address": dev.address,
  });

  test("an apiserver takes its data folder for itself", async (t) => {
    const group = await ApiserverGroup.create(t);
    await group.start("a", ["a"], settings());
    await assert.rejects(group.start("a", ["a"], settings()), /is in use by process/);
  });

  test("any of them takes writes and restores, also one that no list names, and goes on without the agent", async (t) => {
    const group = await ApiserverGroup.create(t);
    const [a, b] = [
      await group.start("a", ["a", "b"], settings()),
      await group.start("b", ["a", "b"], settings()),
    ];
    const late = await group.start("late", ["a", "b"], settings());
    for (const process of [a, b, late]) await ready(process);
    for (const [at, process] of [a, b, late].entries()) await storeOf(process).txn(put(`k/${at}`));
    assert.deepEqual(await keys(late), ["k/0", "k/1", "k/2"]);

    const before = generationOf((await storeOf(a).range({ key: "k/0" })).revision);
    const leader = storeOf(a).leader()?.node;
    await (leader === "b" ? a : b).service?.raiseGeneration();
    const { revision } = await storeOf(a).range({ key: "k/0" });
    assert.ok(generationOf(revision) > before);
    assert.deepEqual(await keys(b), ["k/0", "k/1", "k/2"]);

    const status = await api(group, a, "/v1/status");
    assert.deepEqual(
      status.body.members.map(({ node, reachable }) => [node, reachable]),
      [
        ["a", true],
        ["b", true],
        ["late", true],
      ],
    );
    const raft = await api(group, a, "/v1/raft");
    assert.equal(raft.status, 501);
    assert.match(raft.text, /"not-available".*apiserver.store = consul.*atlasnet status/s);

    await dev.stop();
    await until(async () => (await ask(a, "/ready")).text.includes("Consul cannot be used"));
    await assert.rejects(storeOf(b).txn(put("k/9")), (error) => {
      assert.ok(error instanceof ControlError);
      assert.equal(error.code, "no-quorum");
      assert.match(error.message, /no answer from the Consul agent/);
      assert.match(error.hint ?? "", /consul members -http-addr/);
      return true;
    });
    const local = await storeOf(b).range({ key: "k/0", consistency: "local" });
    assert.equal(local.items.length, 1);
    const metrics = (await ask(a, "/metrics")).text;
    assert.match(metrics, /^atlasnet_consul_reachable(\{.*\})? 0$/m);
    assert.match(metrics, /^atlasnet_consul_outages_total(\{.*\})? 1$/m);
    assert.match(metrics, /^atlasnet_store_keys/m);
    assert.doesNotMatch(metrics, /atlasnet_raft/);
    assert.equal(group.fatal.size, 0);
  });
});

function storeOf({ service }: ApiserverProcess) {
  assert.ok(service);
  return service.store;
}

function put(key: string): TxnRequest {
  return { compare: [], then: [{ type: "put", key, value: new TextEncoder().encode(key) }] };
}

async function keys(process: ApiserverProcess): Promise<readonly string[]> {
  const { items } = await storeOf(process).range({ prefix: "k/" });
  return items.map(({ key }) => key);
}

async function ready(process: ApiserverProcess): Promise<void> {
  await until(async () => (await ask(process, "/ready")).status === 200);
}

/** What is asked says when: there is nothing to wait for here. */
async function until(state: () => Promise<boolean>): Promise<void> {
  while (!(await state()));
}

async function ask({ addresses }: ApiserverProcess, path: string) {
  const { host, port } = addresses.health;
  const response = await fetch(`http://${host}:${port}${path}`);
  return { status: response.status, text: await response.text() };
}

async function api(group: ApiserverGroup, { addresses }: ApiserverProcess, path: string) {
  const token = (await readFile(join(group.dir, "a", "admin.token"), "utf8")).trim();
  const { host, port } = addresses.api;
  const response = await fetch(`http://${host}:${port}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  const text = await response.text();
  const body: { members: { node: string; reachable?: boolean }[] } = JSON.parse(text);
  return { status: response.status, text, body };
}
