import assert from "node:assert/strict";
import test from "node:test";
import { nearest } from "./did-you-mean.ts";

test("a slip finds its word, another word finds none", () => {
  const known = ["proxy.port", "proxy.host", "log.level"];
  assert.equal(nearest("proxy.prot", known), "proxy.port");
  assert.equal(nearest("Log.Levl", known), "log.level");
  assert.equal(nearest("gameserver", known), undefined);
  assert.equal(nearest("x", []), undefined);
});
