import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  canonicalJson,
  compileDefinition,
  DefinitionError,
  defineWorld,
  parseDefinition,
  schemaHash,
} from "./definition.ts";
import { bool, list, oneOf, quantized, ref, text, uint } from "./fields.ts";
import { grid2d } from "./space.ts";

const arena = defineWorld({
  name: "arena",
  space: grid2d({ component: "position", size: [1000, 1000], cell: 50 }),
  components: {
    position: {
      x: quantized({ min: 0, max: 1000, step: 1 / 16 }),
      y: quantized({ min: 0, max: 1000, step: 1 / 16 }),
    },
    look: { name: text(24), team: oneOf("red", "blue") },
  },
  ownerComponents: { wallet: { coins: uint(9999), bag: list(ref(), 8) } },
  inputs: { move: { up: bool() } },
  clientMessages: { chat: { text: text(200) } },
  serverMessages: { chat: { from: ref(), text: text(200) } },
  channels: { lobby: { public: true } },
  join: { color: uint(7) },
});

test("components get mask bits among those of their kind", () => {
  const compiled = compileDefinition(arena.data);
  assert.deepEqual(
    compiled.components.map(({ name, owner, bit }) => [name, owner, bit]),
    [
      ["position", false, 0],
      ["look", false, 1],
      ["wallet", true, 0],
    ],
  );
});

test("a definition that went through JSON is the same, with the same hash", () => {
  const value: unknown = JSON.parse(canonicalJson(arena.data));
  const parsed = parseDefinition(value);
  assert.deepEqual(parsed, arena.data);
  assert.deepEqual(schemaHash(parsed), schemaHash(arena.data));
});

test("the schema hash has its golden bytes", () => {
  const hash = schemaHash(defineWorld({ name: "tiny", components: { at: { x: uint(15) } } }).data);
  assert.equal(Buffer.from(hash).toString("hex"), "5d3bbb9b0f904660");
});

test("names that mean something else are refused", () => {
  const withComponent = (name: string) => defineWorld({ name: "w", components: { [name]: {} } });
  for (const name of ["id", "own", "owner", "despawn"])
    assert.throws(() => withComponent(name), /reserved/, name);
  for (const name of ["constructor", "toString", "valueOf"])
    assert.throws(() => withComponent(name), DefinitionError, name);
  assert.throws(
    () => defineWorld({ name: "w", components: {}, inputs: { go: { hasOwnProperty: uint(1) } } }),
    /inputs\.go\.hasOwnProperty/,
  );
  for (const name of ["", "1a", "a b", "a".repeat(65)])
    assert.throws(() => withComponent(name), DefinitionError, name);
});

test("a space needs its component", () => {
  const space = grid2d({ component: "position", size: [10, 10], cell: 5 });
  assert.throws(() => defineWorld({ name: "w", space, components: {} }), /no public component/);
  assert.throws(
    () => defineWorld({ name: "w", space, components: { position: { x: uint(9), y: text(4) } } }),
    /numeric field y/,
  );
});

test("a definition from strangers is refused by place, whatever it holds", () => {
  const root = () => structuredClone(arena.data) as unknown as { [key: string]: unknown };
  const changed = (change: object) => () => parseDefinition({ ...root(), ...change });
  let deep: object = { kind: "uint", max: 1 };
  for (let i = 0; i < 5000; i++) deep = { kind: "list", of: deep, maxLength: 2 };
  const cases: object[] = [
    { name: 5 },
    { version: "1" },
    { tickRate: 0 },
    { space: { ...arena.data.space, kind: "hex" } },
    { space: { ...arena.data.space, size: [1, "2"] } },
    { space: { ...arena.data.space, size: [] } },
    { components: [{ name: "a", fields: [["x", { kind: "default" }]], owner: false }] },
    { components: [{ name: "a", fields: [["x", deep]], owner: false }] },
    { inputs: [{ name: "a", fields: [["x", { kind: "uint" }]] }] },
    { inputs: [{ name: "a", fields: [["x", { kind: "enum", values: [] }]] }] },
    { inputs: "none" },
    { channels: [{ name: "a" }, { name: "a" }] },
    { join: [["x"]] },
  ];
  for (const change of cases)
    assert.throws(changed(change), DefinitionError, Object.keys(change).join());
});

test("anything at all ends in a definition or a DefinitionError", () => {
  const keys = Object.keys(arena.data);
  fc.assert(
    fc.property(fc.constantFrom(...keys), fc.jsonValue(), (key, value) => {
      try {
        compileDefinition(parseDefinition({ ...arena.data, [key]: value }));
      } catch (error) {
        assert.ok(error instanceof DefinitionError, String(error));
      }
    }),
    { numRuns: 300 },
  );
});
