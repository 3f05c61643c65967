import { EXTENT } from "../worlds/arena-world.ts";

/** World units per second. */
export const SPEED = 30;
/** Moves per second. */
export const MOVE_RATE = 10;
/** Chance per move to take another direction: about every five seconds. */
const TURN = 0.02;

/**
 * One who walks straight on, turns now and then and bounces off the walls: of many, as many are
 * anywhere as anywhere else.
 */
export class Walker {
  x: number;
  y: number;
  private dx = 0;
  private dy = 0;
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
    this.x = random() * EXTENT;
    this.y = random() * EXTENT;
    this.turn();
  }

  private turn(): void {
    const angle = this.random() * 2 * Math.PI;
    this.dx = (Math.cos(angle) * SPEED) / MOVE_RATE;
    this.dy = (Math.sin(angle) * SPEED) / MOVE_RATE;
  }

  step(): void {
    if (this.random() < TURN) this.turn();
    const x = this.x + this.dx;
    const y = this.y + this.dy;
    if (x < 0 || x > EXTENT) this.dx = -this.dx;
    else this.x = x;
    if (y < 0 || y > EXTENT) this.dy = -this.dy;
    else this.y = y;
  }
}
