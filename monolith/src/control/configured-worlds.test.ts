import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeRecord, type Seen, seen, type WorldRecord } from "@atlasnet/core";
import { type ConfiguredWorld, planCatalogue } from "./configured-worlds.ts";

const arena: ConfiguredWorld = {
  name: "arena",
  file: "/games/arena.js",
  config: { size: 3 },
  durability: "journal",
  graceSeconds: 30,
};

/** What the changes make of a catalogue. */
function applied(
  configured: readonly ConfiguredWorld[],
  before: ReadonlyMap<string, Seen<WorldRecord>> = new Map(),
) {
  const changes = planCatalogue(configured, before);
  const after = new Map(before);
  for (const { world, parts } of changes)
    for (const operation of parts.then) {
      assert(operation.type === "put");
      const decoded = decodeRecord("world", operation.value);
      assert(decoded.ok);
      after.set(world, seen(decoded.record, { created: 1, modified: after.size + 1 }));
    }
  return { what: changes.map(({ world, what }) => `${world} ${what}`), after };
}

test("worlds are written once, and again when the configuration says otherwise", () => {
  const first = applied([arena]);
  assert.deepEqual(first.what, ["arena created"]);
  const { record } = first.after.get("arena") ?? {};
  assert.deepEqual(record?.module, { source: "node", path: "/games/arena.js" });
  assert.deepEqual([record?.labels, record?.failover], [{ source: "config" }, "manual"]);
  assert.deepEqual(applied([arena], first.after).what, []);
  const changed = applied([{ ...arena, durability: "none" }], first.after);
  assert.deepEqual(changed.what, ["arena changed"]);
  assert.equal(changed.after.get("arena")?.record?.failover, "automatic");
});

test("a world that is out of the configuration is disabled, and comes back as the same one", () => {
  const first = applied([arena]);
  const without = applied([], first.after);
  assert.deepEqual(without.what, ["arena disabled"]);
  assert.equal(without.after.get("arena")?.record?.enabled, false);
  assert.deepEqual(applied([], without.after).what, []);
  const back = applied([arena], without.after);
  assert.deepEqual(back.what, ["arena changed"]);
  assert.deepEqual(back.after.get("arena")?.record, first.after.get("arena")?.record);
});

test("what operators made stays; what they said of a world that is configured stays, too", () => {
  const { record } = applied([arena]).after.get("arena") ?? {};
  assert(record !== undefined);
  const made = { ...record, labels: { team: "blue" }, weight: 7 };
  const catalogue = new Map([["arena", seen(made, { created: 1, modified: 1 })]]);
  assert.deepEqual(applied([], catalogue).what, []);
  const taken = applied([arena], catalogue);
  assert.deepEqual(taken.what, ["arena taken-over"]);
  const now = taken.after.get("arena")?.record;
  assert.deepEqual([now?.labels, now?.weight], [{ team: "blue", source: "config" }, 7]);
});

test("a world that the catalogue cannot hold is named", () => {
  const large = { ...arena, config: { text: "x".repeat(70_000) } };
  assert.throws(() => planCatalogue([large], new Map()), {
    code: "bad-record",
    message: /^worlds\.arena: .*65536 bytes/,
  });
});
