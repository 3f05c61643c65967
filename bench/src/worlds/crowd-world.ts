import {
  type Definition,
  defineWorld,
  grid2d,
  implementWorld,
  quantized,
  uint,
  type World,
} from "@atlasnet/world";

/** Edge of the world and of a cell, in world units: 2,000 players see about five others each. */
export const EXTENT = 3000;
export const CELL = 50;
/** Cells seen around the own one: 3 × 3. */
export const VIEW = 1;
export const MARGIN = CELL / 10;
const STEP = 1 / 8;
/** World units of one step. */
const STRIDE = 3;
const FULL_STAMINA = 1000;

const place = {
  x: quantized({ min: 0, max: EXTENT, step: STEP }),
  y: quantized({ min: 0, max: EXTENT, step: STEP }),
};

const spec = {
  name: "bench-crowd",
  space: grid2d({
    component: "position",
    size: [EXTENT, EXTENT],
    cell: CELL,
    view: VIEW,
    margin: MARGIN,
  }),
  components: { position: place },
  ownerComponents: { body: { stamina: uint(FULL_STAMINA, { default: FULL_STAMINA }) } },
  clientMessages: { walk: { angle: quantized({ min: -4, max: 4, step: 0.001 }) } },
  join: place,
} as const;

type Crowd = typeof spec;

/** Players who walk as their messages say: a step each, which tires them, and not through the walls. */
export function crowdWorld(tickRate: number): World {
  const definition: Definition<Crowd> = defineWorld({ ...spec, tickRate });
  return implementWorld(definition, {
    join(ctx, player, { x, y }) {
      player.entity = ctx.spawn({ position: { x, y }, body: {} });
    },
    leave(_ctx, player) {
      player.entity?.despawn();
    },
    message: {
      walk(_ctx, player, { angle }) {
        const { position, body } = player.entity ?? {};
        if (position === undefined || body === undefined) return;
        // The tired take small steps until they have recovered.
        body.stamina = body.stamina === 0 ? FULL_STAMINA : body.stamina - 1;
        const stride = STRIDE * (0.5 + body.stamina / FULL_STAMINA / 2);
        position.x = bounced(position.x + Math.cos(angle) * stride);
        position.y = bounced(position.y + Math.sin(angle) * stride);
      },
    },
  });
}

function bounced(value: number): number {
  if (value < 0) return -value;
  return value > EXTENT ? 2 * EXTENT - value : value;
}
