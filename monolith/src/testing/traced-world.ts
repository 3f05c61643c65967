import { defineWorld, implementWorld, int } from "@atlasnet/world";

/** A world whose players ask which tick it is: the answer names the tick that took the question. */
export const definition = defineWorld({
  name: "traced",
  tickRate: 20,
  components: {},
  clientMessages: { ask: { n: int(0, 1000) }, fail: {} },
  serverMessages: { tick: { n: int(0, 1000), tick: int(0, 1_000_000_000) } },
});

export const world = implementWorld(definition, {
  message: {
    ask: (ctx, player, { n }) => player.send("tick", { n, tick: ctx.tick }),
    fail: () => {
      throw new Error("planted");
    },
  },
});
