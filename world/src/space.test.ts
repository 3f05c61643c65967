import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { CellGrid, grid2d, grid3d } from "./space.ts";

const flat = new CellGrid(
  grid2d({ component: "p", size: [100, 70], cell: 25, view: 1, margin: 5 }),
  2,
);
const deep = new CellGrid(
  grid3d({ component: "p", size: [40, 30, 20], cell: 10, view: 1, margin: 0 }),
  0,
);

test("cells are numbered row by row after the channels", () => {
  assert.deepEqual([flat.columns, flat.rows, flat.layers], [4, 3, 1]);
  assert.equal(flat.topicAt({ x: 0, y: 0 }), 2);
  assert.equal(flat.topicAt({ x: 99, y: 69 }), 2 + 2 * 4 + 3);
  assert.equal(deep.topicAt({ x: 11, y: 21, z: 10 }), (1 * 3 + 2) * 4 + 1);
});

test("positions outside belong to the nearest cell", () => {
  const corner = flat.topicAt({ x: 99, y: 69 });
  assert.equal(flat.topicAt({ x: 1e9, y: Number.POSITIVE_INFINITY }), corner);
  assert.equal(flat.topicAt({ x: -5, y: Number.NEGATIVE_INFINITY }), 2);
  assert.equal(flat.topicAt({ x: Number.NaN, y: Number.NaN }), 2);
});

for (const grid of [flat, deep])
  test(`topics and cells of ${grid.space.kind} answer each other`, () => {
    const at = fc.double({ min: -10, max: 120, noNaN: true });
    fc.assert(
      fc.property(at, at, at, (x, y, z) => {
        const topic = grid.topicAt({ x, y, z });
        assert.equal(grid.topicOfCell(grid.cellOf(topic)), topic);
        assert.equal(grid.staysIn(topic, { x, y, z }), true);
        const view = grid.viewFrom(topic);
        assert.ok(view.includes(topic));
        assert.equal(new Set(view).size, view.length);
        // Seeing is mutual: both are at most `view` cells away from the other.
        for (const other of view) assert.ok(grid.viewFrom(other).includes(topic));
      }),
    );
  });

test("a viewer stays in its cell up to the margin", () => {
  const topic = flat.topicAt({ x: 30, y: 30 });
  assert.equal(flat.staysIn(topic, { x: 54, y: 30 }), true);
  assert.equal(flat.staysIn(topic, { x: 55, y: 30 }), false);
  assert.equal(flat.staysIn(topic, { x: 20, y: 30 }), true);
  assert.equal(flat.staysIn(topic, { x: 19.9, y: 30 }), false);
});

test("cells that are not there have no topic", () => {
  for (const cell of [[], [4, 0], [-1, 0], [0.5, 0], [0, 3], [0, 0, 1]])
    assert.equal(flat.topicOfCell(cell), undefined, String(cell));
});

test("spaces that cannot be are refused", () => {
  const size = [10, 10] as const;
  assert.throws(() => grid2d({ component: "p", size, cell: 0 }), /cell must be above 0/);
  assert.throws(() => grid2d({ component: "p", size: [0, 1], cell: 1 }), /size must be above 0/);
  assert.throws(() => grid2d({ component: "p", size, cell: 1, view: 7 }), /more than 200 cells/);
  assert.throws(() => grid2d({ component: "p", size, cell: 1, margin: 2 }), /margin/);
  assert.throws(() => grid2d({ component: "p", size: [1e9, 1e9], cell: 1 }), /2\^32 cells/);
});
