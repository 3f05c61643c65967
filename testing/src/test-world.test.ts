import assert from "node:assert/strict";
import { test } from "node:test";
import { defineWorld, implementWorld, int, JoinRefused, text, uint } from "@atlasnet/world";
import { testWorld } from "./test-world.ts";

const definition = defineWorld({
  name: "pond",
  components: { frog: { hops: uint(1000) } },
  inputs: { hop: { by: int(1, 5) } },
  clientMessages: { croak: { text: text(20) } },
  serverMessages: { heard: { text: text(40) } },
  join: { size: uint(9) },
});

const pond = implementWorld(definition, {
  join(ctx, player, { size }) {
    if (size > 8) throw new JoinRefused("too big");
    player.entity = ctx.spawn({ frog: { hops: size } });
  },
  input: {
    hop(_, player, { by }) {
      const frog = player.entity?.frog;
      if (frog !== undefined) frog.hops += by;
    },
  },
  message: {
    croak(ctx, player, { text }) {
      if (text === "") throw new Error("nothing to say");
      ctx.broadcast("heard", { text: `${player.account}: ${text} ${ctx.random.int(1, 6)}` });
    },
  },
  tick(ctx) {
    ctx.kv.set("ticks", ctx.tick);
  },
});

test("players join, send, hear and leave", () => {
  const world = testWorld(pond, { seed: 3 });
  const ann = world.join("ann", { params: { size: 2 } });
  const bob = world.join("bob");
  ann.input("hop", { by: 3 });
  ann.send("croak", { text: "hi" });
  world.run();
  assert.equal(ann.player.entity?.frog?.hops, 5);
  assert.match(bob.received("heard")[0]?.text ?? "", /^ann: hi [1-6]$/);
  assert.deepEqual(bob.received("heard"), []);
  bob.leave();
  world.run();
  assert.equal(bob.closed?.code, "left");
  assert.throws(() => bob.player, /has left/);
  assert.equal(world.ctx.playerCount, 1);
  ann.drop();
  world.run(3);
  assert.equal(ann.player.connected, false);
  world.checkDeterminism();
});

test("a refused join and a broken handler are told", () => {
  const world = testWorld(pond);
  assert.throws(() => world.join("ann", { params: { size: 9 } }), /join-refused \(too big\)/);
  const bob = world.join("bob");
  bob.send("croak", { text: "" });
  assert.throws(() => world.run(), /message\.croak threw at tick 3: nothing to say/);
});

test("the same seed gives the same hashes, another one others", () => {
  const play = (seed: number) => {
    const world = testWorld(pond, { seed });
    world.join("ann").send("croak", { text: "hi" });
    world.run(5);
    return world.hash();
  };
  assert.equal(play(1), play(1));
  assert.notEqual(play(1), play(2));
});

test("chance and variables outside of the state are found", () => {
  const chance = implementWorld(definition, {
    tick: (ctx) => ctx.kv.set("chance", Math.random()),
  });
  let count = 0;
  const variable = implementWorld(definition, {
    tick: (ctx) => {
      count += 1;
      ctx.kv.set("count", count);
    },
  });
  for (const planted of [chance, variable]) {
    const world = testWorld(planted);
    world.run(3);
    assert.throws(() => world.checkDeterminism(), /not deterministic: at tick 1/);
  }
});
