import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  type ControlStore,
  changeNodeState,
  claimShard,
  cordonNode,
  createWorld,
  decodeRecord,
  encodeRecord,
  firstShard,
  generationOf,
  type ModuleSource,
  measureMove,
  migrationKey,
  mirrorKey,
  moduleKey,
  movedKey,
  type NodeRecord,
  nodeKey,
  ownerKey,
  type Proposal,
  type RecordKind,
  type Records,
  registerNode,
  type Seen,
  seen,
  shardKey,
  switchShard,
  updateWorld,
  type WorldRecord,
  worldKey,
} from "@atlasnet/core";
import { nodeRecord, worldRecord } from "@atlasnet/core/testing";
import type { ReportedMigration } from "../../leader/leader-role.ts";
import type { PlannedWeights, Target } from "../../leader/move-advice.ts";
import { apiScene } from "../testing/scene.ts";
import { eventOf } from "./events.ts";

/** Placement as a test has it: what it says, and what it was asked. */
class FakeMoves {
  best: Target = { ok: true, node: "gs-2" };
  refusals = new Map<string, string>();
  reported: ReportedMigration[] = [];
  tooMany: string | undefined;
  readonly planned: PlannedWeights[] = [];
  readonly modules: (ModuleSource | undefined)[] = [];

  target(_shard: string, planned: PlannedWeights, module?: ModuleSource): Target {
    this.planned.push(new Map(planned));
    this.modules.push(module);
    return this.best;
  }

  refusal(_shard: string, node: string, _planned: PlannedWeights, module?: ModuleSource) {
    this.modules.push(module);
    return this.refusals.get(node);
  }

  crowded() {
    return this.tooMany;
  }

  async reports(): Promise<readonly ReportedMigration[]> {
    return this.reported;
  }
}

async function scene(t: TestContext) {
  const moves = new FakeMoves();
  const api = await apiScene({}, { moves });
  t.after(() => api.close());
  const { store, leases } = api;
  const client = api.client();
  const ask = async (method: "GET" | "POST" | "DELETE", path: string, body?: unknown) =>
    Object(await client.request({ method, path, body, id: client.newId() }));
  const propose = async (made: Proposal<string>) => {
    assert.ok(made.ok, JSON.stringify(made));
    const { succeeded } = await store.txn(made.txn);
    assert.ok(succeeded);
  };
  const now = <K extends RecordKind>(kind: K, key: string) => read(store, kind, key);
  const enter = async (node: string, fields: Partial<NodeRecord> = {}) => {
    const generation = await generationNow(store);
    const record = nodeRecord({ boot: node, ...fields });
    const key = nodeKey(node);
    leases.add(node);
    await propose(
      registerNode(node, await now("node", key), { record, generation, previousBoot: undefined }),
    );
    if (fields.role === undefined)
      await propose(changeNodeState(node, await now("node", key), node, "ready"));
  };
  /** A world that runs on gs-1. */
  const open = async (world: string, fields: Partial<WorldRecord> = {}) => {
    const shard = firstShard(world);
    const key = worldKey(world);
    await propose(createWorld(world, await now("world", key), worldRecord(fields)));
    const wanted = { wanted: "gs-1", reason: "placed" } as const;
    const value = encodeRecord("shard", wanted);
    await store.txn({ compare: [], then: [{ type: "put", key: shardKey(shard), value }] });
    const node = await now("node", nodeKey("gs-1"));
    const view = {
      world: await now("world", key),
      shard: await now("shard", shardKey(shard)),
      owner: await now("owner", ownerKey(shard)),
      ...{ ownerNode: node, node },
      mirror: await now("mirror", mirrorKey(shard)),
    };
    const generation = await generationNow(store);
    await propose(claimShard(shard, view, { node: "gs-1", boot: "gs-1", generation }));
  };
  /** What the target does in the end. */
  const arrive = async (world: string, node: string) => {
    const shard = firstShard(world);
    const view = {
      migration: await now("migration", migrationKey(shard)),
      owner: await now("owner", ownerKey(shard)),
      shard: await now("shard", shardKey(shard)),
      world: await now("world", worldKey(world)),
      node: await now("node", nodeKey(node)),
      mirror: await now("mirror", mirrorKey(shard)),
    };
    const generation = await generationNow(store);
    const me = { node, boot: node, generation };
    await propose(switchShard(shard, view, me, { ended: Date.parse("2026-01-01T00:00:09Z") }));
    const moved = await now("moved", movedKey(shard));
    await propose(measureMove(shard, moved, { gapMs: 41, bytes: 1_000 }));
  };
  await enter("gs-1");
  await enter("gs-2");
  await open("arena");
  return { api, client, moves, ask, now, enter, open, arrive, propose };
}

async function read<K extends RecordKind>(
  store: ControlStore,
  kind: K,
  key: string,
): Promise<Seen<Records[K]>> {
  const { items } = await store.range({ key });
  const [item] = items;
  if (item === undefined) return { record: undefined, created: 0, modified: 0 };
  const decoded = decodeRecord(kind, item.value);
  assert.ok(decoded.ok);
  return seen(decoded.record, item);
}

async function generationNow(store: ControlStore): Promise<number> {
  return generationOf((await store.range({ key: "x" })).revision);
}

const code = (expected: string, message: RegExp) => (error: unknown) => {
  const { code: found, message: text, hint } = Object(error);
  assert.equal(found, expected, text);
  assert.match(text, message);
  assert.match(hint, /./);
  return true;
};

test("a world is asked to move where it is said, or where placement finds room", async (t) => {
  const { ask, now, arrive } = await scene(t);
  const begun = await ask("POST", "/v1/worlds/arena/migrate", { to: "gs-2", deadlineMs: 5_000 });
  assert.deepEqual([begun.shard, begun.from, begun.to], ["arena/0", "gs-1", "gs-2"]);
  assert.match(begun.id, /^[0-9a-f]{16}$/);
  const { record } = await now("migration", migrationKey("arena/0"));
  assert.deepEqual(
    [record?.id, record?.to, record?.reason, record?.deadlineMs],
    [begun.id, "gs-2", "operator", 5_000],
  );
  await arrive("arena", "gs-2");
  const { moved, migration } = await ask("GET", "/v1/migrations/arena/0");
  assert.equal(migration, undefined);
  assert.deepEqual(
    [moved.outcome, moved.by, moved.gapMs, moved.bytes, moved.ended],
    ["moved", "gs-2", 41, 1_000, "2026-01-01T00:00:09.000Z"],
  );
});

test("without a node placement chooses; what it knows against a node is the answer", async (t) => {
  const { ask, moves } = await scene(t);
  moves.best = { ok: false, problems: ["gs-2 is cordoned", "gs-3 is full"] };
  await assert.rejects(
    ask("POST", "/v1/worlds/arena/migrate", {}),
    code("no-target", /gs-2 is cordoned; gs-3 is full/),
  );
  moves.refusals.set("gs-2", "has no room for a weight of 1: 100 of 100 are taken");
  await assert.rejects(
    ask("POST", "/v1/worlds/arena/migrate", { to: "gs-2" }),
    code("no-target", /gs-2 has no room/),
  );
  moves.best = { ok: true, node: "gs-2" };
  moves.refusals.clear();
  assert.equal((await ask("POST", "/v1/worlds/arena/migrate", {})).to, "gs-2");
});

test("a world is moved to run another module, which the switch records; where it fits that one counts", async (t) => {
  const { ask, now, arrive, enter, moves } = await scene(t);
  const module = { source: "node", path: "./next.js" } as const;
  await enter("gs-3", { modules: ["./a.js"] });
  await enter("gs-4", { modules: ["./next.js"] });
  const path = "/v1/worlds/arena/migrate";
  await assert.rejects(
    ask("POST", path, { module, to: "gs-3" }),
    code("no-target", /gs-3 cannot take it: it has not the module .\/next\.js/),
  );
  const { id } = await ask("POST", path, { module, to: "gs-4" });
  assert.deepEqual(moves.modules, [module]);
  const { record } = await now("migration", migrationKey("arena/0"));
  assert.deepEqual([record?.id, record?.reason, record?.module], [id, "upgraded", module]);
  const { migration } = await ask("GET", "/v1/migrations/arena/0");
  assert.deepEqual(migration.module, module);
  assert.notDeepEqual((await ask("GET", "/v1/worlds/arena")).module, module);
  await arrive("arena", "gs-4");
  assert.deepEqual((await ask("GET", "/v1/worlds/arena")).module, module);
});

test("a stored module is named by its version, and has to stay in the store until the move has begun", async (t) => {
  const { api, ask, now, moves } = await scene(t);
  const path = "/v1/worlds/arena/migrate";
  const stored = { source: "store", name: "arena", version: "2.0.0" } as const;
  await assert.rejects(ask("POST", path, { module: stored }), code("not-found", /arena@2\.0\.0/));
  const digest = new Uint8Array(32).fill(7);
  const value = encodeRecord("module", { digest, entry: "index.js", bytes: 100 });
  const key = moduleKey("arena", "2.0.0");
  await api.store.txn({ compare: [], then: [{ type: "put", key, value }] });
  moves.best = { ok: false, problems: ["there is no other gameserver to move it to"] };
  await assert.rejects(ask("POST", path, { module: stored }), (error) => {
    assert.match(Object(error).hint, /another gameserver.*start one.*world update arena --module/);
    return code("no-target", /no other gameserver/)(error);
  });
  await assert.rejects(ask("POST", path, { module: stored, to: "gs-1" }), (error) => {
    assert.match(Object(error).hint, /world update arena --module/);
    return code("conflict", /has it already/)(error);
  });
  await assert.rejects(
    ask("POST", path, { module: stored, to: "gs-2" }),
    code("no-target", /no artifacts\.store/),
  );
  assert.equal((await now("migration", migrationKey("arena/0"))).record, undefined);
  assert.deepEqual(moves.modules.at(0), { ...stored, digest });
});

test("a world that nobody runs only has another module recorded", async (t) => {
  const { ask, now, propose } = await scene(t);
  const module = { source: "node", path: "./next.js" } as const;
  const node = { source: "node", path: "./a.js" } as const;
  await ask("POST", "/v1/worlds", { world: "idle", module: node, graceSeconds: 7 });
  const path = "/v1/worlds/idle/migrate";
  const answer = await ask("POST", path, { module });
  assert.deepEqual(Object.keys(answer).sort(), ["revision", "shard"]);
  const { record, modified } = await now("world", worldKey("idle"));
  assert.deepEqual([record?.module, record?.graceSeconds], [module, 7]);
  assert.equal(modified, answer.revision);
  assert.equal((await now("migration", migrationKey("idle/0"))).record, undefined);
  await assert.rejects(
    ask("POST", "/v1/worlds/nowhere/migrate", { module }),
    code("not-found", /no world nowhere/),
  );
  // One that runs and is disabled is about to be closed.
  const before = await now("world", worldKey("arena"));
  assert.ok(before.record !== undefined);
  await propose(updateWorld("arena", before, { ...before.record, enabled: false }));
  await ask("POST", "/v1/worlds/arena/migrate", { module });
  assert.deepEqual((await now("world", worldKey("arena"))).record?.module, module);
});

test("what cannot be is refused with a code, a reason and a hint", async (t) => {
  const { api, ask, enter, open, propose, now } = await scene(t);
  const migrate = (world: string, to?: string) =>
    ask("POST", `/v1/worlds/${world}/migrate`, to === undefined ? {} : { to });
  await assert.rejects(migrate("nowhere", "gs-2"), code("not-found", /no world nowhere/));
  await assert.rejects(migrate("arena", "gs-9"), code("not-found", /no gameserver gs-9/));
  await assert.rejects(migrate("arena", "gs-1"), code("conflict", /has it already/));
  await enter("p-1", { role: "proxy" });
  await assert.rejects(migrate("arena", "p-1"), code("not-found", /no gameserver p-1/));
  await enter("gs-3", { modules: ["./other.js"] });
  await assert.rejects(migrate("arena", "gs-3"), code("no-target", /not the module/));
  await enter("gs-4", { capacity: { weight: 3, sessions: 0, memoryBytes: 0 } });
  await open("heavy", { weight: 4 });
  await assert.rejects(migrate("heavy", "gs-4"), code("no-target", /capacity is 3/));
  const generation = await generationNow(api.store);
  await propose(cordonNode("gs-4", await now("node", nodeKey("gs-4")), generation, true));
  await assert.rejects(migrate("arena", "gs-4"), code("no-target", /cordoned/));
  await propose(changeNodeState("gs-2", await now("node", nodeKey("gs-2")), "gs-2", "draining"));
  await assert.rejects(migrate("arena", "gs-2"), code("no-target", /draining/));
  await ask("POST", "/v1/worlds", { world: "idle", module: { source: "node", path: "./a.js" } });
  await assert.rejects(migrate("idle", "gs-3"), code("conflict", /no node owns it/));
  for (const body of [{ to: "a b" }, { deadlineMs: 999 }, { deadlineMs: 3_600_001 }, { for: 1 }])
    await assert.rejects(ask("POST", "/v1/worlds/arena/migrate", body), code("bad-request", /./));
});

test("of two operators the second one is told of the first one's; a retry gets its own answer again", async (t) => {
  const { ask, client, arrive } = await scene(t);
  const first = {
    method: "POST",
    path: "/v1/worlds/arena/migrate",
    body: { to: "gs-2" },
    id: client.newId(),
  } as const;
  const begun = Object(await client.request(first));
  await assert.rejects(
    ask("POST", first.path, first.body),
    code("migrating", new RegExp(`${begun.id} \\(operator admin of api-1\\)`)),
  );
  assert.deepEqual(await client.request(first), begun);
  await arrive("arena", "gs-2");
  const { id, to } = Object(await client.request(first));
  assert.deepEqual([id, to], [begun.id, "gs-2"], "it has arrived meanwhile");
});

test("migrations are listed with what their nodes say, and those that ended by themselves", async (t) => {
  const { ask, moves, open, arrive } = await scene(t);
  await open("lobby");
  const { id } = await ask("POST", "/v1/worlds/arena/migrate", {});
  const figures = { phase: "copying", bytes: 5, totalBytes: 10, lagTicks: 2 } as const;
  moves.reported = [
    { node: "gs-1", shard: "arena/0", id, ...figures },
    { node: "gs-2", shard: "arena/0", id, ...figures, bytes: 4 },
    { node: "gs-2", shard: "lobby/0", id: "f".repeat(16), ...figures },
  ];
  const { migrations, moved, more } = await ask("GET", "/v1/migrations");
  assert.deepEqual([migrations.length, moved.length, more], [1, 0, false]);
  assert.deepEqual(migrations[0].progress, { node: "gs-2", ...figures, bytes: 4 });
  const { placements } = await ask("GET", "/v1/placements/arena");
  assert.equal(placements[0].migration.id, id);
  await arrive("arena", "gs-2");
  assert.deepEqual((await ask("GET", "/v1/migrations")).migrations, []);
  const ended = await ask("GET", "/v1/migrations?ended=true");
  assert.deepEqual(
    ended.moved.map(({ world, gapMs }: { world: string; gapMs: number }) => [world, gapMs]),
    [["arena", 41]],
  );
  // Page by page, of whatever is there.
  const worlds: string[] = [];
  let after: string | undefined;
  for (let pages = 1; ; pages++) {
    const page = await ask(
      "GET",
      `/v1/migrations?ended=true&limit=1${after === undefined ? "" : `&after=${encodeURIComponent(after)}`}`,
    );
    worlds.push(...page.moved.map(({ world }: { world: string }) => world));
    after = page.last;
    assert.ok(pages < 20);
    if (!page.more) break;
  }
  assert.deepEqual(worlds, ["arena"]);
});

test("a migration is cancelled by whoever asks first, and by nobody once it has switched", async (t) => {
  const { ask, now, arrive } = await scene(t);
  const { id } = await ask("POST", "/v1/worlds/arena/migrate", {});
  const path = "/v1/migrations/arena/0";
  await assert.rejects(ask("DELETE", `${path}?id=${"0".repeat(16)}`), code("not-found", /0000/));
  await ask("DELETE", `${path}?id=${id}`);
  const { record } = await now("moved", movedKey("arena/0"));
  assert.deepEqual([record?.outcome, record?.id], ["aborted", id]);
  assert.match(record?.by ?? "", /^operator /);
  await ask("DELETE", `${path}?id=${id}`);
  await assert.rejects(ask("DELETE", path), code("not-found", /no migration/));
  const next = await ask("POST", "/v1/worlds/arena/migrate", {});
  await arrive("arena", "gs-2");
  await assert.rejects(ask("DELETE", `${path}?id=${next.id}`), code("not-found", /no migration/));
  await assert.rejects(ask("GET", "/v1/migrations/other/0"), code("not-found", /no migration/));
  await assert.rejects(ask("GET", "/v1/migrations/arena/4096"), code("bad-request", /number/));
  const { entries } = await ask("GET", "/v1/audit");
  const [entry] = entries;
  assert.deepEqual([entry.what, entry.result], ["migrations.cancel", "not-found"]);
});

test("beyond so many at a time no more begin: one is refused, those of a node wait", async (t) => {
  const { ask, moves, open } = await scene(t);
  await open("b", { weight: 1 });
  moves.tooMany = "64 worlds are on their way already, of 64 at a time";
  await assert.rejects(
    ask("POST", "/v1/worlds/arena/migrate", {}),
    code("too-many-requests", /64 worlds are on their way/),
  );
  const away = await ask("POST", "/v1/nodes/gs-1/migrate-away", { atOnce: 2, deadlineMs: 60_000 });
  assert.deepEqual([away.begun, away.waiting, away.refused], [[], 2, []]);
  moves.tooMany = undefined;
  assert.equal((await ask("POST", "/v1/worlds/arena/migrate", {})).to, "gs-2");
  moves.tooMany = "64 worlds are on their way already, of 64 at a time";
  await assert.rejects(ask("POST", "/v1/worlds/arena/migrate", {}), code("migrating", /arena/));
});

test("a node is emptied some worlds at a time, by whoever asks again", async (t) => {
  const { ask, open, arrive, moves } = await scene(t);
  for (const world of ["b", "c"]) await open(world, { weight: 3 });
  const away = () => ask("POST", "/v1/nodes/gs-1/migrate-away", { atOnce: 2, deadlineMs: 60_000 });
  const shards = (list: readonly { shard: string }[]) => list.map(({ shard }) => shard);
  const first = await away();
  assert.deepEqual(
    [shards(first.begun), first.underWay, first.waiting, first.refused],
    [["arena/0", "b/0"], ["arena/0", "b/0"], 1, []],
  );
  assert.deepEqual(
    moves.planned.map((weights) => weights.get("gs-2")),
    [undefined, 1],
    "what was given to a node counts for the next one",
  );
  const busy = await away();
  assert.deepEqual([busy.begun, busy.waiting], [[], 1]);
  await arrive("arena", "gs-2");
  moves.best = { ok: false, problems: ["gs-2 is overloaded"] };
  const second = await away();
  assert.deepEqual([second.begun, second.underWay, second.waiting], [[], ["b/0"], 0]);
  assert.deepEqual(
    second.refused.map((each: { shard: string; code: string }) => [each.shard, each.code]),
    [["c/0", "no-target"]],
  );
  await assert.rejects(
    ask("POST", "/v1/nodes/gs-9/migrate-away", {}),
    code("not-found", /no gameserver gs-9/),
  );
});

test("events tell of migrations and of how they ended", async (t) => {
  const { api, ask, arrive } = await scene(t);
  const { id } = await ask("POST", "/v1/worlds/arena/migrate", {});
  const event = async (key: string) => {
    const [item] = (await api.store.range({ key })).items;
    return Object(item && eventOf({ type: "put", item }));
  };
  const migration = await event(migrationKey("arena/0"));
  assert.deepEqual([migration.kind, migration.name], ["migration", "arena/0"]);
  assert.deepEqual([migration.record.id, migration.record.to], [id, "gs-2"]);
  await arrive("arena", "gs-2");
  const moved = await event(movedKey("arena/0"));
  assert.deepEqual([moved.kind, moved.record.outcome, moved.record.gapMs], ["moved", "moved", 41]);
});
