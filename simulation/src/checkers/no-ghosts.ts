import type { Violations } from "@atlasnet/apiserver/sim";
import { worldOfShard } from "@atlasnet/core";
import type { MadeTick, TickChecker } from "./ticks.ts";

/** What anybody sees of a world: entities by id, each with the one value that it has. */
export type View = ReadonlyMap<number, number>;

/**
 * Rule 3.4: no ghosts. Everybody in a world sees one thing, its only topic; so whatever a client's mirror shows, now or
 * after any cut, late subscription or new owner, the world was exactly that after one of its ticks.
 */
export class NoGhosts implements TickChecker {
  readonly rule = "3.4 a mirror is the world at a tick";
  looked = 0;
  private readonly violations: Violations;
  /** By world. */
  private readonly views = new Map<string, Set<string>>();

  constructor({ violations }: { readonly violations: Violations }) {
    this.violations = violations;
  }

  ticked({ shard: { options, store } }: MadeTick): void {
    const view = new Map<number, number>();
    for (const entity of store.entities.all()) view.set(entity.id, shownOf(entity));
    const world = worldOfShard(options.shard) ?? options.shard;
    const views = this.views.get(world) ?? new Set();
    this.views.set(world, views.add(textOf(view)));
  }

  /** A client that has nothing yet shows nothing. */
  look(client: string, world: string, view: View): void {
    if (view.size === 0) return;
    this.looked += 1;
    const text = textOf(view);
    if (this.views.get(world)?.has(text) !== true)
      this.violations.add(this.rule, `${client} sees what world ${world} never was: ${text}`);
  }
}

/** Of an entity of the simulation's worlds, at a client or in a store. */
export function shownOf(entity: object): number {
  const pulse: unknown = "pulse" in entity ? entity.pulse : undefined;
  if (typeof pulse !== "object" || pulse === null || !("tick" in pulse)) return Number.NaN;
  return Number(pulse.tick);
}

function textOf(view: View): string {
  return [...view]
    .sort(([a], [b]) => a - b)
    .map(([id, value]) => `${id}:${value}`)
    .join(" ");
}
