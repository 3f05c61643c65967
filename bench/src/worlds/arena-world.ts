import { defineWorld, grid2d, implementWorld, quantized } from "@atlasnet/world";

/** Edge of the world, of a cell, and of a step on the wire, in world units. */
export const EXTENT = 1000;
export const CELL = 50;
export const STEP = 1 / 8;
/** Cells seen around the own one: 3 × 3. */
export const VIEW = 1;
/** How far a viewer leaves its cell before its view moves. */
export const MARGIN = CELL / 10;
export const TICK_RATE = 20;

const place = {
  x: quantized({ min: 0, max: EXTENT, step: STEP }),
  y: quantized({ min: 0, max: EXTENT, step: STEP }),
};

export const definition = defineWorld({
  name: "bench-arena",
  tickRate: TICK_RATE,
  space: grid2d({
    component: "position",
    size: [EXTENT, EXTENT],
    cell: CELL,
    view: VIEW,
    margin: MARGIN,
  }),
  components: { position: place },
  inputs: { move: place },
  join: place,
});

/** Everybody stands where they say they are: what is measured is the server, not a game. */
export const world = implementWorld(definition, {
  join(ctx, player, { x, y }) {
    player.entity = ctx.spawn({ position: { x, y } });
  },
  leave(_ctx, player) {
    player.entity?.despawn();
  },
  input: {
    move(_ctx, player, { x, y }) {
      const position = player.entity?.position;
      if (position === undefined) return;
      position.x = x;
      position.y = y;
    },
  },
});
