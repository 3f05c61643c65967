import assert from "node:assert/strict";
import test from "node:test";
import { moduleOf } from "./flags.ts";

test("a module is a name and version of the store, or a path", () => {
  const stored = (name: string, version: string) => ({ source: "store", name, version });
  assert.deepEqual(moduleOf("arena@1.2.0"), stored("arena", "1.2.0"));
  assert.deepEqual(moduleOf("@games/arena@1.2.0-rc.1"), stored("@games/arena", "1.2.0-rc.1"));
  for (const path of ["./arena.js", "arena", "@games/arena", "../a@1.0.0", "a/b@1.0.0", "arena@1"])
    assert.deepEqual(moduleOf(path), { source: "node", path });
});
