import assert from "node:assert/strict";
import { test } from "node:test";
import { testWorld } from "@atlasnet/testing";
import { world } from "./world.ts";

test("a player joins, walks and is heard", () => {
  const game = testWorld(world, { seed: 7 });
  const ann = game.join("ann");
  const bob = game.join("bob");
  const before = ann.player.entity?.position?.y;
  assert.equal(before, 50);

  ann.input("step", { dx: 0, dy: 1 });
  ann.send("say", { text: "hello" });
  game.run(1);

  assert.equal(ann.player.entity?.position?.y, 51);
  assert.deepEqual(bob.received("said"), [{ who: ann.player.id, text: "hello" }]);
  // @ts-expect-error: text it is, says the definition
  assert.throws(() => ann.send("say", { text: 5 }));
  game.checkDeterminism();
});

test("equal seeds give equal worlds, other seeds others", () => {
  const hashes = [7, 7, 8].map((seed) => {
    const game = testWorld(world, { seed });
    game.join("ann");
    game.run(10);
    return game.hash();
  });
  assert.equal(hashes[0], hashes[1]);
  assert.notEqual(hashes[0], hashes[2]);
});
