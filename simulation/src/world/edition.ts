import type { world as checker, definition } from "@atlasnet/history/world";
import type { Plain, WorldContext } from "@atlasnet/world";

type Behaviour = typeof checker.behaviour;
type Context = WorldContext<NonNullable<typeof definition.spec>>;

/** The entry of a world's own keys that says which version made its last tick. */
export const EDITION_KEY = "edition";

/**
 * A version of the world that can be told from others: by what it writes into the state in its first tick, and, outside
 * of it, by what it then asks the cluster to keep.
 */
export function asEdition(edition: string, behaviour: Behaviour): Behaviour {
  return {
    ...behaviour,
    tick(ctx) {
      takeOver(ctx, edition);
      behaviour.tick?.(ctx);
    },
  };
}

function takeOver(ctx: Context, edition: string): void {
  if (ctx.kv.get(EDITION_KEY) === edition) return;
  ctx.kv.set(EDITION_KEY, edition);
  ctx.request("kv.cluster", ranRequest(nameOf(ctx.config), edition));
}

/** Asks the cluster to remember that a version of a world ran. */
export function ranRequest(world: string, edition: string): Plain {
  return { op: "put", key: `${world}/${edition}`, value: "ran" };
}

/** Where the cluster then keeps it. */
export function ranKey(world: string, edition: string): string {
  return `kv/cluster/${world}/${edition}`;
}

function nameOf(config: Plain): string {
  const { world } = { world: "", ...(typeof config === "object" && config) };
  return String(world);
}
