import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DecodeError } from "./bytes.ts";
import { MAX_KEPT_BYTES, MAX_KEPT_MS, MAX_KEPT_UPDATES } from "./kept-updates.ts";
import { type MirrorChanges, type MirrorEntity, StateFlag, WorldMirror } from "./mirror.ts";
import { AT, definition, NAME, StateWriter } from "./testing/state-writer.ts";

const ids = (entities: readonly MirrorEntity[]) => entities.map(({ id }) => id).sort();
const told = ({ added, changed, removed, gap }: MirrorChanges) => ({
  added: ids(added),
  changed: ids(changed),
  removed: ids(removed),
  gap,
});
const NOTHING = { added: [], changed: [], removed: [], gap: false };
const at = (mirror: WorldMirror, id: number): unknown => mirror.entities.get(id)?.["at"];

/** Topics 0 and 1, both of origin 1 and tick 10; entity 7 at index 0 of topic 0. */
function started(): WorldMirror {
  const mirror = new WorldMirror(definition);
  const message = new StateWriter(10, StateFlag.slots).numbers(2, 0, 1, 1, 2).raw(3);
  mirror.apply(message.head(0, 1).enter(0, 7, { at: 5, name: "Ada" }).head(0, 0).done());
  return mirror;
}

/** The update of topic 0 that puts entity 7 at `x`. */
const moved = (tick: number, previous: number, x: number, origin = 1): Uint8Array =>
  new StateWriter(tick)
    .section(0, origin, (section) => section.head(previous, 1).update(0, { at: x }))
    .done();

test("updates are applied in their order, whatever order they come in, and once", () => {
  const mirror = started();
  assert.deepEqual(told(mirror.applyUpdates(moved(13, 1, 13), 0)), NOTHING);
  assert.deepEqual(told(mirror.applyUpdates(moved(12, 1, 12), 0)), NOTHING);
  assert.deepEqual(told(mirror.applyUpdates(moved(13, 1, 13), 0)), NOTHING);
  assert.deepEqual([at(mirror, 7), mirror.tickOf(7), mirror.tick], [{ x: 5 }, 10, 13]);
  assert.deepEqual(told(mirror.applyUpdates(moved(11, 1, 11), 0)), { ...NOTHING, changed: [7] });
  assert.deepEqual([at(mirror, 7), mirror.tickOf(7), mirror.tick], [{ x: 13 }, 13, 13]);
  for (const [tick, x] of [
    [11, 11],
    [13, 99],
  ] as const)
    assert.deepEqual(told(mirror.applyUpdates(moved(tick, 1, x), 0)), NOTHING);
  assert.deepEqual(at(mirror, 7), { x: 13 });
  assert.equal(mirror.tickOf(99), undefined);
});

test("topics advance each by itself, and several come in one message", () => {
  const mirror = started();
  const both = new StateWriter(12)
    .section(1, 1, (section) => section.head(2, 1).enter(0, 8, { at: 1 }))
    .section(0, 1, (section) => section.head(1, 1).update(0, { at: 12 }));
  assert.deepEqual(told(mirror.applyUpdates(both.done(), 0)), { ...NOTHING, added: [8] });
  assert.deepEqual(told(mirror.applyUpdates(moved(11, 1, 11), 0)), { ...NOTHING, changed: [7] });
  assert.deepEqual(at(mirror, 7), { x: 12 });
  // State messages come in order among themselves, but may be of an earlier tick than updates.
  assert.deepEqual(told(mirror.apply(new StateWriter(11, 4, 500).raw(0).done())), NOTHING);
  assert.deepEqual([mirror.tick, mirror.dilation], [12, 0.5]);
  assert.throws(() => mirror.apply(new StateWriter(10, 0).raw(0).done()), DecodeError);
});

test("an update that overtakes its topic's state message waits for it", () => {
  const mirror = started();
  const early = new StateWriter(12)
    .section(2, 2, (section) => section.head(1, 1).update(0, { at: 12 }))
    .done();
  assert.deepEqual(told(mirror.applyUpdates(early, 0)), NOTHING);
  const state = new StateWriter(11, StateFlag.slots).numbers(1, 2, 3).raw(4);
  assert.deepEqual(told(mirror.apply(state.head(0, 1).enter(0, 9, { at: 11 }).done())), {
    ...NOTHING,
    added: [9],
  });
  assert.deepEqual(at(mirror, 9), { x: 12 });
});

test("an update belongs to one full state of its topic", () => {
  const mirror = started();
  // Topic 0 is about to come in full once more, as of tick 12: 13 builds upon that.
  assert.deepEqual(told(mirror.applyUpdates(moved(13, 3, 13, 2), 0)), NOTHING);
  assert.deepEqual(at(mirror, 7), { x: 5 });
  const state = new StateWriter(12, StateFlag.ownAll).raw(3);
  mirror.apply(state.head(0, 1).enter(0, 7, { at: 12 }).head(0, 0).done());
  assert.deepEqual(at(mirror, 7), { x: 13 });
  // One from before is late, and not taken for a newer one.
  assert.deepEqual(told(mirror.applyUpdates(moved(14, 1, 99, 1), 0)), NOTHING);
  assert.deepEqual(told(mirror.applyUpdates(moved(14, 1, 14, 2), 0)), { ...NOTHING, changed: [7] });
  // Of a topic that is freed.
  mirror.apply(new StateWriter(15, StateFlag.slots).numbers(1, 0, 0).raw(0).done());
  assert.deepEqual(told(mirror.applyUpdates(moved(16, 2, 16, 2), 0)), NOTHING);
  assert.equal(mirror.sweep(MAX_KEPT_MS), false, "nothing of it is kept");
});

test("an entity that moved to a topic that is behind stays in view until that has caught up", () => {
  const mirror = started();
  const entity = mirror.entities.get(7);
  const gone = new StateWriter(12)
    .section(0, 1, (section) => section.head(2, 1).leave(0, 1))
    .done();
  assert.deepEqual(told(mirror.applyUpdates(gone, 0)), NOTHING);
  const came = new StateWriter(12)
    .section(1, 1, (section) => section.head(1, 1).enter(0, 7, { at: 12 }))
    .done();
  assert.deepEqual(told(mirror.applyUpdates(came, 0)), NOTHING);
  const before = new StateWriter(11)
    .section(1, 1, (section) => section.head(1, 1).enter(3, 8, {}))
    .done();
  assert.deepEqual(told(mirror.applyUpdates(before, 0)), {
    ...NOTHING,
    added: [8],
    changed: [7],
  });
  assert.equal(mirror.entities.get(7), entity);
  const away = new StateWriter(13).section(1, 1, (section) => section.head(1, 1).leave(0));
  assert.deepEqual(told(mirror.applyUpdates(away.done(), 0)), { ...NOTHING, removed: [7] });
});

test("an entity that is awaited leaves the view with the topic it moved to", () => {
  for (const freed of [true, false]) {
    const mirror = started();
    const gone = new StateWriter(12).section(0, 1, (section) => section.head(2, 1).leave(0, 1));
    mirror.applyUpdates(gone.done(), 0);
    const state = new StateWriter(13, StateFlag.slots);
    if (freed) state.numbers(1, 1, 0).raw(0);
    else state.numbers(2, 1, 0, 2, 2).raw(4).head(0, 1).enter(0, 7, { at: 1 });
    const changes = told(mirror.apply(state.done()));
    assert.deepEqual(changes, { ...NOTHING, ...(freed ? { removed: [7] } : { changed: [7] }) });
  }
});

/** Entity 7 is in topic 1 by tick 12, and by tick 13 in topic 2, of which the client knows nothing. */
function movedOn(): WorldMirror {
  const mirror = started();
  const came = new StateWriter(12).section(1, 1, (section) =>
    section.head(2, 1).enter(0, 7, { at: 12 }),
  );
  mirror.applyUpdates(came.done(), 0);
  const went = new StateWriter(13).section(1, 1, (section) => section.head(1, 1).leave(0, 2));
  // It stays in view for topic 0, whose leave record has not come.
  assert.deepEqual(told(mirror.applyUpdates(went.done(), 0)), NOTHING);
  return mirror;
}

test("an entity that moved to a topic before that was subscribed is awaited there as well", () => {
  const mirror = movedOn();
  const slots = new StateWriter(12, StateFlag.slots).numbers(2, 0, 0, 2, 3).raw(4).head(0, 0);
  assert.deepEqual(told(mirror.apply(slots.done())), NOTHING);
  const came = new StateWriter(13).section(2, 2, (section) =>
    section.head(1, 1).enter(0, 7, { at: 13 }),
  );
  assert.deepEqual(told(mirror.applyUpdates(came.done(), 0)), { ...NOTHING, changed: [7] });
  const away = new StateWriter(14).section(2, 2, (section) => section.head(1, 1).leave(0));
  assert.deepEqual(told(mirror.applyUpdates(away.done(), 0)), { ...NOTHING, removed: [7] });
});

test("an entity is awaited where it was to go last, and only there", () => {
  // Topic 2 already knows of tick 13, and the entity is not there.
  const inTime = movedOn();
  const full = new StateWriter(13, StateFlag.slots).numbers(2, 0, 0, 2, 3).raw(4).head(0, 0);
  assert.deepEqual(told(inTime.apply(full.done())), { ...NOTHING, removed: [7] });
  // The leave record of topic 0 is the older one: topic 1 has seen all that it tells of.
  const late = movedOn();
  late.apply(new StateWriter(11, StateFlag.slots).numbers(1, 2, 4).raw(4).head(0, 0).done());
  const left = new StateWriter(12).section(0, 1, (section) => section.head(2, 1).leave(0, 3));
  assert.deepEqual(told(late.applyUpdates(left.done(), 0)), { ...NOTHING, removed: [7] });
  // It was seen elsewhere after it went to topic 2, and that is subscribed no more.
  const elsewhere = movedOn();
  const seen = new StateWriter(14).section(1, 1, (section) =>
    section.head(1, 1).enter(0, 7, { at: 14 }),
  );
  elsewhere.applyUpdates(seen.done(), 0);
  const other = new StateWriter(12, StateFlag.slots).numbers(3, 0, 0, 1, 0, 2, 3).raw(4).head(0, 0);
  assert.deepEqual(told(elsewhere.apply(other.done())), { ...NOTHING, removed: [7] });
  // A new welcome: what it did before is forgotten.
  const again = movedOn();
  again.reset();
  const welcome = new StateWriter(3, StateFlag.slots).numbers(1, 0, 3).raw(1).head(0, 0);
  assert.deepEqual(told(again.apply(welcome.done())), { ...NOTHING, removed: [7] });
});

test("what a topic says of the time before an entity entered a newer one is not shown", () => {
  const mirror = started();
  const came = new StateWriter(13).section(1, 1, (section) =>
    section.head(3, 1).enter(0, 7, { at: 13 }),
  );
  assert.deepEqual(told(mirror.applyUpdates(came.done(), 0)), { ...NOTHING, changed: [7] });
  const late = new StateWriter(12).section(0, 1, (section) =>
    section.head(2, 3).update(0, { at: 12, name: "Bob" }).drop(0, AT).enter(1, 9, { at: 9 }),
  );
  assert.deepEqual(told(mirror.applyUpdates(late.done(), 0)), { ...NOTHING, added: [9] });
  assert.deepEqual([at(mirror, 7), mirror.entities.get(7)?.["name"]], [{ x: 13 }, undefined]);
  const left = new StateWriter(13).section(0, 1, (section) => section.head(1, 1).leave(0, 1));
  assert.deepEqual(told(mirror.applyUpdates(left.done(), 0)), NOTHING);
  const next = new StateWriter(14).section(1, 1, (section) =>
    section.head(1, 2).update(0, { at: 14, name: "Cid" }).drop(0, NAME),
  );
  assert.deepEqual(told(mirror.applyUpdates(next.done(), 0)), { ...NOTHING, changed: [7] });
  assert.deepEqual([at(mirror, 7), mirror.tickOf(7)], [{ x: 14 }, 14]);
});

/** Full state of both topics, as asked for; it is of the next origin. */
const full = (tick: number): Uint8Array =>
  new StateWriter(tick, StateFlag.ownAll)
    .raw(3)
    .head(0, 1)
    .enter(0, 7, { at: 0 })
    .head(0, 0)
    .done();

test("what is kept is bounded in number, bytes and time; past it full state is asked for once", () => {
  const text = "x".repeat(16);
  const large = (tick: number): Uint8Array =>
    new StateWriter(tick)
      .section(0, 1, (section) => {
        section.head(1, 100);
        for (let i = 0; i < 100; i++) section.update(0, { name: text });
      })
      .done();
  const sectionBytes = large(100).length - 5;
  const causes: { [cause: string]: (mirror: WorldMirror) => boolean[] } = {
    number: (mirror) =>
      Array.from(
        { length: MAX_KEPT_UPDATES + 1 },
        (_, i) => mirror.applyUpdates(moved(5000 - i, 1, 1), 0).gap,
      ),
    bytes: (mirror) =>
      Array.from(
        { length: Math.floor(MAX_KEPT_BYTES / sectionBytes) + 1 },
        (_, i) => mirror.applyUpdates(large(100 + i), 0).gap,
      ),
    time: (mirror) => [
      mirror.applyUpdates(moved(12, 1, 1), 5).gap,
      mirror.applyUpdates(moved(13, 1, 1), MAX_KEPT_MS).gap,
      mirror.applyUpdates(moved(14, 1, 1), MAX_KEPT_MS + 5).gap,
    ],
    sweep: (mirror) => [
      mirror.applyUpdates(moved(12, 1, 1), 5).gap,
      mirror.sweep(MAX_KEPT_MS + 4),
      mirror.sweep(MAX_KEPT_MS + 5),
    ],
  };
  for (const [cause, provoke] of Object.entries(causes)) {
    const mirror = started();
    const gaps = provoke(mirror);
    assert.equal(gaps.pop(), true, cause);
    assert.ok(!gaps.includes(true), cause);
    // The topic waits for full state now, and asks no more.
    const later = mirror.applyUpdates(moved(6000, 1, 1), 1e6);
    assert.deepEqual([told(later), mirror.sweep(1e9)], [NOTHING, false], cause);
    assert.equal(mirror.applyUpdates(moved(9001, 1, 1, 2), 0).gap, false, cause);
    assert.deepEqual(told(mirror.apply(full(9000))), { ...NOTHING, changed: [7] }, cause);
    assert.deepEqual(at(mirror, 7), { x: 1 }, cause);
  }
});

test("time counts for each update by itself", () => {
  const mirror = started();
  mirror.applyUpdates(moved(12, 1, 12), 0);
  mirror.applyUpdates(moved(15, 1, 15), 1000);
  mirror.applyUpdates(moved(11, 1, 11), 1500);
  assert.equal(mirror.sweep(MAX_KEPT_MS + 999), false);
  assert.equal(mirror.sweep(MAX_KEPT_MS + 1000), true);
});

test("a new welcome forgets what is kept", () => {
  const mirror = started();
  mirror.applyUpdates(moved(12, 1, 12), 0);
  mirror.reset();
  assert.deepEqual([mirror.sweep(MAX_KEPT_MS), mirror.tick], [false, 0]);
  // Also the tick that entities have: the world may have gone back.
  const message = new StateWriter(3, StateFlag.slots).numbers(1, 0, 1).raw(1);
  mirror.apply(message.head(0, 1).enter(0, 7, { at: 3 }).done());
  assert.deepEqual([at(mirror, 7), mirror.tickOf(7)], [{ x: 3 }, 3]);
});

test("what overtakes the full state behind a new welcome takes nothing out of view", () => {
  const mirror = started();
  mirror.reset();
  assert.deepEqual(told(mirror.applyUpdates(moved(12, 1, 12), 0)), NOTHING);
  const message = new StateWriter(11, StateFlag.slots).numbers(1, 0, 1).raw(1);
  const changes = mirror.apply(message.head(0, 1).enter(0, 7, { at: 3 }).done());
  assert.deepEqual([told(changes).added, told(changes).removed], [[], []]);
});

test("malformed updates are refused", () => {
  const cases: { [what: string]: Uint8Array } = {
    "nothing at all": Uint8Array.of(),
    "a section that ends early": new StateWriter(11)
      .section(0, 1, (section) => section.head(1, 2).update(0, { at: 1 }))
      .done(),
    "a section with bytes behind it": new StateWriter(11)
      .section(0, 1, (section) => section.head(1, 0).raw(0))
      .done(),
    "a section that is not there": new StateWriter(11).numbers(0, 1, 5).done(),
    "an empty section": new StateWriter(11).numbers(0, 1, 0).done(),
    "a topic and no more": new StateWriter(11).numbers(0).done(),
    "previous before tick 0": moved(11, 12, 1),
  };
  for (const [what, bytes] of Object.entries(cases))
    assert.throws(() => started().applyUpdates(bytes, 0), DecodeError, what);
  assert.deepEqual(told(started().applyUpdates(new StateWriter(11).done(), 0)), NOTHING);
});

test("hostile updates end in a DecodeError, and a reset mends the mirror", () => {
  const healing = new StateWriter(20, StateFlag.slots).numbers(1, 0, 1).raw(1);
  const packed = healing.head(0, 1).enter(0, 7, { at: 5 }).done();
  const update = fc.tuple(fc.nat(3), fc.nat(3), fc.uint8Array({ maxLength: 12 }));
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(40), fc.array(update, { maxLength: 3 }))), (messages) => {
      const mirror = started();
      for (const [tick, updates] of messages) {
        const writer = new StateWriter(tick);
        for (const [topic, origin, bytes] of updates)
          writer.numbers(topic, origin, bytes.length).raw(...bytes);
        try {
          mirror.applyUpdates(writer.done(), 0);
        } catch (error) {
          assert.ok(error instanceof DecodeError, String(error));
        }
      }
      mirror.reset();
      mirror.apply(packed);
      assert.deepEqual([...mirror.entities.keys()], [7]);
    }),
    { numRuns: 400 },
  );
});
