import { implementWorld } from "@atlasnet/world";
import { CELL, definition, EXTENT, VIEW } from "./arena-world.ts";

/** Who moves; all of them are in everybody's view. */
const ACTORS = 300;
const STRIDE = 2;
const REACH = CELL * (VIEW + 0.5) - STRIDE;

/** Actors walk about before an audience that stands still: every tick is the same for all who watch. */
export const world = implementWorld(definition, {
  create(ctx) {
    for (let n = 0; n < ACTORS; n++) {
      const x = EXTENT / 2 + ctx.random.int(-REACH, REACH);
      const y = EXTENT / 2 + ctx.random.int(-REACH, REACH);
      const actor = ctx.spawn({ position: { x, y } });
      ctx.kv.set(`actor ${n}`, actor.id);
    }
  },
  join(ctx, player) {
    player.entity = ctx.spawn({ position: { x: EXTENT / 2, y: EXTENT / 2 } });
  },
  leave(_ctx, player) {
    player.entity?.despawn();
  },
  tick(ctx) {
    for (let n = 0; n < ACTORS; n++) {
      const position = ctx.entity(Number(ctx.kv.get(`actor ${n}`)))?.position;
      if (position === undefined) continue;
      position.x = walked(position.x, ctx.random.int(-STRIDE, STRIDE));
      position.y = walked(position.y, ctx.random.int(-STRIDE, STRIDE));
    }
  },
});

function walked(from: number, by: number): number {
  const middle = EXTENT / 2;
  return Math.min(middle + REACH, Math.max(middle - REACH, from + by));
}
