import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { assertAllIsWell, LEDGER_FILE, type LedgerPlayer } from "@atlasnet/monolith/testing";
import type { NodeProcess } from "../testing/node-process.ts";
import { until } from "../testing/until.ts";
import { operate } from "./operator.ts";
import { RolledBackBooks } from "./rolled-back-books.ts";
import { answers, chaos, type Scene } from "./scene.ts";

/** Shorter than the default, so that tests need not wait long; still much longer than a busy machine stalls for. */
const LEASE = { "node.leaseMs": "3000" };
const CLUSTER = {
  ...{ proxies: 2, gameservers: 2, apiservers: 3, worlds: [] },
  settings: LEASE,
} as const;

/** Of util-linux: it limits a process that runs. */
const limited = spawnSync("prlimit", ["--version"]).status === 0;

const proxiesOf = (scene: Scene) => [scene.node("proxy-1"), scene.node("proxy-2")];
const apiserversOf = (scene: Scene) => [1, 2, 3].map((n) => scene.node(`api-${n}`));

/** One player of each transport through each proxy. */
async function enterEverywhere(scene: Scene, world: string): Promise<LedgerPlayer[]> {
  const entered = await Promise.all(
    proxiesOf(scene).map((proxy) => scene.enterAll([proxy], world)),
  );
  const players = entered.flat();
  for (const player of players) player.talk(1e6);
  return players;
}

async function assertUntouched(players: readonly LedgerPlayer[]): Promise<void> {
  for (const player of players) player.stop();
  await assertAllIsWell(players);
  for (const { drops } of players) assert.equal(drops, 0, "no client's connection was touched");
}

chaos(
  "a world is made, the leader is killed, then all apiservers at once: players notice nothing",
  CLUSTER,
  async (scene) => {
    const { cluster } = scene;
    const made = await operate(cluster, "world", "create", "arena", "--module", LEDGER_FILE);
    assert.equal(made.code, 0, made.talk);
    await cluster.owned("arena");
    const players = await enterEverywhere(scene, "arena");
    await scene.moment(players);
    const leader = await cluster.leader();
    await leader.kill();
    await answers(players, 10);
    const next = await operate(cluster, "world", "create", "second", "--module", LEDGER_FILE);
    assert.equal(next.code, 0, next.talk);
    await cluster.owned("second");
    const others = await enterEverywhere(scene, "second");
    await answers(others, 3);
    leader.start();
    await leader.ready();

    const apiservers = apiserversOf(scene);
    await Promise.all(apiservers.map((apiserver) => apiserver.kill()));
    await answers(players, 3);
    for (const apiserver of apiservers) apiserver.start();
    await Promise.all(apiservers.map((apiserver) => apiserver.ready()));
    const third = await operate(cluster, "world", "create", "third", "--module", LEDGER_FILE);
    assert.equal(third.code, 0, third.talk);
    await cluster.owned("third");
    await answers([...players, ...others], 5);
    await assertUntouched(players);
    await assertUntouched(others);
  },
);

chaos(
  "a gameserver is killed: a world that is kept waits for it, one without state goes to another",
  CLUSTER,
  async (scene) => {
    const { cluster } = scene;
    await cluster.createWorld("kept", LEDGER_FILE);
    const home = await cluster.owned("kept");
    const moving = await withoutState(scene, home);
    const [proxy] = proxiesOf(scene);
    assert.ok(proxy);
    const keeper = await scene.enter("ws", [proxy], "kept");
    const mover = await scene.enter("udp", [proxy], moving);
    const [books, moved] = [keeper, mover].map((player) => new RolledBackBooks(player));
    assert.ok(books && moved);
    for (const player of [keeper, mover]) player.talk(1e6);
    // What was synced counts after a kill.
    await answers([keeper, mover], 30);
    await home.kill();
    const other = await cluster.owned(moving, (node) => node !== home.node);
    await answers([mover], 5);
    const { placements } = await shown(scene, "kept");
    assert.notEqual(placements[0]?.state, "owned", "it waits for its gameserver");
    home.start();
    assert.equal((await cluster.owned("kept")).node, home.node);
    await answers([keeper, mover], 5);
    assert.equal(await other.metric("atlasnet_world_sessions", { world: "kept" }), 0);
    assert.equal(moved.rollbacks, 1, "it began anew");
    moved.assertOrder();
    keeper.stop();
    await until("the last message is answered", () => keeper.said.at(-1) === keeper.sent);
    // A second of the journal, and the time of a sync.
    books.assertWell(60);
    assert.equal(keeper.drops, 0, "it only waited");
  },
);

chaos(
  "a gameserver stands still for longer than its lease: another one has its world, and it says nothing any more",
  CLUSTER,
  async (scene) => {
    const { cluster } = scene;
    await cluster.createWorld("arena", LEDGER_FILE, { durability: "none" });
    const paused = await cluster.owned("arena");
    const players = await enterEverywhere(scene, "arena");
    const books = players.map((player) => new RolledBackBooks(player));
    await answers(players, 5);
    const from = paused.lines.length;
    paused.signal("SIGSTOP");
    const other = await cluster.owned("arena", (node) => node !== paused.node);
    await until("all play at the other one", async () => {
      const there = await other.metric("atlasnet_world_sessions", { world: "arena" });
      return there === players.length && books.every(({ rollbacks }) => rollbacks === 1);
    });
    await answers(players, 3);
    paused.signal("SIGCONT");
    await until("it is registered anew", async () => {
      const [times, losses] = await Promise.all([
        paused.metric("atlasnet_node_registrations_total"),
        paused.metric("atlasnet_node_losses_total"),
      ]);
      return times === 2 && losses === 1;
    });
    await paused.logged(/closed here/, from);
    await answers(players, 10);
    // Everybody heard one world after the other, and nothing of the first one again.
    for (const book of books) {
      assert.equal(book.rollbacks, 1);
      book.assertOrder();
    }
    assert.equal((await cluster.owned("arena")).node, other.node);
    assert.equal(await paused.metric("atlasnet_world_sessions"), 0);
    // It takes worlds again.
    await other.kill();
    assert.equal((await cluster.owned("arena", (node) => node !== other.node)).node, paused.node);
    await answers(players, 3);
  },
);

chaos(
  "two of three apiservers are down: worlds stand still when their lease is over, and go on when one is back",
  CLUSTER,
  async (scene) => {
    const { cluster } = scene;
    await cluster.createWorld("arena", LEDGER_FILE);
    const home = await cluster.owned("arena");
    const players = await enterEverywhere(scene, "arena");
    await answers(players, 5);
    const [first, second] = apiserversOf(scene);
    assert.ok(first && second);
    await Promise.all([first.kill(), second.kill()]);
    await answers(players, 1);
    await untilLease(home, "is over");
    const heard = await stillness(players);
    const refused = await operate(cluster, "world", "create", "late", "--module", LEDGER_FILE);
    assert.equal(refused.code, 4, "try again later");
    assert.match(refused.talk, /no-quorum\)\n {2}\S+/, "with a hint");
    assert.deepEqual(heardBy(players), heard);
    first.start();
    await answers(players, 5);
    const { code, talk } = await operate(
      cluster,
      "world",
      "create",
      "late",
      "--module",
      LEDGER_FILE,
    );
    assert.equal(code, 0, talk);
    await cluster.owned("late");
    await assertUntouched(players);
    assert.equal(await home.metric("atlasnet_node_losses_total"), 0);
  },
);

chaos(
  "two of three apiservers are down for longer than a lease: players of a mirrored world notice nothing",
  CLUSTER,
  async (scene) => {
    const { cluster } = scene;
    await cluster.createWorld("arena", LEDGER_FILE, { durability: "mirror" });
    const home = await cluster.owned("arena");
    await cluster.mirrored("arena");
    const players = await enterEverywhere(scene, "arena");
    await answers(players, 5);
    await until(
      "it needs no lease",
      async () => (await home.metric("atlasnet_mirror_unleased")) === 1,
    );
    const [first, second] = apiserversOf(scene);
    assert.ok(first && second);
    await Promise.all([first.kill(), second.kill()]);
    await untilLease(home, "is over");
    await answers(players, 20);
    first.start();
    await untilLease(home, "holds");
    await answers(players, 10);
    await assertUntouched(players);
    assert.equal((await cluster.owned("arena")).node, home.node);
    assert.equal(await home.metric("atlasnet_node_losses_total"), 0);
    // And its mirror is one still.
    await cluster.mirrored("arena");
    await home.kill();
    const next = await cluster.owned("arena", (node) => node !== home.node);
    assert.notEqual(next.node, home.node);
  },
);

chaos(
  `the leader's disk takes no more: it ends and says why, the others go on${limited ? "" : " (not here: there is no prlimit)"}`,
  { ...CLUSTER, proxies: 1, gameservers: 1, skip: !limited },
  async (scene) => {
    const { cluster } = scene;
    await cluster.createWorld("arena", LEDGER_FILE);
    const players = await scene.enterAll([scene.node("proxy-1")], "arena");
    for (const player of players) player.talk(1e6);
    await answers(players, 3);
    const leader = await cluster.leader();
    const from = leader.lines.length;
    // No file of this process grows beyond its first byte from now on.
    execFileSync("prlimit", ["--pid", String(leader.pid), "--fsize=1:unlimited"]);
    const next = await operate(cluster, "world", "create", "next", "--module", LEDGER_FILE);
    assert.equal(next.code, 0, next.talk);
    await until("it has ended", () => !leader.isRunning);
    const said = leader.lines.slice(from).join("\n");
    assert.match(said, /the Raft log in .+ failed.*\(wal-failed\)\n {2}\S+/, "with a hint");
    assert.match(said, /\(exited with code 1\)$/);
    await cluster.owned("next");
    leader.start();
    await leader.ready();
    await answers(players, 3);
    await assertUntouched(players);
  },
);

function untilLease(home: NodeProcess, is: "holds" | "is over"): Promise<void> {
  const due = is === "holds" ? 1 : 0;
  return until(`its lease ${is}`, async () => (await home.metric("atlasnet_node_may_act")) === due);
}

/** Makes worlds without state until one of them is where another world is: they are spread. */
async function withoutState({ cluster }: Scene, home: NodeProcess): Promise<string> {
  for (let n = 1; n <= 4; n++) {
    const name = `moving-${n}`;
    await cluster.createWorld(name, LEDGER_FILE, { durability: "none" });
    if ((await cluster.owned(name)) === home) return name;
  }
  throw new Error(`no world came to ${home.node}`);
}

interface Shown {
  readonly placements: readonly { readonly state: string }[];
}

async function shown({ cluster }: Scene, world: string): Promise<Shown> {
  const { code, out, talk } = await operate(cluster, "world", "show", world, "-o", "json");
  assert.equal(code, 0, talk);
  return JSON.parse(out);
}

/** Looks, some ms apart, that have to be alike: several ticks of the world. */
const STILL_LOOKS = 40;

/** Waits until nobody hears anything any more. */
async function stillness(players: readonly LedgerPlayer[]): Promise<readonly number[]> {
  let [heard, alike] = [heardBy(players), 0];
  await until("the world stands still", () => {
    const now = heardBy(players);
    alike = String(now) === String(heard) ? alike + 1 : 0;
    heard = now;
    return alike >= STILL_LOOKS;
  });
  return heard;
}

function heardBy(players: readonly LedgerPlayer[]): readonly number[] {
  return players.map(({ said, news }) => said.length + news.length);
}
