import assert from "node:assert/strict";
import { test } from "node:test";
import { modulesAtHand } from "./modules-at-hand.ts";

test("stored modules are at hand exactly when there is a store", () => {
  assert.deepEqual(modulesAtHand({ store: undefined }), ["*"]);
  assert.deepEqual(modulesAtHand({ store: "/srv/artifacts" }), ["*", "store:*"]);
});
