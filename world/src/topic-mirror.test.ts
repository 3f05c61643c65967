import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { DecodeError } from "./bytes.ts";
import { compileDefinition, defineWorld } from "./definition.ts";
import { uint } from "./fields.ts";
import { TopicMirror } from "./topic-mirror.ts";

const definition = compileDefinition(
  defineWorld({ name: "test", components: { at: { x: uint(255) }, tag: {} } }).data,
);

/** Full state: entity 7 with `at`, entity 8 with `tag`, at indexes 0 and 1. */
const FULL = Uint8Array.of(0x20, 5, 0, 7, 9, 9, 1, 8);

function started(): TopicMirror {
  const mirror = new TopicMirror(definition);
  assert.deepEqual(mirror.apply(10, FULL), {
    tick: 10,
    full: true,
    enter: [
      { id: 7, at: { x: 9 } },
      { id: 8, tag: {} },
    ],
    update: [],
    leave: [],
  });
  return mirror;
}

test("a section becomes what entered, changed and left", () => {
  const mirror = started();
  // leave 0; drop `tag` of 1; enter 9 at index 0; update `at` of 1.
  const section = Uint8Array.of(0x41, 2, 0, 11, 1, 5, 0, 9, 3, 4, 1, 4);
  assert.deepEqual(mirror.apply(11, section), {
    tick: 11,
    full: false,
    enter: [{ id: 9, at: { x: 3 } }],
    update: [{ id: 8, tag: null, at: { x: 4 } }],
    leave: [7],
  });
});

test("an index taken before its leave record came belongs to the new entity", () => {
  const change = started().apply(11, Uint8Array.of(0x21, 1, 0, 9, 2, 0));
  assert.deepEqual(change, { tick: 11, full: false, enter: [{ id: 9 }], update: [], leave: [7] });
});

test("after a gap only full state helps", () => {
  const mirror = started();
  assert.equal(mirror.apply(15, Uint8Array.of(0x12, 4, 0, 1)), "gap");
  assert.equal(mirror.apply(16, Uint8Array.of(0x11, 4, 0, 1)), "gap");
  const change = mirror.apply(17, FULL);
  assert.ok(change !== "gap" && change.full);
  assert.notEqual(mirror.apply(18, Uint8Array.of(0x11, 4, 0, 1)), "gap");
  assert.equal(mirror.apply(19, Uint8Array.of(0x11, 4, 5, 1)), "gap");
});

test("hostile bytes end in a DecodeError, a gap or a change", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const mirror = started();
      try {
        mirror.apply(11, bytes);
      } catch (error) {
        assert.ok(error instanceof DecodeError, String(error));
        assert.equal(mirror.apply(12, Uint8Array.of(0x01)), "gap");
      }
      const healed = mirror.apply(13, FULL);
      assert.ok(healed !== "gap" && healed.enter.length === 2);
    }),
    { numRuns: 500 },
  );
});
