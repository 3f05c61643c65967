import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { type ApiScene, apiScene } from "@atlasnet/apiserver/testing";
import {
  encodeCbor,
  encodeRecord,
  moduleKey,
  type NodeRecord,
  nodeKey,
  ownerKey,
  shardKey,
} from "@atlasnet/core";
import { startCommand } from "../testing/command.ts";

/** A cluster's API, and command lines against it. */
async function scene(t: TestContext, dependencies: Parameters<typeof apiScene>[1] = {}) {
  const api = await apiScene({}, dependencies);
  const workingDir = await mkdtemp(join(tmpdir(), "atlasnet-cli-"));
  t.after(async () => {
    await api.close();
    await rm(workingDir, { recursive: true, force: true });
  });
  const start = (args: string[], env: { [name: string]: string }) => {
    const stop = new AbortController();
    const { done, wrote } = startCommand(args, { env, workingDir, stop: stop.signal });
    const heard = (pattern: RegExp) => wrote("out", pattern);
    return { done, heard, stop: () => stop.abort() };
  };
  const [address = ""] = api.addresses;
  const env = { ATLASNET_API: address, ATLASNET_TOKEN: api.token, HOME: workingDir };
  const run = (...args: string[]) => start(args, env).done;
  const good = async (...args: string[]) => {
    const end = await run(...args);
    assert.equal(end.code, 0, end.talk);
    return end;
  };
  return {
    api,
    address,
    env,
    workingDir,
    start: (...args: string[]) => start(args, env),
    runIn: (given: { [name: string]: string }, ...args: string[]) => start(args, given).done,
    run,
    good,
  };
}

function putNode({ store }: ApiScene, node: string, changes: Partial<NodeRecord> = {}) {
  const record: NodeRecord = {
    role: "gameserver",
    labels: { zone: "eu" },
    capacity: { weight: 10, sessions: 0, memoryBytes: 0 },
    modules: ["./arena.js"],
    address: "10.0.0.5:2556",
    boot: "boot-1",
    fingerprint: "0".repeat(64),
    state: "ready",
    cordoned: false,
    leaseMs: 5000,
    registered: 1_700_000_000_000,
    ...changes,
  };
  const value = encodeRecord("node", record);
  return store.txn({ compare: [], then: [{ type: "put", key: nodeKey(node), value }] });
}

test("kv: put, get, ls, rm, with revisions and files", async (t) => {
  const { good, run, workingDir } = await scene(t);
  await good("kv", "put", "motd", "hello");
  assert.equal((await good("kv", "get", "motd")).out, "hello\n");
  const { modified } = JSON.parse((await good("kv", "get", "motd", "-o", "json")).out);
  const taken = await run("kv", "put", "motd", "x", "--revision", "0");
  assert.equal(taken.code, 3);
  assert.match(taken.talk, /there is a key motd already \(conflict\)/);
  await good("kv", "put", "motd", "changed", "--revision", String(modified));
  await writeFile(join(workingDir, "bytes"), Buffer.from([0xff, 0x00]));
  await good("kv", "put", "a/bytes", "--file", "bytes");
  const binary = await good("kv", "get", "a/bytes");
  assert.deepEqual([binary.out, /not text/.test(binary.talk)], ["/wA=\n", true]);
  await good("kv", "put", "own", "1", "--node", "gs-1");
  const lines = (await good("kv", "ls")).out.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^KEY +MODIFIED +VERSION +VALUE$/);
  assert.match(lines[1] ?? "", /^a\/bytes +\d+ +1 +base64:\/wA=$/);
  assert.match(lines[2] ?? "", /^motd +\d+ +2 +changed$/);
  assert.equal(lines.length, 3);
  assert.match((await good("kv", "ls", "a/", "-o", "yaml")).out, /^- key: a\/bytes\n {2}base64: /);
  await good("kv", "rm", "motd");
  const gone = await run("kv", "get", "motd");
  assert.deepEqual([gone.code, gone.out], [3, ""]);
  assert.match(gone.talk, /there is no key motd \(not-found\)/);
});

test("kv watch prints changes until it is stopped", async (t) => {
  const { start, good } = await scene(t);
  await good("kv", "put", "w/1", "before");
  const { modified } = JSON.parse((await good("kv", "get", "w/1", "-o", "json")).out);
  const watch = start("kv", "watch", "w/", "--after", String(modified - 1));
  await watch.heard(/put w\/1 before\n/);
  await good("kv", "put", "other", "x");
  await good("kv", "put", "w/2", "now");
  await good("kv", "rm", "w/1");
  await watch.heard(/delete w\/1\n/);
  watch.stop();
  const { code, out } = await watch.done;
  assert.equal(code, 0);
  assert.match(out, /^\d+ put w\/1 before\n\d+ put w\/2 now\n\d+ delete w\/1\n$/);
  const after = String(modified - 1);
  const json = start("kv", "watch", "w/", "--after", after, "-o", "json");
  await json.heard(/delete.*\n/);
  json.stop();
  const lines = (await json.done).out.trimEnd().split("\n");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).type),
    ["put", "put", "delete"],
  );
  const yaml = start("kv", "watch", "w/", "--after", after, "-o", "yaml");
  await yaml.heard(/type: delete\n/);
  yaml.stop();
  assert.match((await yaml.done).out, /^---\ntype: put\nitem:\n {2}key: w\/1\n/);
});

test("nodes are listed, shown, cordoned and forgotten", async (t) => {
  const { api, good, run } = await scene(t);
  assert.match((await good("node", "ls")).talk, /No node is registered/);
  await putNode(api, "gs-1");
  await putNode(api, "gs-2", { state: "lost" });
  const lines = (await good("node", "ls")).out.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^NODE +ROLE +STATE +ADDRESS +LABELS$/);
  assert.match(lines[1] ?? "", /^gs-1 +gameserver +ready +10\.0\.0\.5:2556 +zone=eu$/);
  await good("node", "cordon", "gs-1");
  assert.match((await good("node", "ls")).out, /gs-1 +gameserver +ready, cordoned/);
  assert.match((await good("node", "show", "gs-1")).out, /^cordoned: true$/m);
  await good("node", "uncordon", "gs-1");
  const alive = await run("node", "rm", "gs-1");
  assert.equal(alive.code, 3);
  assert.match(alive.talk, /gs-1 is ready: stop it first/);
  await good("node", "rm", "gs-2");
  assert.equal((await run("node", "show", "gs-2")).code, 3);
});

test("worlds are created, listed with where they run, shown and removed", async (t) => {
  const { api, good, run } = await scene(t);
  await putNode(api, "gs-1", { cordoned: true });
  const create = ["world", "create", "arena", "--module", "./arena.js"];
  await good(...create, "--world-config", '{"level": 3}', "--label", "kind=test", "--weight", "2");
  const again = await run(...create);
  assert.equal(again.code, 3);
  assert.match(again.talk, /there is a world arena already/);
  const lines = (await good("world", "ls")).out.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^WORLD +STATE +NODE +DURABILITY +MODULE$/);
  assert.match(lines[1] ?? "", /^arena +unplaced +- +journal +\.\/arena\.js$/);
  const { out } = await good("world", "show", "arena");
  assert.match(out, /level: 3/);
  assert.match(out, /gs-1: it is cordoned/);
  const json = JSON.parse((await good("world", "show", "arena", "-o", "json")).out);
  assert.deepEqual([json.weight, json.labels], [2, { kind: "test" }]);
  await good("world", "rm", "arena");
  assert.equal((await run("world", "rm", "arena")).code, 3);
});

test("a world that is to sleep and never will is told of", async (t) => {
  const { good } = await scene(t);
  const told = /^It stays awake without players, too: worlds with durability (\w+) never sleep\.$/m;
  for (const durability of ["mirror", "none", "journal"]) {
    const create = ["world", "create", durability, "--module", "./arena.js"];
    const { talk } = await good(...create, "--durability", durability, "--sleep-after", "10m");
    const expected = durability === "journal" ? undefined : durability;
    assert.equal(told.exec(talk)?.[1], expected);
    const shown = await good("world", "show", durability, "-o", "json");
    assert.equal(told.exec(shown.talk)?.[1], expected);
    JSON.parse(shown.out);
  }
  const other = ["world", "create", "other", "--module", "./arena.js", "--durability", "mirror"];
  assert.doesNotMatch((await good(...other, "--sleep-after", "0")).talk, told);
});

test("world show says why a gameserver did not open a world", async (t) => {
  const failure = { node: "gs-1", shard: "arena/0", problem: "no such file: /srv/nope.mjs" };
  const { good } = await scene(t, {
    placement: {
      problems: () => undefined,
      failures: async () => [failure],
      asleep: async () => new Set(),
    },
  });
  for (const world of ["arena", "other"])
    await good("world", "create", world, "--module", "./nope.mjs");
  const { out } = await good("world", "show", "arena");
  assert.match(out, /Node gs-1 could not run it: no such file: \/srv\/nope\.mjs/);
  assert.doesNotMatch((await good("world", "show", "other")).out, /could not run it/);
});

test("worlds: the default of failover follows durability; update changes what is named", async (t) => {
  const { api, good, run } = await scene(t);
  const record = async (name: string) =>
    JSON.parse((await good("world", "show", name, "-o", "json")).out);
  await good("world", "create", "kept", "--module", "./arena.js", "--label", "kind=test");
  await good("world", "create", "free", "--module", "./arena.js", "--durability", "none");
  assert.equal((await record("kept")).failover, "manual");
  assert.equal((await record("free")).failover, "automatic");
  assert.match((await good("world", "create", "--help")).out, /`manual` is the default/);

  const update = ["world", "update", "kept"];
  await good(...update, "--enabled", "false", "--on", "gs-1", "--world-config", '{"level": 4}');
  const changed = await record("kept");
  assert.deepEqual(
    [changed.enabled, changed.constraints.nodes, changed.config, changed.labels],
    [false, ["gs-1"], { level: 4 }, { kind: "test" }],
  );
  await good(...update, "--enabled", "true", "--any-node", "--failover", "automatic");
  const again = await record("kept");
  assert.deepEqual(
    [again.enabled, again.constraints.nodes, again.failover, again.config],
    [true, [], "automatic", { level: 4 }],
  );
  await good("world", "update", "free", "--durability", "journal");
  assert.equal((await record("free")).failover, "manual", "the usual, as before");
  assert.match((await run(...update)).talk, /nothing to change/);
  const nowhere = await run("world", "update", "none", "--enabled", "true");
  assert.equal(nowhere.code, 3);

  const missing = await run("world", "create", "stored", "--module", "@games/arena@1.2.0");
  assert.equal(missing.code, 3);
  assert.match(missing.talk, /there is no module @games\/arena@1\.2\.0.*\n.*module push/);
  const digest = new Uint8Array(32).fill(7);
  const value = encodeRecord("module", { digest, entry: "dist/world.js", bytes: 10 });
  const key = moduleKey("@games/arena", "1.2.0");
  await api.store.txn({ compare: [], then: [{ type: "put", key, value }] });
  await good("world", "create", "stored", "--module", "@games/arena@1.2.0");
  assert.deepEqual((await record("stored")).module, {
    ...{ source: "store", name: "@games/arena", version: "1.2.0" },
    digest: "07".repeat(32),
  });
  await good(...update, "--module", "@games/arena@1.2.0");
  assert.equal((await record("kept")).module.source, "store");
});

test("a node is drained and takes worlds again", async (t) => {
  const { api, good, run } = await scene(t);
  await putNode(api, "gs-1");
  const { talk } = await good("node", "drain", "gs-1");
  assert.match(talk, /failover manual stay and run on/);
  assert.match((await good("node", "ls")).out, /gs-1 +gameserver +draining/);
  await good("node", "drain", "gs-1");
  await good("node", "undrain", "gs-1");
  assert.match((await good("node", "ls")).out, /gs-1 +gameserver +ready/);
  const twice = await run("node", "undrain", "gs-1");
  assert.equal(twice.code, 3);
  assert.match(twice.talk, /gs-1 is ready \(conflict\)/);
  await putNode(api, "gs-2", { state: "lost" });
  assert.match((await run("node", "drain", "gs-2")).talk, /gs-2 is lost/);
  assert.equal((await run("node", "drain", "gs-9")).code, 3);
  for (const state of ["ready", "draining"] as const) {
    await putNode(api, "proxy-1", { role: "proxy", state });
    const proxy = await run("node", "drain", "proxy-1");
    assert.equal(proxy.code, 3);
    assert.match(proxy.talk, /proxy-1 is a proxy: gameservers alone are drained \(conflict\)/);
    assert.match(proxy.talk, /Stop a proxy with SIGTERM/);
  }
});

test("log-level shows and sets the level of each apiserver", async (t) => {
  const levels: string[] = [];
  const { good, run, address } = await scene(t, {
    logLevel: {
      get: () => "info",
      set: (level) => void levels.push(level),
    },
  });
  assert.match((await good("log-level")).out, new RegExp(`${address} +info`));
  assert.match((await good("log-level", "debug")).out, new RegExp(`${address} +debug`));
  assert.deepEqual(levels, ["debug"]);
  assert.equal((await run("log-level", "loud")).code, 2);
});

test("contexts are made, used, listed without their tokens, and forgotten", async (t) => {
  const { address, api, runIn, workingDir } = await scene(t);
  const env = { ATLASNET_CONTEXTS: join("conf", "contexts.toml"), ATLASNET_TOKEN: api.token };
  const quiet = { ATLASNET_CONTEXTS: env.ATLASNET_CONTEXTS };
  assert.match((await runIn(quiet, "context", "ls")).talk, /There are no contexts/);
  assert.equal((await runIn(quiet, "context", "set", "a")).code, 2);
  const made = await runIn(
    env,
    ...["context", "set", "a", "--api", `http://127.0.0.1:1,${address}`, "--save-token"],
  );
  assert.equal(made.code, 0, made.talk);
  const file = join(workingDir, "conf", "contexts.toml");
  if (process.platform !== "win32") assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await runIn(quiet, "status")).code, 0, "the first one is current");
  await writeFile(join(workingDir, "conf", "b.token"), `${api.token}\n`);
  const b = ["context", "set", "b", "--api", address, "--token-file", join("conf", "b.token")];
  assert.equal((await runIn(quiet, ...b)).code, 0);
  assert.equal((await runIn(quiet, "context", "use", "b")).code, 0);
  assert.equal((await runIn(quiet, "status")).code, 0, "the token's path counts from the file");
  const { out } = await runIn(quiet, "context", "ls");
  assert.match(out, /^ +a +http:\/\/127\.0\.0\.1:1,\S+ +in the contexts file$/m);
  assert.match(out, /^\* +b +\S+ +b\.token$/m);
  assert.ok(!(await runIn(quiet, "context", "ls", "-o", "json")).out.includes(api.token));
  assert.equal((await runIn(quiet, "context", "rm", "b")).code, 0);
  assert.equal((await runIn(quiet, "context", "use", "b")).code, 2);
  assert.equal((await runIn(quiet, "status", "--context", "a")).code, 0);
  const bad = await runIn(quiet, "context", "set", "c", "--api", "here");
  assert.match(bad.talk, /Allowed: http:\/\/HOST:PORT/);
});

test("status says who leads; events what happens", async (t) => {
  const { api, good, start } = await scene(t);
  const { out } = await good("status");
  assert.match(out, /^api-1 \(.+\) answers: local leads, term 1; revision \d+\n/);
  const { revision } = JSON.parse((await good("status", "-o", "json")).out);
  const events = start("events", "--after", String(revision));
  await good("kv", "put", "no-event", "x");
  await putNode(api, "gs-1");
  await events.heard(/node gs-1 ready\n/);
  // A node is lost, and its world is placed anew.
  await putNode(api, "gs-1", { state: "lost" });
  const put = (key: string, value: Uint8Array) =>
    api.store.txn({ compare: [], then: [{ type: "put", key, value }] });
  await put(shardKey("w/0"), encodeRecord("shard", { wanted: "gs-2", reason: "failover" }));
  const owner = { world: 1, node: "gs-2", boot: "b", state: "owned" } as const;
  await put(ownerKey("w/0"), encodeRecord("owner", owner));
  // Members of the apiservers' group come and go.
  const member = encodeCbor({ address: "10.0.0.4:2556", state: "joining" }).slice();
  await put("apiservers/api-4", member);
  await api.store.txn({ compare: [], then: [{ type: "delete", key: "apiservers/api-4" }] });
  await events.heard(/apiserver api-4 removed\n/);
  events.stop();
  const told = (await events.done).out.trimEnd().split("\n");
  assert.deepEqual(
    told.map((line) => line.replace(/^\d+ /, "")),
    [
      "node gs-1 ready",
      "node gs-1 lost",
      "shard w/0 wanted on gs-2 (failover)",
      "owner w/0 owned by gs-2",
      "apiserver api-4 joining",
      "apiserver api-4 removed",
    ],
  );
});

test("raft: status as a table; add goes on until the new one votes; rm and transfer", async (t) => {
  const calls: string[] = [];
  let asked = 0;
  const { good, run } = await scene(t, {
    raft: {
      view: async () => ({
        ...{ node: "api-1", leader: "api-1", term: 7, commit: 90, lastIndex: 91 },
        ...{ checkpointIndex: 50, changing: false },
        members: [
          {
            ...{ node: "api-1", state: "voter", leads: true, address: "10.0.0.1:2556" },
            ...{ reachable: true, lag: 0, term: 7, commit: 90, applied: 90, logBytes: 1024 },
          },
          { node: "api-2", state: "learner", leads: false, reachable: false, lag: 12 },
        ],
      }),
      add: async (node, address) => {
        calls.push(`add ${node} ${address}`);
        asked += 1;
        const state = asked < 3 ? "learner" : "voter";
        return { node, state, leads: false, reachable: true, lag: 30 - 10 * asked };
      },
      remove: async (node) => void calls.push(`rm ${node}`),
      transfer: async (to) => to ?? "api-2",
    },
  });
  const { out } = await good("raft", "status");
  const lines = out.trimEnd().split("\n");
  assert.equal(lines[0], "api-1 leads, term 7; committed 90 of 91 entries, checkpoint at 50");
  assert.match(lines[3] ?? "", /^api-1 +leader +7 +90 +0 +1024 +yes +10\.0\.0\.1:2556$/);
  assert.match(lines[4] ?? "", /^api-2 +learner +- +- +12 +- +no +-$/);
  const { talk } = await good("raft", "add", "api-3", "--address", "10.0.0.3:2556");
  assert.deepEqual(
    talk
      .trimEnd()
      .split("\n")
      .map((line) => /lacks \d+|votes/.exec(line)?.[0]),
    ["lacks 20", "lacks 10", "votes"],
  );
  await good("raft", "rm", "api-2");
  assert.deepEqual(calls, [...Array(3).fill("add api-3 10.0.0.3:2556"), "rm api-2"]);
  assert.match((await good("raft", "transfer")).talk, /api-2 leads now/);
  assert.equal((await run("raft", "add", "api-3")).code, 2);
});

test("tokens are made, listed and revoked", async (t) => {
  const { good, runIn, env, run } = await scene(t);
  const { out, talk } = await good(
    "token",
    "create",
    "--name",
    "ci",
    "--role",
    "read",
    "--ttl",
    "7d",
  );
  assert.match(out, /^atlasnet-api-[0-9a-f]{16}-[A-Za-z0-9_-]{43}\n$/, "the token only");
  assert.match(talk, /for ci, role read/);
  const reader = { ...env, ATLASNET_TOKEN: out.trim() };
  assert.equal((await runIn(reader, "node", "ls")).code, 0);
  const write = await runIn(reader, "kv", "put", "k", "v");
  assert.equal(write.code, 1);
  assert.match(write.talk, /kv\.put needs the role operate.*\(forbidden\)/);
  const lines = (await good("token", "ls")).out.trimEnd().split("\n");
  const id = out.split("-")[2] ?? "";
  assert.ok(lines.some((line) => new RegExp(`^${id} +read .* ci$`).test(line)));
  await good("token", "rm", id);
  assert.equal((await runIn(reader, "node", "ls")).code, 1);
  assert.equal((await run("token", "create", "--name", "x", "--role", "root")).code, 2);
});

test("backup writes a file whole or not at all; restore sends it after --yes", async (t) => {
  const restored: string[] = [];
  let cut = false;
  const { good, run, workingDir } = await scene(t, {
    backup: {
      save: async () =>
        (async function* () {
          yield Buffer.from("state");
          if (cut) throw new Error("the disk is gone");
        })(),
      restore: async (bytes) => {
        const chunks: Uint8Array[] = [];
        for await (const chunk of bytes) chunks.push(chunk);
        restored.push(Buffer.concat(chunks).toString());
        return { revision: 9 };
      },
    },
  });
  await good("backup", "one.backup");
  assert.equal(await readFile(join(workingDir, "one.backup"), "utf8"), "state");
  assert.match((await run("backup", "one.backup")).talk, /there is a file/);
  cut = true;
  const broken = await run("backup", "two.backup");
  assert.equal(broken.code, 1);
  assert.deepEqual(
    (await readdir(workingDir)).filter((name) => name.startsWith("two")),
    [],
  );
  const unsure = await run("restore", "one.backup");
  assert.deepEqual([unsure.code, restored], [2, []]);
  assert.match((await good("restore", "one.backup", "--yes")).talk, /revision 9/);
  assert.deepEqual(restored, ["state"]);
  assert.equal((await run("restore", "none", "--yes")).code, 2);
});

test("contexts name clusters; the token of a context goes nowhere else", async (t) => {
  const { address, api, runIn, workingDir } = await scene(t);
  await writeFile(join(workingDir, "prod.token"), `${api.token}\n`);
  await writeFile(
    join(workingDir, "contexts.toml"),
    `current = "prod"
[contexts.prod]
addresses = ["http://127.0.0.1:1", "${address}"]
tokenFile = "prod.token"
[contexts.bad]
addresses = ["http://10.1.2.3:8080"]
token = "x"
`,
  );
  const env = { ATLASNET_CONTEXTS: "contexts.toml" };
  assert.equal((await runIn(env, "status")).code, 0, "the second address answers");
  assert.equal((await runIn(env, "status", "--context", "prod")).code, 0);
  const unknown = await runIn(env, "status", "--context", "prd");
  assert.equal(unknown.code, 2);
  assert.match(unknown.talk, /no context "prd"; there are: prod, bad/);
  const elsewhere = await runIn(env, "status", "--api", address);
  assert.equal(elsewhere.code, 1);
  assert.match(elsewhere.talk, /a token is needed \(unauthorized\)/);
  const plain = await runIn(env, "status", "--context", "bad");
  assert.equal(plain.code, 1);
  assert.match(plain.talk, /a token is not sent there without TLS/);
  await writeFile(join(workingDir, "contexts.toml"), "[contexts.prod]\naddress = 1\n");
  const wrong = await runIn(env, "status");
  assert.equal(wrong.code, 1);
  assert.match(wrong.talk, /contexts\.prod.*\(bad-contexts\)/);
});

test("the token of an apiserver in this folder is found", async (t) => {
  const { address, api, runIn, workingDir } = await scene(t);
  await mkdir(join(workingDir, "data"));
  await writeFile(join(workingDir, "data", "admin.token"), `${api.token}\n`);
  assert.equal((await runIn({ ATLASNET_API: address, HOME: workingDir }, "status")).code, 0);
});

test("wrong command lines, wrong tokens, nobody there: each with its code and what to do", async (t) => {
  const { env, run, runIn } = await scene(t);
  const cases: [string[], RegExp][] = [
    [["kv", "put", "k"], /either a value or --file is needed/],
    [["kv", "put", "k", "v", "--revision", "x"], /--revision: found "x"/],
    [["kv", "watch", "--exact"], /--exact: a key is needed/],
    [["world", "create", "w"], /required option '--module/],
    [["world", "create", "w", "--module", "m", "--world-config", "{"], /--world-config/],
    [["world", "create", "w", "--module", "m", "--label", "x"], /--label: found "x"/],
    [["node", "ls", "-o", "xml"], /Allowed choices are table, json, yaml/],
  ];
  for (const [args, pattern] of cases) {
    const { code, out, talk } = await run(...args);
    assert.match(talk, pattern);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
  }
  const token = await runIn({ ...env, ATLASNET_TOKEN: "wrong" }, "node", "ls");
  assert.equal(token.code, 1);
  assert.match(token.talk, /the token is not known \(unauthorized\)\n.*administrator/);
  const nobody = await runIn({ ...env, ATLASNET_API: "http://127.0.0.1:1" }, "node", "ls");
  assert.equal(nobody.code, 4);
  assert.match(nobody.talk, /no apiserver answers at http:\/\/127\.0\.0\.1:1 \(unreachable\)/);
  const address = await runIn({ ...env, ATLASNET_API: "127.0.0.1" }, "node", "ls");
  assert.match(address.talk, /Allowed: http:\/\/HOST:PORT/);
  const bad = await run("world", "create", "w", "--module", "m".repeat(1025));
  assert.equal(bad.code, 1);
  assert.match(bad.talk, /body\.module\.path: .*1025 \(bad-request\)/);
});
