import { defineWorld, implementWorld, uint } from "@atlasnet/world";

const whole = uint(2 ** 32 - 1);
/** Ticks between two strokes: the timer is on its way whenever the world moves. */
export const STROKE_TICKS = 7;

/** A clock in a tower: a timer and a key, each of which would be heard to stumble. */
export const definition = defineWorld({
  name: "tower-clock",
  tickRate: 20,
  components: { hand: { n: whole } },
  /** The n-th stroke, and its tick. */
  serverMessages: { stroke: { n: whole, tick: whole } },
});

export const world = implementWorld(definition, {
  create(ctx) {
    ctx.kv.set("strokes", 0);
    ctx.after(STROKE_TICKS, "strike");
  },

  // A world that does something in every tick never rests: a timer that wakes one up on a busy machine may be late.
  tick(ctx) {
    ctx.kv.set("tick", ctx.tick);
  },

  timer: {
    strike(ctx) {
      const before = ctx.kv.get("strokes");
      const n = typeof before === "number" ? before + 1 : 0;
      ctx.kv.set("strokes", n);
      ctx.broadcast("stroke", { n, tick: ctx.tick });
      ctx.after(STROKE_TICKS, "strike");
    },
  },
});
