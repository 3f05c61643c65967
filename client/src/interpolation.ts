import type { MirrorEntity, Space } from "@atlasnet/world";
import { RenderClock } from "./render-clock.ts";
import type { Point } from "./types.ts";

/** Positions kept per entity: enough for the longest delay at one update per tick. */
const SAMPLES = 12;
/** Numbers per sample: tick, x, y, z. */
const WIDTH = 4;
/**
 * An entity that said nothing for longer than this stood still until this long before its next update.
 * Updates of moving entities come at least this often, in ticks.
 */
const UPDATE_TICKS = 3;

/** The last positions of one entity, oldest first. */
class Track {
  readonly values = new Float64Array(SAMPLES * WIDTH);
  count = 0;

  add(tick: number, x: number, y: number, z: number): void {
    const { values } = this;
    // Samples of one entity come in order; only a world that went back has newer ones.
    while (this.count > 0 && this.tickOf(this.count - 1) >= tick) this.count -= 1;
    if (this.count === SAMPLES) {
      values.copyWithin(0, WIDTH);
      this.count -= 1;
    }
    const at = this.count * WIDTH;
    values[at] = tick;
    values[at + 1] = x;
    values[at + 2] = y;
    values[at + 3] = z;
    this.count += 1;
  }

  tickOf(sample: number): number {
    return this.values[sample * WIDTH] ?? 0;
  }

  at(sample: number, axis: number): number {
    return this.values[sample * WIDTH + 1 + axis] ?? 0;
  }
}

/** Draws entities a little in the past, between two positions they really had. */
export class Interpolator {
  private readonly space: Space;
  private readonly clock: RenderClock;
  private readonly tracks = new Map<number, Track>();

  constructor(space: Space, tickRate: number) {
    this.space = space;
    this.clock = new RenderClock(tickRate);
  }

  heard(tick: number, now: number, dilation: number): void {
    this.clock.heard(tick, now, dilation);
  }

  /** The entity's state at a tick came in. */
  sample(entity: MirrorEntity, tick: number): void {
    const position = positionOf(entity, this.space);
    if (position === undefined) {
      this.tracks.delete(entity.id);
      return;
    }
    const { x, y, z } = position;
    let track = this.tracks.get(entity.id);
    if (track === undefined) {
      track = new Track();
      this.tracks.set(entity.id, track);
    }
    const last = track.count - 1;
    if (last >= 0) {
      const [lastX, lastY, lastZ] = [track.at(last, 0), track.at(last, 1), track.at(last, 2)];
      const far = Math.max(Math.abs(x - lastX), Math.abs(y - lastY), Math.abs(z - lastZ));
      // Nothing crosses a cell between two updates on foot: it was put there.
      if (far > this.space.cell) track.count = 0;
      else if (tick - track.tickOf(last) > UPDATE_TICKS)
        track.add(tick - UPDATE_TICKS, lastX, lastY, lastZ);
    }
    track.add(tick, x, y, z);
  }

  forget(entity: MirrorEntity): void {
    this.tracks.delete(entity.id);
  }

  clear(): void {
    this.tracks.clear();
  }

  at(entity: MirrorEntity, now: number): Point | undefined {
    const track = this.tracks.get(entity.id);
    if (track === undefined || track.count === 0) return positionOf(entity, this.space);
    const tick = this.clock.renderTick(now);
    let after = track.count - 1;
    while (after > 0 && track.tickOf(after - 1) >= tick) after -= 1;
    if (after === 0 || track.tickOf(after) <= tick) return pointOf(track, after);
    const before = after - 1;
    const part = (tick - track.tickOf(before)) / (track.tickOf(after) - track.tickOf(before));
    const between = (axis: number) =>
      track.at(before, axis) + (track.at(after, axis) - track.at(before, axis)) * part;
    return { x: between(0), y: between(1), z: between(2) };
  }
}

function pointOf(track: Track, sample: number): Point {
  return { x: track.at(sample, 0), y: track.at(sample, 1), z: track.at(sample, 2) };
}

/** The newest position known of an entity. */
export function positionOf(entity: MirrorEntity, space: Space): Point | undefined {
  const component = entity[space.component];
  if (typeof component !== "object" || component === null) return undefined;
  if (!("x" in component && "y" in component)) return undefined;
  const z = "z" in component ? Number(component.z) : 0;
  return { x: Number(component.x), y: Number(component.y), z };
}
