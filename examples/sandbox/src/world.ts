import { implementWorld, type WorldContext } from "@atlasnet/world";
import { definition, HEIGHT, MAX_BALLS, type Sandbox, WIDTH } from "./definition.ts";

type Context = WorldContext<Sandbox>;

const DEFAULT_COUNT = 200;
const SPEED = 150;

/** Balls that bounce: as many as are asked for, to see what a server can carry. */
export const world = implementWorld(definition, {
  create(ctx) {
    addBalls(ctx, countOf(ctx));
  },

  join(ctx, player) {
    // Not a ball: the place that the player looks out from.
    player.entity = ctx.spawn({ position: { x: WIDTH / 2, y: HEIGHT / 2 } });
  },

  message: {
    add: (ctx, _player, { count }) => addBalls(ctx, count),
    remove(ctx, _player, { count }) {
      for (const ball of [...ctx.query("ball")].slice(0, count)) ball.despawn();
    },
  },

  tick(ctx) {
    for (const { position, motion } of ctx.query("position", "motion")) {
      // A position never leaves its range, so the wall is where a ball comes to lie.
      position.x += motion.dx * ctx.dt;
      position.y += motion.dy * ctx.dt;
      if (position.x <= 0 || position.x >= WIDTH) motion.dx = -motion.dx;
      if (position.y <= 0 || position.y >= HEIGHT) motion.dy = -motion.dy;
    }
  },
});

function addBalls(ctx: Context, count: number): void {
  const room = MAX_BALLS - [...ctx.query("ball")].length;
  for (let i = 0; i < Math.min(count, room); i++) {
    const angle = ctx.random.float() * 2 * Math.PI;
    ctx.spawn({
      position: { x: ctx.random.float() * WIDTH, y: ctx.random.float() * HEIGHT },
      ball: { hue: ctx.random.int(0, 359), radius: ctx.random.int(4, 10) },
      motion: { dx: Math.cos(angle) * SPEED, dy: Math.sin(angle) * SPEED },
    });
  }
}

/** How many balls the configuration asks for: `config = { count = 500 }` under `[worlds.sandbox]`. */
function countOf(ctx: Context): number {
  const found: unknown = Object(ctx.config).count;
  return typeof found === "number" ? found : DEFAULT_COUNT;
}
