import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { type Clock, noopLogger, worldKey } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { systemClock } from "@atlasnet/core/system";
import { reached, TinyStore } from "@atlasnet/core/testing";
import type { Ownership } from "../durability/plan-run.ts";
import type { WorldRequest } from "../server/hosted-world.ts";
import { type NewestSnapshot, WorldSnapshots } from "../snapshots/world-snapshots.ts";
import { FakeControlPlane } from "../testing/fake-control-plane.ts";
import { WorldHost } from "./world-host.ts";
import type { WorldModules } from "./world-modules.ts";

const load = () => ({ sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 });

/** Worlds without threads: what was asked of them, and what runs. */
class FakeWorlds {
  readonly running = new Map<string, Ownership | undefined>();
  readonly deeds: string[] = [];
  problem: string | undefined;
  private readonly marks: (() => void)[] = [];

  private did(deed: string): void {
    this.deeds.push(deed);
    for (const mark of this.marks.splice(0)) mark();
  }

  async open({ world, ownership, module }: WorldRequest): Promise<void> {
    if (this.problem !== undefined) {
      this.did(`failed ${world}`);
      throw new Error(this.problem);
    }
    this.running.set(world, ownership);
    this.did(`open ${world} ${module}`);
  }

  async close(world: string): Promise<undefined> {
    this.running.delete(world);
    this.did(`close ${world}`);
  }

  seal(): void {
    this.did("seal");
  }

  unseal(): void {
    this.did("unseal");
  }

  async abandon(): Promise<void> {
    this.running.clear();
    this.did("abandon");
  }

  async until(holds: () => boolean): Promise<void> {
    while (!holds()) await new Promise<void>((resolve) => this.marks.push(resolve));
  }
}

const modules: Pick<WorldModules, "fileOf" | "release"> = {
  fileOf: async (_, source) => `file of ${source.source === "node" ? source.path : source.name}`,
  release: () => undefined,
};

function make(
  control: FakeControlPlane,
  clock: Clock = systemClock,
  snapshots?: WorldSnapshots | undefined,
) {
  const worlds = new FakeWorlds();
  const host = new WorldHost({ control, modules, clock, snapshots, logger: noopLogger });
  return { worlds, host };
}

/** A control plane whose answers about snapshots are held back: each is given by calling what stands in `asked`. */
class HeldSnapshots extends WorldSnapshots {
  readonly asked: (() => void)[] = [];

  constructor({ store }: FakeControlPlane) {
    const options = { node: "g", dataDir: "/data", keep: 1, uploadBytesPerSecond: 1, finishMs: 1 };
    const disk = new SimDisk({}, { random: new SeededRandom(1) }).process();
    const storeOf = () => assert.fail("nothing is recorded");
    super(options, { storeOf, control: store, disk, clock: systemClock, logger: noopLogger });
  }

  override newest(): Promise<NewestSnapshot | undefined> {
    return new Promise((resolve) => this.asked.push(() => resolve(undefined)));
  }

  override expect(): void {}
}

describe("a node of a control plane", () => {
  let control: FakeControlPlane;
  let worlds: FakeWorlds;
  let host: WorldHost;

  beforeEach(async () => {
    control = new FakeControlPlane();
    ({ worlds, host } = make(control));
    await host.start(worlds, load);
    await control.until(() => control.states.includes("ready"));
  });

  test("says that it is ready, and opens what is wanted at the epoch of its claim", async () => {
    assert.equal(host.problem(), undefined);
    control.createWorld("arena", {}, "g");
    await worlds.until(() => worlds.running.has("arena"));
    const owner = control.owner("arena");
    assert.equal(owner.record?.node, "g");
    assert.deepEqual(worlds.running.get("arena"), {
      epoch: owner.modified,
      world: owner.record.world,
      turn: 1,
      lastTurn: "none",
    });
    assert.equal(worlds.deeds.at(-1), "open arena file of ./arena.js");
    host.stop();
  });

  test("closes and gives back what is wanted elsewhere", async () => {
    control.createWorld("arena", {}, "g");
    await worlds.until(() => worlds.running.has("arena"));
    control.want("arena", "other");
    await control.until(() => control.owner("arena").record?.state === "released");
    assert.equal(worlds.running.size, 0);
    control.want("arena", "g");
    await worlds.until(() => worlds.running.has("arena"));
    const { turn, lastTurn } = worlds.running.get("arena") ?? {};
    assert.deepEqual([turn, lastTurn], [3, 1], "nobody had it in between");
    host.stop();
  });

  test("after a loss everything is abandoned, and claimed anew under the next registration", async () => {
    control.createWorld("arena", {}, "g");
    await worlds.until(() => worlds.running.has("arena"));
    const first = worlds.running.get("arena")?.epoch ?? 0;
    await control.lose();
    assert.deepEqual(worlds.deeds.slice(-2), ["seal", "abandon"]);
    assert.match(host.problem() ?? "", /lease/);
    control.register();
    await worlds.until(() => worlds.running.has("arena"));
    const again = worlds.running.get("arena");
    assert.ok((again?.epoch ?? 0) > first);
    assert.deepEqual([again?.turn, again?.lastTurn], [2, 1]);
    host.stop();
  });

  test("what died goes on at another epoch, and a new one can be had for what runs", async () => {
    control.createWorld("arena", {}, "g");
    await worlds.until(() => worlds.running.has("arena"));
    const first = worlds.running.get("arena")?.epoch ?? 0;
    await reached(() => host.count("open") > 0);
    const renewed = await host.renew("arena/0");
    assert.ok(renewed.epoch > first);
    assert.equal(renewed.lastTurn, 1);
    worlds.running.clear();
    host.died("arena/0", "planted");
    await worlds.until(() => worlds.running.has("arena"));
    assert.ok((worlds.running.get("arena")?.epoch ?? 0) > renewed.epoch);
    await assert.rejects(host.renew("nothing/0"), { code: "no-epoch" });
    host.stop();
  });

  test("what cannot be opened is given back, and tried again when the world was changed", async () => {
    worlds.problem = "no such file";
    control.createWorld("arena", {}, "g");
    await control.until(() => control.owner("arena").record?.state === "released");
    assert.deepEqual(worlds.deeds.slice(-1), ["failed arena"]);
    assert.deepEqual(
      [...(control.problems?.() ?? [])],
      [{ shard: "arena/0", problem: "no such file" }],
      "it is told with the next renewal",
    );
    worlds.problem = undefined;
    control.want("arena", "g");
    await worlds.until(() => worlds.running.has("arena"));
    host.stop();
  });

  test("a stop closes every world, gives it back and says so", async () => {
    for (const world of ["arena", "lobby"]) control.createWorld(world, {}, "g");
    await worlds.until(() => worlds.running.size === 2);
    await host.drain();
    assert.deepEqual(control.states, ["ready", "draining", "stopped"]);
    assert.equal(worlds.running.size, 0);
    for (const world of ["arena", "lobby"])
      assert.equal(control.owner(world).record?.state, "released");
    host.stop();
  });
});

describe("a stop without an answer of the control plane ends in time", () => {
  for (const [what, running, deadlineMs, mostMs] of [
    ["a world's release", true, 2_000, 2_000],
    ["a world's release, with much time", true, 60_000, 5_000],
    ["the last word of the node", false, 3_000, 3_000],
    ["the last word of the node, with no time", false, 0, 1_000],
  ] as const)
    test(what, async () => {
      const clock = new SimClock();
      const control = new FakeControlPlane();
      const { worlds, host } = make(control, clock);
      await host.start(worlds, load);
      await control.until(() => control.states.includes("ready"));
      if (running) {
        control.createWorld("arena", {}, "g");
        await worlds.until(() => worlds.running.has("arena"));
      }
      control.silent = true;
      const before = clock.now();
      await clock.drive(host.drain(deadlineMs), settle);
      assert.equal(clock.now() - before, mostMs);
      assert.equal(worlds.running.size, 0);
      host.stop();
    });
});

test("a world whose module changes while its node makes one ready is opened with the new one", async () => {
  const control = new FakeControlPlane();
  const worlds = new FakeWorlds();
  const ready: (() => void)[] = [];
  const slow: typeof modules = {
    ...modules,
    fileOf: async (shard, source) => {
      if (ready.length < 1) await new Promise<void>((resolve) => ready.push(resolve));
      return modules.fileOf(shard, source);
    },
  };
  const host = new WorldHost({ control, modules: slow, clock: systemClock, logger: noopLogger });
  await host.start(worlds, load);
  control.createWorld("arena", {}, "g");
  while (ready.length < 1) await settle();
  const { record } = control.tiny.seen("world", worldKey("arena"));
  if (record === undefined) assert.fail("the world is there");
  control.changeWorld("arena", { ...record, module: { source: "node", path: "./arena-2.js" } });
  await settle();
  ready[0]?.();
  await worlds.until(() => worlds.running.has("arena"));
  assert.deepEqual(
    worlds.deeds.filter((deed) => deed.startsWith("open ")),
    ["open arena file of ./arena-2.js"],
  );
  host.stop();
});

test("an opening that waits for the control plane while everything is lost opens nothing afterwards", async () => {
  const control = new FakeControlPlane();
  const snapshots = new HeldSnapshots(control);
  const { worlds, host } = make(control, systemClock, snapshots);
  await host.start(worlds, load);
  control.createWorld("arena", {}, "g");
  while (snapshots.asked.length < 1) await settle();
  const first = control.owner("arena").modified;
  await control.lose();
  control.register();
  while (snapshots.asked.length < 2) await settle();
  const [late, now] = snapshots.asked;
  late?.();
  await settle();
  assert.equal(worlds.running.size, 0);
  now?.();
  await worlds.until(() => worlds.running.has("arena"));
  const { epoch = 0 } = worlds.running.get("arena") ?? {};
  assert.ok(epoch > first);
  assert.equal(worlds.deeds.filter((deed) => deed.startsWith("open ")).length, 1);
  host.stop();
});

test("what another node had in between is no continuation", async () => {
  const tiny = new TinyStore();
  const one = new FakeControlPlane({ node: "g", tiny });
  const first = make(one);
  await first.host.start(first.worlds, load);
  one.createWorld("arena", {}, "g");
  await first.worlds.until(() => first.worlds.running.has("arena"));
  await first.host.drain();
  first.host.stop();
  const two = new FakeControlPlane({ node: "h", tiny });
  const second = make(two);
  await second.host.start(second.worlds, load);
  two.want("arena", "h");
  await second.worlds.until(() => second.worlds.running.has("arena"));
  const { turn, lastTurn } = second.worlds.running.get("arena") ?? {};
  assert.deepEqual([turn, lastTurn], [3, undefined]);
  second.host.stop();
});
