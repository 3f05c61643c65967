import type { MirrorChanges, MirrorEntity, WorldMirror } from "@atlasnet/world";
import { Histogram, round } from "../lib/statistics.ts";
import { CELL, MARGIN, STEP, VIEW } from "../worlds/arena-world.ts";
import type { ArenaClient } from "./arena-client.ts";
import { MOVE_RATE, SPEED } from "./walker.ts";

/** Half a step, and what floating point adds. */
const MAX_ERROR = STEP / 2 + 1e-9;
/** Moves that may be under way when a state message arrives. */
const IN_FLIGHT = (4 * SPEED) / MOVE_RATE;
/** Whoever is nearer on both axes has to be in view; whoever is further on one must not be. */
const SURELY_IN = VIEW * CELL - MARGIN - IN_FLIGHT;
const SURELY_OUT = (VIEW + 1) * CELL + MARGIN + IN_FLIGHT;
/** Messages between two looks at who is in view. */
const LOOK_EVERY = 20;

export interface CheckResult {
  clients: number;
  updates: number;
  /** Updates that show a position its owner did not have lately, to 1/16. */
  wrongPositions: number;
  /** Looks at a whole view, and entities missing in one or too far away for it. */
  looks: number;
  missing: number;
  strays: number;
  gaps: number;
  /** Updates per second of an entity in view. */
  updateRate: number;
  entitiesInView: number;
  /** From a move's sending to its arrival at others. */
  delayP50Ms: number;
  delayP99Ms: number;
}

/** Compares what some clients see with what the owners of the entities know. */
export class Checker {
  private readonly owners: ReadonlyMap<number, ArenaClient>;
  private readonly delays = new Histogram();
  private readonly lastAt = new Map<ArenaClient, number>();
  private messages = 0;
  private entitySeconds = 0;
  private seconds = 0;
  private updates = 0;
  private wrongPositions = 0;
  private looks = 0;
  private missing = 0;
  private strays = 0;
  private gaps = 0;

  constructor(owners: ReadonlyMap<number, ArenaClient>) {
    this.owners = owners;
  }

  reset(): void {
    this.delays.reset();
    this.lastAt.clear();
    this.entitySeconds = 0;
    this.seconds = 0;
    this.updates = 0;
    this.wrongPositions = 0;
    this.looks = 0;
    this.missing = 0;
    this.strays = 0;
    this.gaps = 0;
  }

  state(client: ArenaClient, mirror: WorldMirror, changes: MirrorChanges, now: number): void {
    const last = this.lastAt.get(client);
    this.lastAt.set(client, now);
    if (last !== undefined) {
      this.seconds += (now - last) / 1000;
      // Those in view at both ends of the interval: what came into view has had no update yet.
      const stayed = mirror.entities.size - changes.added.length;
      this.entitySeconds += (stayed * (now - last)) / 1000;
      this.updates += changes.changed.length;
    }
    if (changes.gap) this.gaps += 1;
    for (const entity of changes.changed) this.position(entity, now);
    for (const entity of changes.added) this.position(entity, undefined);
    this.messages += 1;
    if (this.messages % LOOK_EVERY === 0) this.look(client, mirror);
  }

  /** An update shows one of the last positions of its owner; `now` to note how old it is. */
  private position(entity: MirrorEntity, now: number | undefined): void {
    const owner = this.owners.get(entity.id);
    const at = placeOf(entity);
    if (owner === undefined || at === undefined) {
      this.wrongPositions += 1;
      return;
    }
    const { sentX, sentY, sentAt } = owner;
    for (let i = 0; i < sentX.length; i++) {
      const off = Math.max(Math.abs((sentX[i] ?? 0) - at.x), Math.abs((sentY[i] ?? 0) - at.y));
      if (off > MAX_ERROR) continue;
      if (now !== undefined) this.delays.add(now - (sentAt[i] ?? now));
      return;
    }
    this.wrongPositions += 1;
  }

  private look(client: ArenaClient, mirror: WorldMirror): void {
    const own = mirror.entities.get(client.entity);
    const at = own === undefined ? undefined : placeOf(own);
    this.looks += 1;
    if (at === undefined) {
      this.missing += 1;
      return;
    }
    for (const [id, { walker }] of this.owners) {
      const far = Math.max(Math.abs(walker.x - at.x), Math.abs(walker.y - at.y));
      const seen = mirror.entities.has(id);
      if (far < SURELY_IN && !seen) this.missing += 1;
      if (far > SURELY_OUT && seen) this.strays += 1;
    }
  }

  result(): CheckResult {
    return {
      clients: this.lastAt.size,
      updates: this.updates,
      wrongPositions: this.wrongPositions,
      looks: this.looks,
      missing: this.missing,
      strays: this.strays,
      gaps: this.gaps,
      updateRate: round(this.updates / this.entitySeconds),
      entitiesInView: round(this.entitySeconds / this.seconds),
      delayP50Ms: this.delays.percentile(0.5),
      delayP99Ms: this.delays.percentile(0.99),
    };
  }
}

function placeOf(entity: MirrorEntity): { x: number; y: number } | undefined {
  const position = entity["position"];
  if (typeof position !== "object" || position === null) return undefined;
  if (!("x" in position && "y" in position)) return undefined;
  return { x: Number(position.x), y: Number(position.y) };
}
