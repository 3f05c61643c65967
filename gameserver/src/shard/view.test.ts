import assert from "node:assert/strict";
import { test } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { ByteReader, ByteWriter, type CompiledComponent, type Position } from "@atlasnet/world";
import { randomDeed } from "../testing/random-deeds.ts";
import { type TestClient, TestShard } from "../testing/test-shard.ts";
import type { ShardEntity } from "./entity.ts";

/** A component as it arrives over the wire. */
function wired({ codec }: CompiledComponent, value: object): unknown {
  const writer = new ByteWriter();
  codec.encode(writer, { ...value });
  return { ...codec.decode(new ByteReader(writer.finish())) };
}

/** The truth, kept apart from the shard's own topics: where each client's view is centred. */
class Truth {
  private readonly test: TestShard;
  private readonly centres = new Map<TestClient, number>();

  constructor(test: TestShard) {
    this.test = test;
  }

  private topicsOf(client: TestClient): Set<number> {
    const { store } = this.test.shard;
    const { grid } = this.test.definition;
    const session = store.sessions.sessionById(client.session);
    assert.ok(session !== undefined && grid !== undefined);
    const topics = new Set(session.channels);
    const viewer = store.entities.get(session.entity);
    const position = viewer === undefined ? undefined : positionOf(viewer);
    if (position === undefined) {
      this.centres.delete(client);
      return topics;
    }
    const before = this.centres.get(client);
    const centre =
      before !== undefined && grid.staysIn(before, position) ? before : grid.topicAt(position);
    this.centres.set(client, centre);
    for (const topic of grid.viewFrom(centre)) topics.add(topic);
    return topics;
  }

  check(client: TestClient): void {
    const { definition, shard } = this.test;
    const topics = this.topicsOf(client);
    assert.deepEqual(new Set(client.slots.filter((topic) => topic !== undefined)), topics);
    const expected = new Map<number, { entity: ShardEntity; seen: boolean; own: boolean }>();
    for (const entity of shard.store.entities.all()) {
      const position = positionOf(entity);
      const topic =
        position === undefined ? entity.$channel : (definition.grid?.topicAt(position) ?? -1);
      const own = entity.$owner === client.session;
      const seen = topics.has(topic);
      if (seen || own) expected.set(entity.id, { entity, seen, own });
    }
    const where = `${client.account} at tick ${shard.store.tick}`;
    assert.deepEqual(
      [...client.mirror.entities.keys()].sort((a, b) => a - b),
      [...expected.keys()].sort((a, b) => a - b),
      where,
    );
    for (const [id, { entity, seen, own }] of expected) {
      const mirrored = client.mirror.entities.get(id);
      assert.equal(mirrored?.own, own, `${where}: own of ${id}`);
      for (const component of definition.components) {
        // Nobody says how an own entity outside of all topics looks.
        if (!component.owner && !seen) continue;
        const value = component.owner && !own ? undefined : entity.$components[component.index];
        const got: unknown = mirrored?.[component.name];
        assert.deepEqual(
          typeof got === "object" && got !== null ? { ...got } : got,
          value === undefined ? undefined : wired(component, value),
          `${where}: ${component.name} of ${id}`,
        );
      }
    }
  }
}

function positionOf(entity: ShardEntity): Position | undefined {
  const position: unknown = entity.$components[0];
  return position as Position | undefined;
}

function checkBatches(test: TestShard): void {
  const fulls = new Map<number, string>();
  const deltas = new Map<number, string>();
  for (const { peer, batch } of test.batches) {
    const followed = new Set<number>();
    for (const client of test.clients)
      if (client.peer === peer && client.closed === undefined)
        for (const topic of client.slots) if (topic !== undefined) followed.add(topic);
    for (const [topic, { delta, full }] of batch.topics) {
      assert.ok(followed.has(topic), `topic ${topic} was sent and nobody follows it`);
      for (const [known, bytes] of [
        [deltas, delta],
        [fulls, full],
      ] as const) {
        if (bytes.length === 0) continue;
        const hex = Buffer.from(bytes).toString("hex");
        assert.equal(known.get(topic) ?? hex, hex, "one encoding per topic and tick");
        known.set(topic, hex);
      }
    }
  }
}

for (const space of ["2d", "3d"] as const)
  test(`every client sees exactly what is in its topics (${space})`, () => {
    for (let seed = 1; seed <= 6; seed++) {
      const random = new SeededRandom(seed);
      const test = new TestShard({ space });
      const truth = new Truth(test);
      test.hooks.create = (ctx) => {
        for (let i = 0; i < 30; i++) randomDeed(ctx, random);
      };
      test.hooks.join = (ctx, player) => {
        const size = space === "2d" ? 80 : 40;
        const at = { x: random.float() * size, y: random.float() * size, z: random.float() * size };
        player.entity = ctx.spawn({ position: at, purse: { coins: 3 } });
      };
      test.hooks.tick = (ctx) => {
        for (let n = random.int(0, 12); n > 0; n--) randomDeed(ctx, random);
      };
      test.shard.create();
      let clients: TestClient[] = [];
      for (let tick = 0; tick < 150; tick++) {
        const client = clients[random.int(0, Math.max(0, clients.length - 1))];
        const roll = random.int(0, 11);
        const peer = random.int(1, 2);
        if (clients.length < 2 || roll === 0) {
          const account = `account${random.int(0, 7)}`;
          clients = clients.filter((other) => other.account !== account);
          clients.push(test.attach(account, {}, peer));
        } else if (client !== undefined && roll === 1) {
          client.leave();
          clients = clients.filter((other) => other !== client);
        } else if (client !== undefined && roll === 2) {
          client.detach();
          clients = clients.filter((other) => other !== client);
          clients.push(test.resume(client, {}, peer));
        } else if (client !== undefined && roll === 3) client.resync();
        else if (client !== undefined && roll === 4) client.deaf = true;
        test.tick();
        clients = clients.filter((other) => other.closed === undefined);
        for (const other of clients) {
          if (!other.deaf) truth.check(other);
          else if (random.int(0, 2) === 0) {
            // What was left out comes back with full state.
            other.resync();
            other.deaf = false;
            test.tick();
            for (const one of clients) if (!one.deaf && one.closed === undefined) truth.check(one);
            break;
          }
          assert.equal(other.gaps, 0);
        }
        checkBatches(test);
      }
    }
  });

test("an entity that moves between two seen cells changes, and neither goes nor comes", () => {
  const test = new TestShard();
  let walker: ShardEntity | undefined;
  test.hooks.join = (ctx, player) => {
    player.entity = ctx.spawn({ position: { x: 50, y: 40, z: 0 } });
    walker = ctx.spawn({ position: { x: 45, y: 45, z: 0 } });
  };
  const client = test.join("ann");
  const id = walker?.id ?? 0;
  const object = client.mirror.entities.get(id);
  assert.ok(object !== undefined);
  for (let x = 41; x < 60; x++) {
    test.hooks.tick = (ctx) => {
      const position = positionOf(ctx.entity(id) ?? assert.fail());
      if (position !== undefined) position.x = x;
    };
    test.tick();
    assert.equal(client.mirror.entities.get(id), object, "the same object all along");
  }
});

test("a viewer within the margin of its cell keeps its view", () => {
  const test = new TestShard();
  test.hooks.join = (ctx, player) => {
    player.entity = ctx.spawn({ position: { x: 45, y: 45, z: 0 } });
  };
  const client = test.join("ann");
  const go = (x: number) => {
    test.hooks.move = (_ctx, player) => {
      const position = positionOf(player.entity ?? assert.fail());
      if (position !== undefined) position.x = x;
    };
    client.move(1, 0);
    test.tick();
    return [...client.slots].sort();
  };
  const before = go(45);
  assert.deepEqual(go(52), before);
  assert.deepEqual(go(38), before);
  assert.notDeepEqual(go(53.5), before);
});

test("watchers: public topics, topics for those with a ticket, names that are none", () => {
  const test = new TestShard();
  const cases: [string, boolean, boolean][] = [
    ["lobby", false, true],
    ["staff", false, false],
    ["staff", true, true],
    ["cell/3,3", false, false],
    ["cell/3,3", true, true],
    ["cell/99,0", true, false],
    ["cell/1e0,0", true, false],
    ["cell/,", true, false],
    ["cell/1,2,0", true, false],
    ["nowhere", true, false],
    ["", true, false],
  ];
  for (const [topic, authorized, allowed] of cases) {
    const watcher = test.watch(topic, authorized);
    test.tick();
    assert.equal(watcher.closed?.code, allowed ? undefined : "unknown-topic", topic);
  }
});

test("a watcher follows its topic without a session, and a detach ends it", () => {
  const test = new TestShard({ hasTick: false });
  const watcher = test.watch("lobby");
  test.tick();
  assert.ok(test.others.some((message) => message.type === "watching"));
  test.hooks.join = (ctx) => {
    ctx.spawn({ look: { name: "here" } }).channel = "lobby";
  };
  test.join("ann");
  assert.equal(watcher.mirror.entities.size, 1);
  watcher.detach();
  test.tick();
  test.batches = [];
  test.join("bob");
  for (const { batch } of test.batches) assert.equal(batch.topics.size, 0);
  assert.equal(test.shard.attachmentCount, 2);
});

test("a session may follow all cells in view and all channels", () => {
  const test = new TestShard();
  test.hooks.join = (ctx, player) => {
    player.entity = ctx.spawn({ position: { x: 45, y: 45, z: 0 } });
    player.subscribe("lobby");
    player.subscribe("staff");
  };
  assert.equal(test.join("ann").slots.length, 11);
});

test("a watcher that missed something gets full state, and has no other say", () => {
  const test = new TestShard();
  const player = test.join("ann");
  const watcher = test.watch("lobby");
  test.tick();
  assert.equal(watcher.mirror.entities.size, 0);
  watcher.deaf = true;
  test.hooks.say = (ctx, _player, { text }) => {
    ctx.spawn({ look: { name: String(text), team: "red", friends: [], shiny: true } }).channel =
      "lobby";
  };
  player.say("one");
  test.tick();
  watcher.deaf = false;
  watcher.say("nobody heeds this");
  watcher.ack(5);
  watcher.resync();
  test.tick();
  assert.deepEqual([watcher.mirror.entities.size, watcher.gaps], [1, 0]);
});

test("a tick counts the inputs and messages of clients that it applied, and who is attached", () => {
  const test = new TestShard();
  const ann = test.join("ann");
  const bob = test.join("bob", {}, 2);
  test.watch("lobby");
  ann.move(1, 0);
  ann.move(1, 0);
  bob.say("hello");
  bob.say("again", 1);
  assert.equal(test.tick().applied, 3, "what came twice counts once");
  assert.equal(test.tick().applied, 0);
  assert.deepEqual([test.shard.clientCount, test.shard.attachmentCount], [2, 3]);
  bob.detach();
  test.tick();
  assert.equal(test.shard.clientCount, 1);
});
