import assert from "node:assert/strict";
import { test } from "node:test";
import { world } from "./world.ts";

test("the definition arrived", () => {
  assert.equal(world.definition.data.name, "pebbles");
});
