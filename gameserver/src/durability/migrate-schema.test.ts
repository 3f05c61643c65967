import assert from "node:assert/strict";
import { test } from "node:test";
import {
  bool,
  defineWorld,
  type Fields,
  float64,
  int,
  list,
  oneOf,
  quantized,
  text,
  uint,
} from "@atlasnet/world";
import { type ComponentValues, migrateComponents, SchemaChangedError } from "./migrate-schema.ts";
import { describePlan, planMigration } from "./plan-migration.ts";

type Components = { readonly [name: string]: Fields };

function plan(old: Components, now: Components) {
  const { data: before } = defineWorld({ name: "w", components: old, version: 3 });
  const { data: after } = defineWorld({ name: "w", components: now, version: 4 });
  return planMigration(before, after);
}

function migrated(old: Components, now: Components, values: ComponentValues): ComponentValues {
  const result = migrateComponents(plan(old, now), values);
  assert.ok(result.ok, JSON.stringify(result));
  return result.components;
}

test("the same definition is taken as it is", () => {
  const components = { a: { x: uint(5) } };
  assert.equal(plan(components, components).same, true);
  assert.deepEqual(describePlan(plan(components, components)), []);
});

test("new fields get their default, removed ones are dropped, order does not matter", () => {
  const old = { pos: { x: int(-5, 5), y: int(-5, 5) }, gone: { a: uint(1) } };
  const now = { fresh: { b: uint(1) }, pos: { z: uint(9, { default: 7 }), x: int(-5, 5) } };
  assert.deepEqual(migrated(old, now, { pos: { x: 1, y: 2 }, gone: { a: 1 } }), {
    pos: { z: 7, x: 1 },
  });
  assert.deepEqual(describePlan(plan(old, now)), [
    "component fresh is new",
    "component gone is gone: its values are dropped",
    "pos.z is new: it gets its default",
    "pos.y is gone: its values are dropped",
  ]);
});

test("other bounds keep what fits and name what does not", () => {
  const old = { c: { n: uint(100), q: quantized({ min: 0, max: 100, step: 1 }), w: text(20) } };
  const now = { c: { n: uint(50), q: quantized({ min: 0, max: 50, step: 0.5 }), w: text(5) } };
  assert.deepEqual(migrated(old, now, { c: { n: 50, q: 49.25, w: "short" } }), {
    c: { n: 50, q: 49.25, w: "short" },
  });
  const result = migrateComponents(plan(old, now), { c: { n: 51, q: 50.5, w: "too long" } });
  assert.ok(!result.ok);
  assert.deepEqual(
    result.problems.map(({ field, from, to }) => [field, from, to]),
    [
      ["n", "uint up to 100", "uint up to 50"],
      ["q", "quantized from 0 to 100 in steps of 1", "quantized from 0 to 50 in steps of 0.5"],
      ["w", "text of at most 20 bytes", "text of at most 5 bytes"],
    ],
  );
});

test("another default is no change, another word list is one of bounds", () => {
  const changes = plan(
    { c: { n: uint(9), w: oneOf("a", "b") } },
    { c: { n: uint(9, { default: 3 }), w: oneOf("b", "c") } },
  ).changedFields;
  assert.deepEqual(
    changes.map(({ field, change }) => [field, change]),
    [["w", "bounds"]],
  );
});

test("another type needs upgrade, and takes what upgrade gives", () => {
  const old = { life: { hp: float64(), on: bool() } };
  const now = { life: { hp: uint(100), on: bool() } };
  const values = { life: { hp: 3, on: true } };
  const refused = migrateComponents(plan(old, now), values);
  assert.ok(!refused.ok, "3 fits a uint, but the field says something else now");
  assert.deepEqual(migrateComponents(plan(old, now), values, { life: { hp: 30 } }), {
    ok: true,
    components: { life: { hp: 30, on: true } },
  });
  assert.equal(migrateComponents(plan(old, now), values, { life: { hp: 300 } }).ok, false);
  assert.equal(migrateComponents(plan(old, now), values, { life: {} }).ok, false);
  assert.deepEqual(migrateComponents(plan(old, now), values, {}), { ok: true, components: {} });
});

test("lists are compared by what they are of", () => {
  const old = { bag: { items: list(uint(10), 4) } };
  const wider = { bag: { items: list(uint(20), 8) } };
  assert.deepEqual(migrated(old, wider, { bag: { items: [1, 2] } }), { bag: { items: [1, 2] } });
  const [change] = plan(old, { bag: { items: list(text(5), 4) } }).changedFields;
  assert.equal(change?.change, "type");
});

test("the error names world, component, field, both types and the way out", () => {
  const result = migrateComponents(plan({ life: { hp: text(8) } }, { life: { hp: uint(100) } }), {
    life: { hp: "full" },
  });
  assert.ok(!result.ok);
  const error = new SchemaChangedError("arena", [...result.problems, ...result.problems]);
  assert.equal(error.code, "schema-changed");
  assert.equal(
    error.message,
    "the stored state of world arena does not fit: " +
      "life.hp was text of at most 8 bytes, is uint up to 100: the type changed",
  );
  assert.match(error.hint ?? "", /upgrade\(old\).*--fresh/);
});

test("other parts of the definition that changed are listed", () => {
  const base = { name: "w", components: {} };
  const { data: old } = defineWorld({ ...base, serverMessages: { hi: { a: uint(1) } } });
  const { data: now } = defineWorld({ ...base, tickRate: 30 });
  const { same, otherParts } = planMigration(old, now);
  assert.equal(same, true);
  assert.deepEqual(otherParts, ["serverMessages", "tickRate"]);
});
