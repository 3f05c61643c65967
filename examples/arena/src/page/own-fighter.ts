import type { ClientWorld } from "@atlasnet/client";
import { ARENA, type Arena, COOLDOWN_TICKS, RUN_SPEED } from "../definition.ts";
import type { Intent } from "./controls.ts";

/** Share of the way to the server's word that is made up per second. */
const PULL = 7;
/** Farther off than this it was put elsewhere, and does not run there. */
const JUMP = 80;

/**
 * The player's own fighter: sends what the player does, and shows it at once. The server decides where it
 * is; here it runs ahead by the way of the network, and is pulled to where the server says.
 */
export class OwnFighter {
  private readonly world: ClientWorld<Arena>;
  private sent = "";
  private nextShotAt = 0;
  private x = Number.NaN;
  private y = Number.NaN;

  constructor(world: ClientWorld<Arena>) {
    this.world = world;
    // The world stopped the fighter when the connection was lost.
    world.onResume(() => {
      this.sent = "";
    });
  }

  /** Where it is drawn; undefined while it is not in view. */
  get at(): { x: number; y: number } | undefined {
    return Number.isNaN(this.x) ? undefined : { x: this.x, y: this.y };
  }

  get alive(): boolean {
    return (this.world.own?.fighter?.health ?? 0) > 0;
  }

  /** One frame: `dt` in seconds, `now` in ms. */
  step({ dx, dy }: Intent, dt: number): void {
    const { world } = this;
    const move = `${dx},${dy}`;
    if (move !== this.sent && world.connected && this.alive) {
      world.input("move", { dx, dy });
      this.sent = move;
    }
    // The dead do not run, and must tell where to when they are back.
    if (!this.alive) this.sent = "";
    const told = world.own?.position;
    if (told === undefined) return;
    if (!(Math.hypot(told.x - this.x, told.y - this.y) < JUMP)) {
      this.x = told.x;
      this.y = told.y;
      return;
    }
    const running = world.connected && this.alive ? RUN_SPEED * world.dilation * dt : 0;
    const step = dx !== 0 && dy !== 0 ? running * Math.SQRT1_2 : running;
    const pull = 1 - Math.exp(-PULL * dt);
    this.x = inside(this.x + dx * step + (told.x - this.x) * pull);
    this.y = inside(this.y + dy * step + (told.y - this.y) * pull);
  }

  /** Shoots as often as the weapon can. A shot that cannot be sent now is not fired later. */
  shoot(angle: number, now: number): boolean {
    const { world } = this;
    if (!world.connected || !this.alive || now < this.nextShotAt) return false;
    this.nextShotAt = now + (1000 * COOLDOWN_TICKS) / world.tickRate;
    world.send("shoot", { angle });
    return true;
  }
}

function inside(value: number): number {
  return Math.min(ARENA, Math.max(0, value));
}
