import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { apiScene } from "@atlasnet/apiserver/testing";
import { startCommand } from "../testing/command.ts";

const MOVE = {
  ...{ shard: "arena/0", world: "arena", from: "gs-1", to: "gs-2", live: true },
  fromLoad: { before: 0.91, after: 0.7 },
  toLoad: { before: 0.1, after: 0.31 },
  reason: "gs-1 has stayed at 80 % or more for 42 s",
};
const PLAN = {
  ...{ enabled: true, liveMoves: true, moves: [MOVE], more: 3 },
  stay: [{ node: "gs-2", load: 0.1, why: "no other node is less loaded by more than 20 %" }],
};

async function scene(t: TestContext, plan: typeof PLAN) {
  const api = await apiScene({}, { rebalance: { plan: async () => plan } });
  const workingDir = await mkdtemp(join(tmpdir(), "atlasnet-cli-"));
  t.after(async () => {
    await api.close();
    await rm(workingDir, { recursive: true, force: true });
  });
  const env = { ATLASNET_API: api.addresses[0] ?? "", ATLASNET_TOKEN: api.token, HOME: workingDir };
  return (...args: string[]) => startCommand(args, { env, workingDir }).done;
}

test("rebalance --plan: what would move with loads before and after, and why the others stay", async (t) => {
  const run = await scene(t, PLAN);
  const { code, out, talk } = await run("rebalance", "--plan");
  assert.equal(code, 0, talk);
  assert.match(out, /^WORLD +FROM +LOAD +TO +LOAD +REASON\n/);
  assert.match(out, /arena +gs-1 +91 % → 70 % +gs-2 +10 % → 31 % +gs-1 has stayed at 80 %/);
  assert.match(out, /gs-2 +10 % +no other node is less loaded/);
  assert.match(talk, /3 more nodes/);
  const json = await run("rebalance", "--plan", "-o", "json");
  assert.deepEqual(JSON.parse(json.out), PLAN);
});

test("rebalance --plan: says what is turned off, and that nothing would be moved", async (t) => {
  const run = await scene(t, { ...PLAN, enabled: false, liveMoves: false, moves: [] });
  const { code, talk } = await run("rebalance", "--plan");
  assert.equal(code, 0);
  assert.match(talk, /placement\.liveMoves is off/);
  assert.match(talk, /placement\.rebalance is off/);
  assert.match(talk, /Nothing would be moved now/);
});

test("rebalance: is refused where worlds are not moved while they run", async (t) => {
  const off = await scene(t, { ...PLAN, liveMoves: false });
  const refused = await off("rebalance");
  assert.equal(refused.code, 3);
  assert.match(refused.talk, /placement\.liveMoves is off \(conflict\)/);
});

test("rebalance: what has changed since the plan was made is not moved, and that is said", async (t) => {
  const run = await scene(t, PLAN);
  const { code, talk } = await run("rebalance");
  assert.equal(code, 0, talk);
  assert.match(talk, /arena\/0 was not moved: there is no world arena/);
  assert.match(talk, /Nothing is moved/);
});
