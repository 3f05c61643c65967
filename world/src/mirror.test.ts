import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DecodeError } from "./bytes.ts";
import { type MirrorEntity, StateFlag, WorldMirror } from "./mirror.ts";
import { RecordOp } from "./section.ts";
import { AT, definition, NAME, StateWriter } from "./testing/state-writer.ts";

const ids = (entities: readonly MirrorEntity[]) => entities.map(({ id }) => id).sort();

const plain = (entity: MirrorEntity | undefined) =>
  entity && JSON.parse(JSON.stringify({ ...entity }));

/** A mirror with slots 0 and 1 on topics 0 and 1; entity 7 at index 0 of topic 0, topic 1 empty. */
function started(): WorldMirror {
  const mirror = new WorldMirror(definition);
  const message = new StateWriter(10, StateFlag.slots).numbers(2, 0, 1, 1, 2).raw(3);
  message.head(0, 1).enter(0, 7, { at: 5, name: "Ada" }).head(0, 0);
  const changes = mirror.apply(message.done());
  assert.deepEqual([ids(changes.added), changes.gap], [[7], false]);
  return mirror;
}

test("enter, update, drop and leave", () => {
  const mirror = started();
  const entity = mirror.entities.get(7);
  assert.deepEqual(plain(entity), { id: 7, own: false, at: { x: 5 }, name: { text: "Ada" } });

  let changes = mirror.apply(new StateWriter(11, 0).raw(1).head(1, 1).update(0, { at: 6 }).done());
  assert.deepEqual([ids(changes.changed), mirror.tick], [[7], 11]);
  assert.deepEqual(plain(entity).at, { x: 6 });

  changes = mirror.apply(new StateWriter(13, 0).raw(1).head(2, 1).drop(0, NAME).done());
  assert.equal(entity?.["name"], undefined);
  assert.deepEqual([ids(changes.changed), ids(changes.removed)], [[7], []]);

  changes = mirror.apply(new StateWriter(14, 0).raw(1).head(1, 1).leave(0).done());
  assert.deepEqual([ids(changes.changed), ids(changes.removed)], [[], [7]]);
  assert.equal(mirror.entities.size, 0);
});

test("an entity that moves between two seen topics neither leaves nor enters the view", () => {
  for (const enterFirst of [false, true]) {
    const mirror = started();
    const entity = mirror.entities.get(7);
    if (enterFirst) {
      // From topic 1 (slot 1) back to topic 0 (slot 0): there the enter is read first.
      mirror.apply(
        new StateWriter(11, 0)
          .raw(3)
          .head(1, 1)
          .leave(0, 1)
          .head(1, 1)
          .enter(3, 7, { at: 6, name: "Ada" })
          .done(),
      );
    }
    const message = new StateWriter(12, 0).raw(3);
    if (enterFirst) message.head(1, 1).enter(0, 7, { at: 8 }).head(1, 1).leave(3, 0);
    else message.head(2, 1).leave(0, 1).head(2, 1).enter(0, 7, { at: 8 });
    const changes = mirror.apply(message.done());
    assert.deepEqual(
      [ids(changes.added), ids(changes.changed), ids(changes.removed)],
      [[], [7], []],
    );
    assert.equal(mirror.entities.get(7), entity);
    assert.deepEqual(plain(entity), { id: 7, own: false, at: { x: 8 } });
  }
});

test("an entity that moves out of what is seen is removed", () => {
  const changes = started().apply(new StateWriter(11, 0).raw(1).head(1, 1).leave(0, 3).done());
  assert.deepEqual(ids(changes.removed), [7]);
});

test("an index may be reused within a section, in any order of the records", () => {
  for (const enterFirst of [false, true]) {
    const mirror = started();
    const message = new StateWriter(11, 0).raw(1).head(1, 2);
    if (enterFirst) message.enter(0, 8, { at: 1 }).leave(0);
    else message.leave(0).enter(0, 8, { at: 1 });
    const changes = mirror.apply(message.done());
    assert.deepEqual([ids(changes.added), ids(changes.removed)], [[8], [7]]);
    mirror.apply(new StateWriter(12, 0).raw(1).head(1, 1).update(0, { at: 2 }).done());
    assert.deepEqual(plain(mirror.entities.get(8)).at, { x: 2 });
  }
});

test("a gap is told once; the topic is ignored until full state comes", () => {
  const mirror = started();
  let changes = mirror.apply(new StateWriter(15, 0).raw(1).head(2, 1).update(0, { at: 9 }).done());
  assert.deepEqual([changes.gap, ids(changes.changed)], [true, []]);
  changes = mirror.apply(new StateWriter(16, 0).raw(1).head(1, 1).update(0, { at: 9 }).done());
  assert.deepEqual([changes.gap, ids(changes.changed)], [false, []]);
  assert.deepEqual(plain(mirror.entities.get(7)).at, { x: 5 });

  changes = mirror.apply(
    new StateWriter(17, 0).raw(1).head(0, 2).enter(0, 7, { at: 9 }).enter(1, 8, {}).done(),
  );
  assert.deepEqual([changes.gap, ids(changes.added), ids(changes.changed)], [false, [8], [7]]);
  assert.deepEqual(plain(mirror.entities.get(7)), { id: 7, own: false, at: { x: 9 } });
});

test("a delta on top of full state of a later tick is no gap", () => {
  // The topic changed last at tick 6; its full state was sent at 10, the next change comes at 11.
  const changes = started().apply(
    new StateWriter(11, 0).raw(1).head(5, 1).update(0, { at: 6 }).done(),
  );
  assert.deepEqual([changes.gap, ids(changes.changed)], [false, [7]]);
});

test("a record about an unknown index is a gap", () => {
  for (const op of ["update", "leave", "drop"] as const) {
    const mirror = started();
    const message = new StateWriter(11, 0).raw(1).head(1, 1);
    if (op === "update") message.update(4, { at: 1 });
    else if (op === "leave") message.leave(4);
    else message.drop(4, AT);
    assert.equal(mirror.apply(message.done()).gap, true, op);
  }
});

test("an entity that moved into a topic with a gap stays until that topic's full state", () => {
  const mirror = started();
  mirror.apply(new StateWriter(15, 0).raw(2).head(1, 0).done());
  let changes = mirror.apply(
    new StateWriter(16, 0).raw(3).head(6, 1).leave(0, 1).head(1, 1).enter(0, 7, { at: 6 }).done(),
  );
  assert.deepEqual(ids(changes.removed), []);
  changes = mirror.apply(new StateWriter(17, 0).raw(2).head(0, 1).enter(0, 7, { at: 6 }).done());
  assert.deepEqual([ids(changes.changed), ids(changes.removed)], [[7], []]);
  changes = mirror.apply(new StateWriter(18, 0).raw(2).head(1, 1).leave(0).done());
  assert.deepEqual(ids(changes.removed), [7]);
});

test("a freed slot takes its entities along, unless another topic shows them", () => {
  const mirror = started();
  mirror.apply(new StateWriter(11, 0).raw(2).head(1, 1).enter(0, 7, {}).done());
  let changes = mirror.apply(new StateWriter(12, StateFlag.slots).numbers(1, 0, 0).raw(0).done());
  assert.deepEqual(ids(changes.removed), []);
  // The slot is given to another topic, the next one freed.
  const message = new StateWriter(13, StateFlag.slots).numbers(2, 0, 4, 1, 0).raw(1);
  changes = mirror.apply(message.head(0, 1).enter(0, 9, {}).done());
  assert.deepEqual([ids(changes.added), ids(changes.removed)], [[9], [7]]);
});

test("own entities have owner components and stay in view until they are no longer own", () => {
  const mirror = started();
  // Entity 20 is in no topic; 7 is.
  let changes = mirror.apply(
    new StateWriter(11, StateFlag.private)
      .numbers(2, 4 + 1, 20)
      .raw(33)
      .numbers(1, 7)
      .raw(0)
      .done(),
  );
  assert.deepEqual([ids(changes.added), ids(changes.changed)], [[20], [7]]);
  assert.deepEqual(plain(mirror.entities.get(20)), { id: 20, own: true, purse: { coins: 33 } });
  assert.deepEqual(ids([...mirror.own]), [20, 7]);

  changes = mirror.apply(
    new StateWriter(12, StateFlag.private).numbers(1, 4, 20).raw(34, 0).done(),
  );
  assert.deepEqual(plain(mirror.entities.get(20)).purse, { coins: 34 });
  changes = mirror.apply(new StateWriter(13, StateFlag.private).numbers(1, 7, 20).raw(0).done());
  assert.equal(mirror.entities.get(20)?.["purse"], undefined);

  changes = mirror.apply(
    new StateWriter(14, StateFlag.private).numbers(2, 2, 20, 2, 7).raw(0).done(),
  );
  assert.deepEqual([ids(changes.removed), ids(changes.changed)], [[20], [7]]);
  assert.deepEqual([mirror.own.size, mirror.entities.get(7)?.own], [0, false]);
});

test("a list of all own entities ends the ownership of others", () => {
  const mirror = started();
  mirror.apply(new StateWriter(11, StateFlag.private).numbers(2, 1, 20, 1, 21).raw(0).done());
  const flags = StateFlag.private | StateFlag.ownAll;
  let changes = mirror.apply(new StateWriter(12, flags).numbers(1, 1, 21).raw(0).done());
  assert.deepEqual([ids(changes.removed), ids([...mirror.own])], [[20], [21]]);
  changes = mirror.apply(new StateWriter(13, StateFlag.ownAll).raw(0).done());
  assert.deepEqual([ids(changes.removed), mirror.own.size], [[21], 0]);
});

test("a private update of an entity not known as own is a gap, and is read past", () => {
  const changes = started().apply(
    new StateWriter(11, StateFlag.private).numbers(1, 4, 99).raw(1, 0).done(),
  );
  assert.deepEqual([changes.gap, changes.added], [true, []]);
});

test("after a new welcome entities stay until the next message does not confirm them", () => {
  const mirror = started();
  mirror.apply(new StateWriter(11, StateFlag.private).numbers(1, 1, 7).raw(0).done());
  mirror.apply(new StateWriter(12, 0).raw(1).head(2, 1).enter(1, 8, {}).done());
  mirror.reset();
  assert.equal(mirror.entities.size, 2);
  // Back in time, and 7 is no longer own; 8 is gone.
  const message = new StateWriter(3, StateFlag.slots).numbers(1, 0, 1).raw(1);
  const changes = mirror.apply(message.head(0, 1).enter(5, 7, { at: 1 }).done());
  assert.deepEqual(
    [ids(changes.added), ids(changes.changed), ids(changes.removed)],
    [[], [7], [8]],
  );
  assert.deepEqual([mirror.own.size, mirror.tick], [0, 3]);
});

test("full state behind a new welcome tells only what is another than before", () => {
  const mirror = started();
  mirror.apply(new StateWriter(11, StateFlag.private).numbers(1, 5, 7).raw(34).raw(0).done());
  const before = mirror.apply(
    new StateWriter(12, 0).raw(1).head(2, 2).enter(1, 8, { at: 8 }).enter(2, 9, { at: 9 }).done(),
  );
  assert.deepEqual(ids(before.added), [8, 9]);
  const [seven] = mirror.own;
  assert.ok(seven !== undefined);
  mirror.reset();
  mirror.reset();
  assert.deepEqual([...mirror.own], [seven], "it stays the player's until more is known");
  const flags = StateFlag.slots | StateFlag.private;
  const message = new StateWriter(13, flags).numbers(1, 0, 1).numbers(1, 5, 7).raw(34).raw(1);
  message.head(0, 3).enter(0, 7, { at: 5, name: "Ada" }).enter(1, 8, { at: 8 });
  const changes = mirror.apply(message.enter(2, 9, { at: 1 }).done());
  assert.deepEqual([ids(changes.added), ids(changes.changed), ids(changes.removed)], [[], [9], []]);
  assert.deepEqual([...mirror.own], [seven]);
  assert.equal(mirror.entities.get(7), seven);
  // From then on everything that is written counts.
  const next = new StateWriter(14, 0).raw(1).head(1, 1).update(1, { at: 8 });
  assert.deepEqual(ids(mirror.apply(next.done()).changed), [8]);
});

test("dilation is told as a factor", () => {
  const mirror = started();
  mirror.apply(new StateWriter(11, StateFlag.dilation).numbers(500).raw(0).done());
  assert.equal(mirror.dilation, 0.5);
});

test("malformed messages are refused", () => {
  const cases: readonly (readonly [string, StateWriter])[] = [
    ["empty section", new StateWriter(11, 0).raw(1)],
    ["trailing bytes", new StateWriter(11, 0).raw(0, 0)],
    ["flags", new StateWriter(11, 16).raw(0)],
    ["tick before the last", new StateWriter(9, 0).raw(0)],
    ["free slot", new StateWriter(11, 0).raw(4)],
    ["slot too high", new StateWriter(11, StateFlag.slots).numbers(1, 1024, 1).raw(0)],
    ["topic twice", new StateWriter(11, StateFlag.slots).numbers(1, 2, 1).raw(0)],
    [
      "component mask",
      new StateWriter(11, 0)
        .raw(1)
        .head(1, 1)
        .numbers(4 * 4, 0),
    ],
    [
      "leave with m = 2",
      new StateWriter(11, 0)
        .raw(1)
        .head(1, 1)
        .numbers(8 + RecordOp.leave, 0),
    ],
    ["count without records", new StateWriter(11, 0).raw(1).head(1, 2 ** 50)],
    ["previous before tick 0", new StateWriter(11, 0).raw(1).head(12, 0)],
  ];
  for (const [what, message] of cases)
    assert.throws(() => started().apply(message.done()), DecodeError, what);
});

test("hostile bytes end in a DecodeError, and a reset mends the mirror", () => {
  const good = new StateWriter(20, StateFlag.slots).numbers(1, 0, 1).raw(1);
  const healing = good.head(0, 1).enter(0, 7, { at: 5 }).done();
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 4 }), (messages) => {
      const mirror = started();
      for (const bytes of messages) {
        try {
          mirror.apply(Uint8Array.of(11, ...bytes));
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
        }
      }
      mirror.reset();
      const { added, changed } = mirror.apply(healing);
      assert.deepEqual([...mirror.entities.keys()], [7]);
      assert.equal(added.length + changed.length, 1);
    }),
    { numRuns: 400 },
  );
});

/** A server's view of four topics, and what a client that sees some of them should show. */
interface Thing {
  id: number;
  topic: number;
  index: number;
  values: { at: number; name?: string };
}

test("a mirror shows what the server has, through moves, gaps and changing slots", () => {
  const step = fc.record({
    spawn: fc.array(fc.nat(3), { maxLength: 2 }),
    move: fc.array(fc.tuple(fc.nat(30), fc.nat(3)), { maxLength: 3 }),
    touch: fc.array(fc.tuple(fc.nat(30), fc.nat(255), fc.boolean()), { maxLength: 3 }),
    despawn: fc.array(fc.nat(30), { maxLength: 1 }),
    resubscribe: fc.option(fc.tuple(fc.nat(2), fc.nat(3))),
    lose: fc.array(fc.nat(3), { maxLength: 1 }),
    reconnect: fc.nat(15).map((n) => n === 0),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const mirror = new WorldMirror(definition);
      const things = new Map<number, Thing>();
      const lastChange = [0, 0, 0, 0];
      let slots: (number | undefined)[] = [];
      let broken = new Set<number>();
      let nextId = 1;
      /** Slots assigned since the welcome: so many bits has the mask. */
      let width = 0;
      const freeIndex = (topic: number) => {
        const used = new Set(
          [...things.values()].filter((t) => t.topic === topic).map((t) => t.index),
        );
        let index = 0;
        while (used.has(index)) index++;
        return index;
      };
      steps.forEach((one, n) => {
        const tick = n + 1;
        const build: ((w: StateWriter) => void)[][] = [[], [], [], []];
        const add = (topic: number, write: (w: StateWriter) => void) => {
          build[topic]?.push(write);
        };
        const before = new Map(
          [...things].map(([id, t]) => [id, { ...t, values: { ...t.values } }]),
        );
        const pick = (at: number) => [...things.values()][at % Math.max(1, things.size)];
        for (const at of one.despawn) {
          const thing = pick(at);
          if (thing !== undefined) things.delete(thing.id);
        }
        for (const [at, topic] of one.move) {
          const thing = pick(at);
          if (thing === undefined || thing.topic === topic) continue;
          thing.index = freeIndex(topic);
          thing.topic = topic;
        }
        for (const topic of one.spawn) {
          const id = nextId++;
          things.set(id, {
            id,
            topic,
            index: freeIndex(topic),
            values: { at: id % 256, name: "n" },
          });
        }
        for (const [at, value, named] of one.touch) {
          const thing = pick(at);
          if (thing === undefined) continue;
          thing.values.at = value;
          if (named) thing.values.name = `n${value}`;
          else delete thing.values.name;
        }
        // Leaves and drops first, then enters and updates.
        for (const old of before.values()) {
          const now = things.get(old.id);
          if (now === undefined) add(old.topic, (w) => w.leave(old.index));
          else if (now.topic !== old.topic || now.index !== old.index)
            add(old.topic, (w) => w.leave(old.index, now.topic));
          else if (old.values.name !== undefined && now.values.name === undefined)
            add(old.topic, (w) => w.drop(old.index, NAME));
        }
        for (const now of things.values()) {
          const old = before.get(now.id);
          const values = { ...now.values };
          if (old === undefined || now.topic !== old.topic || now.index !== old.index)
            add(now.topic, (w) => w.enter(now.index, now.id, values));
          else if (old.values.at !== now.values.at || old.values.name !== now.values.name)
            add(now.topic, (w) => w.update(now.index, values));
        }

        if (one.reconnect) {
          mirror.reset();
          broken = new Set();
        }
        const full = new Set<number>();
        const changes: number[] = [];
        const fresh = slots;
        if (one.reconnect) {
          slots = fresh.map(() => undefined);
          fresh.forEach((topic, slot) => {
            if (topic === undefined) return;
            slots[slot] = topic;
            changes.push(slot, topic + 1);
            full.add(topic);
          });
        }
        if (one.resubscribe !== null) {
          const [slot, topic] = one.resubscribe;
          const old = slots[slot];
          if (old !== undefined) broken.delete(old);
          if (old === topic || slots.includes(topic)) {
            changes.push(slot, 0);
            slots[slot] = undefined;
            if (old !== undefined) full.delete(old);
          } else {
            while (slots.length < slot) slots.push(undefined);
            changes.push(slot, topic + 1);
            slots[slot] = topic;
            full.add(topic);
            if (old !== undefined) full.delete(old);
          }
        }
        if (one.reconnect) width = 0;
        changes.forEach((value, i) => {
          if (i % 2 === 1 && value > 0) width = Math.max(width, (changes[i - 1] ?? 0) + 1);
        });
        const message = new StateWriter(tick, changes.length > 0 ? StateFlag.slots : 0);
        if (changes.length > 0) message.numbers(changes.length / 2, ...changes);
        const mask = new Array<number>(Math.ceil(width / 8)).fill(0);
        const sent: number[] = [];
        slots.forEach((topic, slot) => {
          if (topic === undefined) return;
          const lost = one.lose.includes(topic) && !full.has(topic);
          const changed = (build[topic]?.length ?? 0) > 0;
          if (lost && changed) broken.add(topic);
          if ((!changed || lost) && !full.has(topic)) return;
          mask[slot >> 3] = (mask[slot >> 3] ?? 0) | (1 << (slot & 7));
          sent.push(slot);
        });
        message.raw(...mask);
        sent.sort((a, b) => a - b);
        for (const slot of sent) {
          const topic = slots[slot] ?? 0;
          if (full.has(topic)) {
            const inside = [...things.values()].filter((t) => t.topic === topic);
            message.head(0, inside.length);
            for (const t of inside) message.enter(t.index, t.id, t.values);
            broken.delete(topic);
          } else {
            const list = build[topic] ?? [];
            message.head(tick - (lastChange[topic] ?? 0), list.length);
            for (const write of list) write(message);
          }
        }
        build.forEach((list, topic) => {
          if (list.length > 0) lastChange[topic] = tick;
        });
        const result = mirror.apply(message.done());
        for (const entity of result.removed) assert.equal(mirror.entities.has(entity.id), false);
        for (const entity of result.added) assert.equal(mirror.entities.get(entity.id), entity);

        const seen = new Set(slots.filter((t) => t !== undefined));
        for (const thing of things.values()) {
          if (!seen.has(thing.topic) || broken.has(thing.topic)) continue;
          const { at, name } = thing.values;
          const expected = { at: { x: at }, ...(name !== undefined && { name: { text: name } }) };
          assert.deepEqual(plain(mirror.entities.get(thing.id)), {
            id: thing.id,
            own: false,
            ...expected,
          });
        }
        if (broken.size === 0)
          for (const id of mirror.entities.keys()) {
            const thing = things.get(id);
            assert.ok(thing !== undefined && seen.has(thing.topic), `ghost ${id}`);
          }
      });
    }),
    { numRuns: 200 },
  );
});
