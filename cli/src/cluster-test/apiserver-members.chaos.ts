import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { type TestContext, test } from "node:test";
import { ApiClient, ControlClient } from "@atlasnet/apiserver/client";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { ApiserverCluster } from "../testing/apiserver-cluster.ts";
import { runCommand } from "../testing/command.ts";
import { until } from "../testing/until.ts";

/** Changes of the group while it works, as an operator makes them. */

async function scene(t: TestContext, options: { count?: number; spare?: number }) {
  const cluster = await ApiserverCluster.start(options);
  t.after(() => cluster.stop());
  const [first] = cluster.nodes;
  assert.ok(first);
  const token = await first.token();
  const atlasnet = (args: string[]) => {
    const addresses = [...cluster.nodes, ...cluster.spares].map(({ api }) => api).join(",");
    const env = { ATLASNET_API: addresses, ATLASNET_TOKEN: token, HOME: cluster.dir };
    return runCommand(args, { env, workingDir: cluster.dir });
  };
  const good = async (...args: string[]) => {
    const end = await atlasnet(args);
    assert.equal(end.code, 0, end.talk);
    return end;
  };
  const storeAt = (addresses: readonly string[]) => {
    const client = new ApiClient(
      { addresses, token, retryMs: 25_000 },
      { clock: systemClock, random: systemRandom },
    );
    t.after(() => client.close());
    return new ControlClient({ client });
  };
  const members = async () => {
    const { out } = await good("raft", "status", "-o", "json");
    const { members: shown }: { members: { node: string; state: string; leads: boolean }[] } =
      JSON.parse(out);
    return shown;
  };
  return { cluster, atlasnet, good, storeAt, members };
}

function put(key: string) {
  const value = new TextEncoder().encode(key);
  return { compare: [], then: [{ type: "put", key, value }] } as const;
}

test("a fourth apiserver is added, leads, and the first leader is removed, while writes go on", {
  timeout: 120_000,
}, async (t) => {
  const { cluster, atlasnet, good, storeAt, members } = await scene(t, { count: 3, spare: 1 });
  const [fourth] = cluster.spares;
  assert.ok(fourth);
  const leader = await cluster.leader();
  const store = storeAt(cluster.nodes.filter((node) => node !== leader).map(({ api }) => api));
  let writing = true;
  const written: string[] = [];
  const writes = (async () => {
    while (writing) {
      const key = `k/${String(written.length).padStart(5, "0")}`;
      await store.txn(put(key));
      written.push(key);
    }
  })();
  const far = () =>
    until(
      "writes go on",
      (
        (from) => () =>
          written.length > from
      )(written.length),
    );

  fourth.start();
  const added = await good("raft", "add", fourth.node, "--address", fourth.links);
  assert.match(added.talk, /api-4 is a member of the group and votes/);
  await fourth.ready();
  await far();
  await good("raft", "add", fourth.node, "--address", fourth.links);
  await good("raft", "transfer", fourth.node);
  assert.ok(await fourth.leads());
  await far();

  await good("raft", "rm", leader.node);
  await until("the removed one ends", () => !leader.isRunning);
  assert.ok(
    leader.lines.some((line) => line.includes("was removed from the group")),
    leader.lines.slice(-5).join("\n"),
  );
  await far();
  assert.deepEqual(
    (await members()).map(({ node, state }) => [node, state]).sort(),
    [...cluster.nodes.filter((node) => node !== leader), fourth].map(({ node }) => [node, "voter"]),
  );
  const unknown = await atlasnet(["raft", "rm", leader.node]);
  assert.equal(unknown.code, 3, unknown.talk);
  assert.match(unknown.talk, /is no member of the group \(not-found\)/);

  // Those whose lists of peers do not name it find it again: a restart of all.
  const left = [...cluster.nodes.filter((node) => node !== leader), fourth];
  writing = false;
  await writes;
  for (const node of left) await node.kill();
  for (const node of left) node.start();
  await Promise.all(left.map((node) => node.ready()));
  assert.equal((await store.range({ prefix: "k/" })).items.length, written.length);
});

test("an apiserver that lost its folder is replaced under its own name", {
  timeout: 120_000,
}, async (t) => {
  const { cluster, atlasnet, good, storeAt, members } = await scene(t, { count: 3 });
  const leader = await cluster.leader();
  const lost = cluster.nodes.find((node) => node !== leader);
  assert.ok(lost);
  const store = storeAt([leader.api]);
  await store.txn(put("k/before"));
  await lost.kill();
  await rm(`${lost.dir}/apiserver`, { recursive: true });
  const third = cluster.nodes.find((node) => node !== leader && node !== lost);
  const tooFew = await atlasnet(["raft", "rm", third?.node ?? ""]);
  assert.equal(tooFew.code, 3, tooFew.talk);
  assert.match(tooFew.talk, /too few of the other apiservers.*\(below-quorum\)\n.*raft status/);
  await good("raft", "rm", lost.node);
  lost.start();
  await good("raft", "add", lost.node, "--address", lost.links);
  await lost.ready();
  assert.deepEqual(
    (await members()).map(({ state }) => state),
    ["voter", "voter", "voter"],
  );
  const own = storeAt([lost.api]);
  assert.equal((await own.range({ prefix: "k/" })).items.length, 1);
});

test("what would end the group is refused, each with its code and what to do", {
  timeout: 120_000,
}, async (t) => {
  const { cluster, atlasnet, good } = await scene(t, { count: 1, spare: 1 });
  const [one] = cluster.nodes;
  const [other] = cluster.spares;
  assert.ok(one && other);
  const level = await good("log-level", "debug", "--api", one.api);
  assert.match(level.out, / debug\n$/);
  const last = await atlasnet(["raft", "rm", one.node]);
  assert.equal(last.code, 3);
  assert.match(last.talk, /the only apiserver that votes.*\(last-voter\)\n.*atlasnet raft add/);
  const nobody = await atlasnet(["raft", "transfer"]);
  assert.equal(nobody.code, 3);
  assert.match(nobody.talk, /nobody could lead instead/);
  const stranger = await atlasnet(["raft", "transfer", "api-9"]);
  assert.deepEqual([stranger.code, /no voter of the group/.test(stranger.talk)], [3, true]);
  const address = await atlasnet(["raft", "add", "api-9", "--address", "here"]);
  assert.equal(address.code, 1);
  assert.match(address.talk, /HOST:PORT is needed/);

  assert.ok(
    one.lines.some((line) => line.includes('"level":"debug"')),
    "a request that is refused is written at that level",
  );

  // It does not run yet: it becomes a learner, which disturbs nobody, and the same command goes on.
  const args = ["raft", "add", other.node, "--address", other.links];
  const slow = await atlasnet([...args, "--timeout-seconds", "1"]);
  assert.equal(slow.code, 4, slow.talk);
  assert.match(slow.talk, /the leader has not heard of it yet/);
  assert.match(slow.talk, /was not heard of within 1 s.*\(not-caught-up\)\n.*takes links/);
  other.start();
  await good(...args);
  await other.ready();

  // Without the other one nobody is a quorum.
  const follower = (await cluster.leader()) === one ? other : one;
  await follower.kill();
  const cut = await atlasnet(["raft", "transfer", follower.node]);
  assert.equal(cut.code, 4, cut.talk);
  assert.match((await good("raft", "status")).out, /nobody leads/);
});
