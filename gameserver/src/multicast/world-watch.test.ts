import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeTopicDatagram, decodeTopicSequence, type ToProxy } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { sameBytes, TopicMirror } from "@atlasnet/world";
import { TestShard, type TestShardOptions } from "../testing/test-shard.ts";
import { KEPT_DATAGRAMS } from "./topic-log.ts";
import { type FillOutcome, WorldWatch } from "./world-watch.ts";

const WATCHER = 9;

/** A world, a watch of it, and all that the watch sent to the group. */
class Setup {
  world: TestShard;
  readonly clock = new SimClock();
  readonly published: Uint8Array[] = [];
  readonly refused: string[] = [];
  readonly watch: WorldWatch;
  tooLarge = 0;
  asked = 0;
  private attaches = 0;
  private runs = 0;

  constructor(topics: string[], given: TestShardOptions = {}, authorized = true) {
    this.world = new TestShard(given);
    this.watch = new WorldWatch(
      { server: "g", world: "puppet", topics, authorized },
      {
        clock: this.clock,
        toShard: (message) => {
          if (message.type === "upstream") this.asked += 1;
          this.world.shard.receive(WATCHER, message);
        },
        publish: (datagrams) => void this.published.push(...datagrams),
        tooLarge: () => {
          this.tooLarge += 1;
        },
        nextAttach: () => ++this.attaches,
        nextRun: () => ++this.runs,
        refused: (topic, reason) => void this.refused.push(`${topic}: ${reason}`),
      },
    );
    this.watch.linked();
    this.place();
  }

  place(): void {
    const { shard, epoch } = this.world.address;
    this.watch.placed(shard, epoch);
  }

  tick(count = 1): void {
    for (let n = 0; n < count; n++)
      for (const { peer, message } of this.world.shard.tick().messages)
        if (peer === WATCHER) this.receive(message);
  }

  receive(message: ToProxy): void {
    this.watch.receive(message);
  }

  take() {
    return this.published.splice(0).map((bytes) => decodeTopicDatagram(bytes));
  }

  async fill(topic: string, run?: number, after?: number) {
    const pending = this.watch.fill(topic, run, after, 1_000);
    await settle();
    this.tick(2);
    return items(await pending);
  }
}

function items(outcome: FillOutcome) {
  return outcome.ok
    ? decodeTopicSequence(Buffer.concat(outcome.filling.items))
    : assert.fail(outcome.reason);
}

/** A world with an entity in the lobby that changes with every tick. */
function counting(): TestShardOptions {
  let id = 0;
  return {
    hooks: {
      create: (ctx) => {
        const entity = ctx.spawn({
          body: { points: 1, heat: 0, exact: 0, data: new Uint8Array() },
        });
        entity.channel = "lobby";
        id = entity.id;
      },
      tick: (ctx) => {
        ctx.entity(id)?.add("body", { exact: ctx.tick });
      },
    },
  };
}

test("changes are numbered from the first full state on, and add up to the world", async () => {
  const setup = new Setup(["lobby"], counting());
  setup.world.shard.create();
  setup.tick(6);
  const sent = setup.take();
  assert.deepEqual(
    sent.map(({ number }) => number),
    sent.map((_, index) => index + 1),
  );
  assert.ok(sent.length >= 4);
  const [full, ...deltas] = await setup.fill("lobby");
  assert.ok(full !== undefined && sameBytes(full.schema, setup.world.definition.hash));
  const mirror = new TopicMirror(setup.world.definition);
  const [first] = sent;
  assert.equal(full.number + 1, first?.number, "the full state before the first change is kept");
  for (const { tick, section } of [full, ...deltas]) {
    const change = mirror.apply(tick, section);
    assert.notEqual(change, "gap");
    if (change !== "gap")
      for (const { body } of [...change.enter, ...change.update])
        assert.equal(Object(body).exact, tick);
  }
});

test("what is multicast is public unless configured otherwise", () => {
  const open = new Setup(["staff", "lobby", "cell/0,0", "cell/99,0"], {}, false);
  open.tick();
  assert.deepEqual(open.refused, [
    'staff: no topic "staff" that is public',
    'cell/0,0: no topic "cell/0,0" that is public',
    'cell/99,0: no topic "cell/99,0" that is public',
  ]);
  const all = new Setup(["staff", "cell/0,0"]);
  all.tick();
  assert.deepEqual(all.refused, []);
});

test("a watcher far behind gets full state, asked of the shard once for all who wait", async () => {
  const setup = new Setup(["lobby"], counting());
  setup.world.shard.create();
  setup.tick(2 + 2 * KEPT_DATAGRAMS);
  const [{ run, number } = assert.fail("nothing was sent")] = setup.take();
  const waiting = [setup.watch.fill("lobby", run, number, 1_000), setup.fill("lobby")];
  await settle();
  const [first, second] = await Promise.all(waiting);
  assert.equal(setup.asked, 1);
  assert.ok(first !== undefined && "ok" in first && first.ok && first.filling.full);
  const [full] = items(first);
  assert.ok(full !== undefined && full.number >= 2 * KEPT_DATAGRAMS);
  assert.ok(Array.isArray(second));
  assert.ok(
    (await setup.fill("lobby", run, full.number)).every(({ number: n }) => n > full.number),
  );
  assert.equal(setup.asked, 1, "what is kept answers the rest");
});

test("a world that says nothing in time is an answer, not a wait", async () => {
  const setup = new Setup(["lobby"], counting());
  setup.world.shard.create();
  setup.tick(2 + 2 * KEPT_DATAGRAMS);
  const late = setup.watch.fill("lobby", undefined, undefined, 1_000);
  await settle();
  setup.clock.advance(1_000);
  assert.deepEqual(await late, { ok: false, reason: "too-late" });
  assert.deepEqual(await setup.watch.fill("staff", 1, 1, 1_000), {
    ok: false,
    reason: "unknown-topic",
  });
});

test("another epoch, as after a swap or a rollback, begins a new run with full state", async () => {
  const setup = new Setup(["lobby"], counting());
  setup.world.shard.create();
  setup.tick(3);
  const snapshot = setup.world.shard.snapshot();
  setup.tick(5);
  const before = setup.take();
  setup.world = setup.world.successor({ epoch: 2, timeline: 2 }, snapshot);
  setup.receive({ type: "shard-reset", ...setup.world.address });
  setup.tick(3);
  const after = setup.take();
  assert.ok(before.every(({ run }) => run === 1) && after.every(({ run }) => run === 2));
  assert.equal(after[0]?.number, 1);
  assert.ok((after[0]?.tick ?? 0) < (before.at(-1)?.tick ?? 0), "the world went back");
  const [full] = await setup.fill("lobby", 1, before.at(-1)?.number);
  assert.equal(full?.run, 2);
  assert.equal((full?.section[0] ?? 15) % 16, 0);
});

test("a shard that is at another epoch by now is asked again", () => {
  const setup = new Setup(["lobby", "staff"]);
  setup.world = new TestShard({ options: { epoch: 2 } });
  setup.watch.linked();
  setup.tick();
  assert.deepEqual(setup.watch.signsOfLife(), []);
  setup.place();
  setup.tick();
  assert.equal(setup.watch.signsOfLife().length, 2);
});

test("a lost link ends every numbering, a new one begins the next", async () => {
  const setup = new Setup(["lobby"], counting());
  setup.world.shard.create();
  setup.tick(3);
  setup.watch.lost();
  assert.deepEqual(await setup.watch.fill("lobby", 1, 1, 1_000), {
    ok: false,
    reason: "not-running",
  });
  setup.take();
  setup.watch.linked();
  setup.tick(3);
  assert.equal(setup.take().at(-1)?.run, 2);
});

test("topics that are silent give signs of life", () => {
  const setup = new Setup(["lobby", "staff"], counting());
  setup.world.shard.create();
  setup.tick(3);
  const names = () => setup.watch.signsOfLife().map((bytes) => decodeTopicDatagram(bytes).topic);
  assert.deepEqual(names(), ["staff"]);
  assert.deepEqual(names(), ["lobby", "staff"]);
});

test("changes too large for datagrams are passed over, and full state helps", async () => {
  const many = { ...counting() };
  many.hooks = {
    tick: (ctx) => {
      if (ctx.tick !== 3) return;
      for (let n = 0; n < 3_000; n++) {
        const look = { name: "x".repeat(40), team: "red", friends: [], shiny: true };
        ctx.spawn({ look }).channel = "lobby";
      }
    },
  };
  const setup = new Setup(["lobby"], many);
  setup.tick(4);
  assert.deepEqual([setup.tooLarge, setup.take().length], [1, 0]);
  const [full] = await setup.fill("lobby", 1, 0);
  assert.equal(full?.number, 1);
  assert.ok((full?.section.length ?? 0) > 100_000);
});

test("a world that was stopped after faults is silent, until it runs again", async () => {
  const setup = new Setup(["lobby"], counting());
  setup.world.shard.create();
  setup.tick(3);
  setup.take();
  const { shard, epoch } = setup.world.address;
  const attach = 1;
  setup.receive({ type: "closed", shard, epoch, attach, code: "world-failed", reason: "stopped" });
  assert.deepEqual(setup.refused, ["lobby: stopped"]);
  setup.tick(2);
  setup.clock.advance(60_000);
  setup.tick(2);
  assert.deepEqual([setup.take(), setup.watch.signsOfLife()], [[], []]);
  setup.world = setup.world.successor({ epoch: epoch + 1 });
  setup.place();
  setup.tick(3);
  assert.equal(setup.take()[0]?.run, 2);
});
