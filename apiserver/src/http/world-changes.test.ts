import assert from "node:assert/strict";
import { test } from "node:test";
import { worldRecord } from "@atlasnet/core/testing";
import { changedWorld, usualFailover } from "./world-changes.ts";

test("a world that is kept waits for its node, unless all nodes reach its snapshots", () => {
  assert.equal(usualFailover("journal", false), "manual");
  assert.equal(usualFailover("snapshot", false), "manual");
  assert.equal(usualFailover("none", false), "automatic");
  for (const durability of ["journal", "snapshot", "none"] as const)
    assert.equal(usualFailover(durability, true), "automatic");
  for (const kept of [false, true]) assert.equal(usualFailover("mirror", kept), "manual");
});

test("what was the usual stays the usual, what was chosen stays chosen", () => {
  const none = worldRecord({ durability: "none", failover: "automatic" });
  const becomes = { durability: "journal" } as const;
  assert.equal(changedWorld(none, becomes, undefined, false).failover, "manual");
  assert.equal(changedWorld(none, becomes, undefined, true).failover, "automatic");
  const chosen = worldRecord({ durability: "none", failover: "manual" });
  for (const kept of [false, true])
    assert.equal(changedWorld(chosen, becomes, undefined, kept).failover, "manual");
});
