import { implementWorld, JoinRefused, type WorldContext } from "@atlasnet/world";
import { definition, SIZE } from "./definition.ts";

type Spec = NonNullable<(typeof definition)["spec"]>;
type Context = WorldContext<Spec>;

const STARS = 12;
const RUN_SPEED = 22;
const STAR_SPEED = 9;
/** How near a runner must be to catch a star. */
const REACH = 3;
/** Stars see a runner coming from so far, and flee. */
const FEAR = 12;

/** The rules. All that the world remembers is in its entities, so it can be saved at any tick. */
export const world = implementWorld(definition, {
  create(ctx) {
    for (let i = 0; i < STARS; i++) addStar(ctx);
  },

  join(ctx, player, { name }) {
    const shown = name.trim() || `guest ${player.id}`;
    if ([...ctx.players].some((other) => other !== player && nameOf(other) === shown))
      throw new JoinRefused(`${shown} is playing already; take another name`);
    player.entity = ctx.spawn({
      position: anywhere(ctx),
      runner: { name: shown, hue: ctx.random.int(0, 359) },
      heading: {},
    });
  },

  input: {
    steer(_ctx, player, { x, y }) {
      player.entity?.add("heading", { x, y });
    },
  },

  message: {
    cheer(ctx, player, { text }) {
      ctx.broadcast("cheer", { name: nameOf(player), text });
    },
  },

  tick(ctx) {
    for (const { position, heading } of ctx.query("position", "runner", "heading"))
      move(position, heading, RUN_SPEED * ctx.dt);
    for (const star of ctx.query("position", "star")) {
      for (const near of ctx.near(star.position, FEAR)) {
        const { runner, position } = near;
        if (runner === undefined || position === undefined) continue;
        const away = { x: star.position.x - position.x, y: star.position.y - position.y };
        if (Math.hypot(away.x, away.y) > REACH) {
          move(star.position, away, STAR_SPEED * ctx.dt);
          continue;
        }
        runner.score = Math.min(9999, runner.score + 1);
        ctx.broadcast("caught", { name: runner.name, score: runner.score });
        star.despawn();
        addStar(ctx);
        break;
      }
    }
  },
});

function nameOf(player: { entity: { runner?: { name: string } } | undefined }): string {
  return player.entity?.runner?.name ?? "";
}

function addStar(ctx: Context): void {
  ctx.spawn({ position: anywhere(ctx), star: { hue: ctx.random.int(0, 359) } });
}

function anywhere(ctx: Context): { x: number; y: number } {
  return { x: ctx.random.float() * SIZE, y: ctx.random.float() * SIZE };
}

/** Moves a point by `distance` in a direction; the field's edge holds it back. */
function move(
  point: { x: number; y: number },
  direction: { x: number; y: number },
  distance: number,
): void {
  const length = Math.hypot(direction.x, direction.y);
  if (length === 0) return;
  point.x = Math.min(SIZE, Math.max(0, point.x + (direction.x / length) * distance));
  point.y = Math.min(SIZE, Math.max(0, point.y + (direction.y / length) * distance));
}
