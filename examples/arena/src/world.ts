import { type Entity, implementWorld, type WorldContext } from "@atlasnet/world";
import {
  ARENA,
  type Arena,
  COOLDOWN_TICKS,
  definition,
  FULL_HEALTH,
  MAX_NAME,
  RUN_SPEED,
} from "./definition.ts";

type Context = WorldContext<Arena>;
type Thing = Entity<Arena>;

/** In one tick a bullet goes no farther than its hit radius, so it passes through nobody. */
const BULLET_SPEED = 280;
const BULLET_TICKS = 40;
const HIT_RADIUS = 14;
const DAMAGE = 20;
const RESPAWN_TICKS = 40;
/** How far bots see, and how often they think of something new: the chance per tick. */
const BOT_SIGHT = 250;
const BOT_WIT = 0.05;

/** The rules. All that the world remembers is in its entities and keys, so it can be saved at any tick. */
export const world = implementWorld(definition, {
  create(ctx) {
    const leader = ctx.spawn({ leader: { name: "nobody" } });
    leader.channel = "scores";
    ctx.kv.set("leader", leader.id);
    for (let i = 1; i <= setting(ctx, "bots", 8); i++) spawnFighter(ctx, `bot ${i}`);
  },

  join(ctx, player, { name }) {
    const shown = name.trim() || player.name.trim() || "guest";
    player.entity = spawnFighter(ctx, shown.slice(0, MAX_NAME));
    player.subscribe("scores");
  },

  drop(_ctx, player) {
    steer(player.entity, 0, 0);
  },

  input: {
    move(_ctx, player, { dx, dy }) {
      steer(player.entity, dx, dy);
    },
  },

  message: {
    shoot(ctx, player, { angle }) {
      shoot(ctx, player.entity, angle);
    },
    chat(ctx, player, { text }) {
      const from = player.entity?.fighter?.name ?? "";
      if (text.trim() !== "") ctx.broadcast("chat", { from, text });
    },
  },

  timer: {
    expire: (ctx, bullet) => ctx.entity(Number(bullet))?.despawn(),
    respawn(ctx, id) {
      const victim = ctx.entity(Number(id));
      if (victim?.fighter === undefined) return;
      victim.fighter.health = FULL_HEALTH;
      victim.add("position", spawnPoint(ctx));
    },
  },

  tick(ctx) {
    for (const fighter of ctx.query("fighter", "weapon")) {
      if (fighter.weapon.cooldown > 0) fighter.weapon.cooldown -= 1;
      if (fighter.owner === undefined && ctx.random.float() < BOT_WIT) think(ctx, fighter);
    }
    for (const { position, motion } of ctx.query("position", "motion")) {
      position.x += motion.dx * ctx.dt;
      position.y += motion.dy * ctx.dt;
    }
    for (const bullet of ctx.query("position", "bullet")) fly(ctx, bullet, bullet.bullet.shooter);
  },
});

function spawnFighter(ctx: Context, name: string): Thing {
  return ctx.spawn({ position: spawnPoint(ctx), fighter: { name }, weapon: {}, motion: {} });
}

/** Anywhere in the square of side `spread` in the arena's middle. */
function spawnPoint(ctx: Context): { x: number; y: number } {
  const spread = setting(ctx, "spread", 0.9 * ARENA);
  const coordinate = () => ARENA / 2 + (ctx.random.float() - 0.5) * spread;
  return { x: coordinate(), y: coordinate() };
}

/** A number of the world's configuration: `config = { bots = 20 }` under `[worlds.arena]`. */
function setting(ctx: Context, name: string, otherwise: number): number {
  const found: unknown = Object(ctx.config)[name];
  return typeof found === "number" ? found : otherwise;
}

function steer(thing: Thing | undefined, dx: number, dy: number): void {
  if (thing?.motion === undefined || thing.fighter?.health === 0) return;
  const speed = dx !== 0 && dy !== 0 ? RUN_SPEED * Math.SQRT1_2 : RUN_SPEED;
  thing.motion.dx = dx * speed;
  thing.motion.dy = dy * speed;
}

function shoot(ctx: Context, thing: Thing | undefined, angle: number): void {
  const { position, fighter, weapon } = thing ?? {};
  if (!thing || !position || !fighter?.health || !weapon || weapon.cooldown > 0) return;
  weapon.cooldown = COOLDOWN_TICKS;
  const motion = { dx: Math.cos(angle) * BULLET_SPEED, dy: Math.sin(angle) * BULLET_SPEED };
  const bullet = ctx.spawn({ position, motion, bullet: { shooter: thing.id } });
  ctx.after(BULLET_TICKS, "expire", bullet.id);
}

function fly(ctx: Context, bullet: Entity<Arena, "position">, shooter: number): void {
  const { x, y } = bullet.position;
  const target = [...ctx.near(bullet.position, HIT_RADIUS)].find(
    (near) => near.id !== shooter && near.fighter !== undefined && near.fighter.health > 0,
  );
  if (target !== undefined) hit(ctx, target, shooter);
  if (target !== undefined || x <= 0 || y <= 0 || x >= ARENA || y >= ARENA) bullet.despawn();
}

function hit(ctx: Context, victim: Thing, shooterId: number): void {
  if (victim.fighter === undefined) return;
  victim.fighter.health = Math.max(0, victim.fighter.health - DAMAGE);
  if (victim.fighter.health > 0) return;
  victim.add("motion", { dx: 0, dy: 0 });
  ctx.after(RESPAWN_TICKS, "respawn", victim.id);
  const shooter = ctx.entity(shooterId)?.fighter;
  const leader = ctx.entity(Number(ctx.kv.get("leader")))?.leader;
  if (shooter === undefined || leader === undefined) return;
  shooter.score = Math.min(9_999, shooter.score + 1);
  if (shooter.score <= leader.score) return;
  Object.assign(leader, { name: shooter.name, score: shooter.score });
  ctx.broadcast("chat", { from: "arena", text: `${shooter.name} leads with ${shooter.score}` });
}

function think(ctx: Context, bot: Thing): void {
  steer(bot, ctx.random.int(-1, 1), ctx.random.int(-1, 1));
  const { x, y } = bot.position ?? { x: 0, y: 0 };
  for (const { id, fighter, position } of ctx.near({ x, y }, BOT_SIGHT)) {
    if (id === bot.id || !fighter?.health || !position) continue;
    shoot(ctx, bot, Math.atan2(position.y - y, position.x - x));
    return;
  }
}
