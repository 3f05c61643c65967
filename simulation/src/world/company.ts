import type { world as checker, definition } from "@atlasnet/history/world";
import type { Plain, WorldContext } from "@atlasnet/world";

type Behaviour = typeof checker.behaviour;
type Context = WorldContext<NonNullable<typeof definition.spec>>;

const MOST = 5;
/** A tick in which somebody comes or goes, of so many. */
const SELDOM = 3;

/** Not in any store: what world code must not have. Used where a run is to see what comes of it. */
let ticksOfThisProcess = 0;

/**
 * The checker's world with entities that come and go by chance, so that a mirror that misses one shows it.
 * `config.forgetful`: what they are depends on something that is not in the store.
 */
export function withCompany(behaviour: Behaviour): Behaviour {
  return {
    ...behaviour,
    tick(ctx) {
      behaviour.tick?.(ctx);
      if (ctx.random.int(1, SELDOM) > 1) return;
      const known = ctx.kv.get("company");
      const company = Array.isArray(known) ? known.filter((id) => typeof id === "number") : [];
      ctx.kv.set("company", company.length < MOST ? come(ctx, company) : go(ctx, company));
    },
  };
}

function come(ctx: Context, company: readonly number[]): Plain {
  ticksOfThisProcess += 1;
  const isForgetful = JSON.stringify(ctx.config).includes("forgetful");
  const tick = isForgetful ? ticksOfThisProcess : ctx.random.int(0, 1_000_000);
  const entity = ctx.spawn({ pulse: { tick } });
  entity.channel = "pulse";
  return [...company, entity.id];
}

/** All but one leave at once, and what is left changes. */
function go(ctx: Context, [first = 0, ...others]: readonly number[]): Plain {
  for (const id of others) ctx.entity(id)?.despawn();
  const pulse = ctx.entity(first)?.pulse;
  if (pulse !== undefined) pulse.tick = ctx.random.int(0, 1_000_000);
  return [first];
}
