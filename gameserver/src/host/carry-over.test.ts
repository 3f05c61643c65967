import assert from "node:assert/strict";
import { test } from "node:test";
import {
  compileDefinition,
  defineWorld,
  implementWorld,
  text,
  uint,
  type World,
  type WorldSpec,
} from "@atlasnet/world";
import { TypeScriptModule } from "../module/typescript-module.ts";
import { Shard } from "../shard/shard.ts";
import { carryOver } from "./carry-over.ts";

const guard = (run: () => void): "done" => {
  run();
  return "done";
};

function make(spec: Partial<WorldSpec>, behaviour: object = {}) {
  const definition = defineWorld({
    name: "barn",
    components: { cow: { milk: uint(100) } },
    ownerComponents: { brand: { owner: text(10) } },
    channels: { field: {}, stable: {} },
    serverMessages: { moo: { text: text(20) } },
    ...spec,
  });
  const module = new TypeScriptModule(implementWorld(definition, behaviour) as World, null);
  const shard = new Shard(
    {
      ...{ shard: "barn/0", epoch: 1, timeline: 1, seed: 1, graceTicks: 10 },
      ...{ maxSessions: 10, outboxMessages: 10, outboxBytes: 10_000 },
    },
    { module, definition: compileDefinition(definition.data), guard },
  );
  return { shard, module, schema: definition.data };
}

/** A barn with a player who has unread mail, and everything else a state can hold. */
function lived() {
  const old = make(
    {},
    {
      join(ctx: never, player: never) {
        fill(ctx, player);
      },
    },
  );
  old.shard.receive(1, {
    ...{ type: "attach", shard: "barn/0", epoch: 1, attach: 1, account: "ann", name: "Ann" },
    ...{ data: null, stream: new Uint8Array(8), attempt: 0, firstUnacked: 1, lastReceived: 0 },
  } as never);
  assert.deepEqual(old.shard.tick().faults, []);
  return { header: { schema: old.schema }, state: old.shard.snapshot() };
}

interface Loose {
  spawn(components: object): { channel: string; id: number };
  kv: { set(key: string, value: number): void };
  after(ticks: number, name: string, data: number): void;
  request(service: string, payload: number): void;
  entity: unknown;
  send(name: string, payload: object): void;
  subscribe(channel: string): void;
}

function fill(ctx: Loose, player: Loose): void {
  player.entity = ctx.spawn({ cow: { milk: 5 }, brand: { owner: "ann" } });
  ctx.spawn({ cow: { milk: 9 } }).channel = "stable";
  ctx.kv.set("hay", 3);
  ctx.after(7, "milking", 1);
  ctx.request("vet", 1);
  player.send("moo", { text: "hello" });
  player.subscribe("stable");
}

test("a definition that changed beside the components keeps the whole state, by name", () => {
  const next = make({
    channels: { sky: {}, stable: {}, field: {} },
    clientMessages: { pet: {} },
    serverMessages: { quack: {}, moo: { text: text(30), loud: uint(1) } },
  });
  const same = carryOver({ snapshot: lived(), deltas: [] }, next.shard, next.module, "barn", guard);
  assert.equal(same, false);
  const { store } = next.shard;
  const session = store.sessions.ofAccount("ann");
  assert.deepEqual([...(session?.channels ?? [])], [1]);
  assert.equal(session?.outbox[0]?.index, 1);
  assert.equal(session?.connected, false);
  const [own, other] = store.entities.all();
  assert.equal(own?.$owner, session?.id);
  assert.equal(other?.channel, "stable");
  assert.equal(store.kv.get("hay"), 3);
  assert.equal(store.nextTimerDue(), 8);
  assert.equal(next.shard.pendingRequests()[0]?.service, "vet");
  assert.deepEqual(next.shard.tick().faults, []);
});

test("the same definition is the same state", () => {
  const next = make({});
  assert.equal(
    carryOver({ snapshot: lived(), deltas: [] }, next.shard, next.module, "barn", guard),
    true,
  );
});

test("a session whose mail has no form any more is left behind, with its entity", () => {
  const next = make({ serverMessages: {} });
  carryOver({ snapshot: lived(), deltas: [] }, next.shard, next.module, "barn", guard);
  assert.equal(next.shard.store.sessions.size, 0);
  assert.equal(next.shard.store.entities.size, 1);
});

test("a type that changed without upgrade is refused by name; upgrade may drop an entity", () => {
  const changed = { components: { cow: { milk: text(9) } } };
  const refused = make(changed);
  assert.throws(
    () =>
      carryOver({ snapshot: lived(), deltas: [] }, refused.shard, refused.module, "barn", guard),
    /milk/,
  );
  const upgraded = make(changed, {
    upgrade: ({ id, components }: { id: number; components: { cow: { milk: number } } }) =>
      id === 1 ? { ...components, cow: { milk: `${components.cow.milk} l` } } : undefined,
  });
  carryOver({ snapshot: lived(), deltas: [] }, upgraded.shard, upgraded.module, "barn", guard);
  const [cow, ...rest] = upgraded.shard.store.entities.all();
  assert.equal(JSON.stringify(cow?.$components[0]), '{"milk":"5 l"}');
  assert.equal(rest.length, 0);
});

/** A shard that is made of nothing but the snapshot of another, and the deltas since. */
function copyOf(spec: Partial<WorldSpec>, snapshot: Uint8Array, deltas: readonly Uint8Array[]) {
  const { shard } = make(spec);
  shard.succession.restore(snapshot, deltas);
  return shard;
}

const seen = ({ store }: Shard) =>
  [...store.entities.all()].map(({ id, $topic, $index }) => [id, $topic, $index]);

test("a state that was carried over is whole before its first tick: who is made of it has all, where it is seen", () => {
  const changed = { clientMessages: { pet: {} } };
  const next = make(changed, {
    tick(ctx: { entity(id: number): { despawn(): void } }) {
      ctx.entity(2).despawn();
    },
  });
  carryOver({ snapshot: lived(), deltas: [] }, next.shard, next.module, "barn", guard);
  const snapshot = next.shard.snapshot();
  const copy = copyOf(changed, snapshot, []);
  assert.deepEqual(seen(copy), [
    [1, -1, 0],
    [2, 1, 0],
  ]);
  // What leaves in the first tick leaves whoever follows.
  const { delta, faults } = next.shard.tick();
  assert.deepEqual(faults, []);
  assert.deepEqual(seen(copyOf(changed, snapshot, [delta])), [[1, -1, 0]]);
});
