import type { ClientWorld, ViewEntity } from "@atlasnet/client";
import type { Arena } from "../definition.ts";

type Thing = ViewEntity<Arena>;

const FLASH_MS = 220;
const BURST_MS = 500;

/** A ring that grows and fades. */
export interface Burst {
  readonly x: number;
  readonly y: number;
  readonly big: boolean;
  /** From 0 to 1. */
  readonly age: number;
}

/** What happened a moment ago and is still to be seen: hits, and bullets that ended. */
export class Effects {
  private readonly health = new Map<number, number>();
  private readonly flashes = new Map<number, number>();
  private bursts: { x: number; y: number; big: boolean; at: number }[] = [];

  constructor(world: ClientWorld<Arena>) {
    const see = (thing: Thing) => {
      if (thing.fighter !== undefined) this.health.set(thing.id, thing.fighter.health);
    };
    world.onAdd(see);
    world.onChange((thing) => {
      const { id, fighter } = thing;
      const before = this.health.get(id);
      if (fighter === undefined || before === undefined) return;
      if (fighter.health < before) {
        this.flashes.set(id, performance.now());
        if (fighter.health === 0) this.burst(world, thing, true);
      }
      see(thing);
    });
    world.onRemove((thing) => {
      this.health.delete(thing.id);
      this.flashes.delete(thing.id);
      if (thing.bullet !== undefined) this.burst(world, thing, false);
    });
    for (const thing of world.entities.values()) see(thing);
  }

  /** How bright the flash of a hit on it is: 1 at the hit, then less, 0 when it is over. */
  flash(id: number, now: number): number {
    const at = this.flashes.get(id);
    return at === undefined ? 0 : Math.max(0, 1 - (now - at) / FLASH_MS);
  }

  *current(now: number): Iterable<Burst> {
    this.bursts = this.bursts.filter(({ at }) => now - at < BURST_MS);
    for (const { x, y, big, at } of this.bursts)
      yield { x, y, big, age: Math.max(0, now - at) / BURST_MS };
  }

  private burst(world: ClientWorld<Arena>, thing: Thing, big: boolean): void {
    const point = world.position(thing, "newest");
    if (point !== undefined) this.bursts.push({ ...point, big, at: performance.now() });
  }
}
