import { type Entity, implementWorld, type WorldContext } from "@atlasnet/world";
import { ARENA, definition } from "./definition.ts";

type Spec = NonNullable<typeof definition.spec>;
type Context = WorldContext<Spec>;
type Fighter = Entity<Spec, "position" | "fighter">;

const SPEED = 120;
const BULLET_SPEED = 400;
const BULLET_TICKS = 30;
const HIT_RADIUS = 14;
const DAMAGE = 20;
const COOLDOWN_TICKS = 5;
const RESPAWN_TICKS = 40;
const DEFAULT_BOTS = 8;

function spawnPoint(ctx: Context) {
  return { x: 50 + ctx.random.float() * (ARENA - 100), y: 50 + ctx.random.float() * (ARENA - 100) };
}

function spawnFighter(ctx: Context, name: string) {
  return ctx.spawn({ position: spawnPoint(ctx), fighter: { name }, weapon: {}, motion: {} });
}

function shoot(ctx: Context, fighter: Fighter, angle: number): void {
  const { weapon, position } = fighter;
  if (weapon === undefined || weapon.cooldown > 0 || fighter.fighter.health === 0) return;
  weapon.cooldown = COOLDOWN_TICKS;
  const bullet = ctx.spawn({
    position,
    bullet: { shooter: fighter.id },
    motion: { dx: Math.cos(angle) * BULLET_SPEED, dy: Math.sin(angle) * BULLET_SPEED },
  });
  ctx.after(BULLET_TICKS, "expire", bullet.id);
}

function hit(ctx: Context, victim: Fighter, shooterId: number): void {
  victim.fighter.health = Math.max(0, victim.fighter.health - DAMAGE);
  if (victim.fighter.health > 0) return;
  ctx.after(RESPAWN_TICKS, "respawn", victim.id);
  const shooter = ctx.entity(shooterId)?.fighter;
  if (shooter === undefined) return;
  shooter.score = Math.min(9_999, shooter.score + 1);
  const leader = ctx.entity(Number(ctx.kv.get("leader")))?.leader;
  if (leader === undefined || shooter.score <= leader.score) return;
  leader.name = shooter.name;
  leader.score = shooter.score;
  ctx.broadcast("chat", { from: "arena", text: `${shooter.name} leads with ${shooter.score}` });
}

function think(ctx: Context, bot: Fighter): void {
  if (bot.motion === undefined || bot.fighter.health === 0 || ctx.random.float() > 0.05) return;
  bot.motion.dx = ctx.random.int(-1, 1) * SPEED;
  bot.motion.dy = ctx.random.int(-1, 1) * SPEED;
  for (const other of ctx.near(bot.position, 250)) {
    if (other.id === bot.id || !other.fighter?.health || other.position === undefined) continue;
    const { x, y } = other.position;
    shoot(ctx, bot, Math.atan2(y - bot.position.y, x - bot.position.x));
    return;
  }
}

export const world = implementWorld(definition, {
  create(ctx) {
    const leader = ctx.spawn({ leader: { name: "nobody" } });
    leader.channel = "scores";
    ctx.kv.set("leader", leader.id);
    const config = ctx.config;
    const bots =
      typeof config === "object" && config !== null && "bots" in config
        ? Number(config["bots"])
        : DEFAULT_BOTS;
    for (let i = 1; i <= bots; i++) spawnFighter(ctx, `bot ${i}`);
  },

  join(ctx, player, params) {
    player.entity = spawnFighter(ctx, params.name || player.name || "guest");
    player.subscribe("scores");
  },

  drop(_ctx, player) {
    const motion = player.entity?.motion;
    if (motion !== undefined) motion.dx = motion.dy = 0;
  },

  input: {
    move(_ctx, player, { dx, dy }) {
      const { motion, fighter } = player.entity ?? {};
      if (motion === undefined || fighter?.health === 0) return;
      const scale = (dx !== 0 && dy !== 0 ? Math.SQRT1_2 : 1) * SPEED;
      motion.dx = dx * scale;
      motion.dy = dy * scale;
    },
  },

  message: {
    shoot(ctx, player, { angle }) {
      if (player.entity !== undefined) shoot(ctx, player.entity as Fighter, angle);
    },
    chat(ctx, player, { text }) {
      const from = player.entity?.fighter?.name ?? player.name;
      ctx.broadcast("chat", { from, text });
    },
  },

  timer: {
    expire: (ctx, id) => ctx.entity(Number(id))?.despawn(),
    respawn(ctx, id) {
      const victim = ctx.entity(Number(id));
      if (victim?.fighter === undefined || victim.position === undefined) return;
      victim.fighter.health = 100;
      Object.assign(victim.position, spawnPoint(ctx));
    },
  },

  tick(ctx) {
    for (const fighter of ctx.query("position", "fighter", "motion", "weapon")) {
      if (fighter.weapon.cooldown > 0) fighter.weapon.cooldown -= 1;
      if (fighter.owner === undefined) think(ctx, fighter);
      if (fighter.fighter.health === 0) fighter.motion.dx = fighter.motion.dy = 0;
    }
    for (const { position, motion } of ctx.query("position", "motion")) {
      position.x += motion.dx * ctx.dt;
      position.y += motion.dy * ctx.dt;
    }
    for (const bullet of ctx.query("position", "bullet")) {
      for (const target of ctx.near(bullet.position, HIT_RADIUS)) {
        if (target.id === bullet.bullet.shooter || !target.fighter?.health) continue;
        hit(ctx, target as Fighter, bullet.bullet.shooter);
        bullet.despawn();
        break;
      }
    }
  },
});
