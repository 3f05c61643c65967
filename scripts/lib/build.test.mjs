import assert from "node:assert/strict";
import { test } from "node:test";
import { isStale } from "./build.mjs";

const lock = {
  "": { name: "root" },
  world: { version: "0.1.0" },
  "node_modules/@atlasnet/world": { resolved: "world", link: true },
  "node_modules/ws": { version: "8.0.0" },
  "node_modules/only-on-windows": { version: "1.0.0", optional: true },
};
const installed = {
  world: { version: "0.1.0" },
  "node_modules/@atlasnet/world": { resolved: "world", link: true },
  "node_modules/ws": { version: "8.0.0" },
};

test("what is installed for this platform is enough", () => {
  assert.equal(isStale(lock, installed), false);
});

test("another version is stale", () => {
  assert.equal(isStale(lock, { ...installed, "node_modules/ws": { version: "7.9.0" } }), true);
});

test("a missing package is stale", () => {
  const { "node_modules/ws": _gone, ...rest } = installed;
  assert.equal(isStale(lock, rest), true);
});

test("a new workspace is stale: its link is not there yet", () => {
  const more = { ...lock, "node_modules/@atlasnet/new": { resolved: "new", link: true } };
  assert.equal(isStale(more, installed), true);
});

test("the version of a workspace itself may differ: it is a link", () => {
  assert.equal(isStale({ ...lock, world: { version: "0.2.0" } }, installed), false);
});
