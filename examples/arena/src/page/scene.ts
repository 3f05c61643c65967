import type { ClientWorld, ViewEntity } from "@atlasnet/client";
import { ARENA, type Arena, FULL_HEALTH } from "../definition.ts";
import { context2d } from "./dom.ts";
import type { Effects } from "./effects.ts";

interface Point {
  x: number;
  y: number;
}

type Thing = ViewEntity<Arena>;

/** The world is seen so far in every direction; what is farther must not be on the screen. */
const SIGHT = 290;
const GRID = 50;
const RADIUS = 10;

/** Draws the arena around a point on the canvas that fills the window. */
export class Scene {
  readonly camera: Point = { x: ARENA / 2, y: ARENA / 2 };
  private readonly canvas: HTMLCanvasElement;
  private readonly paint: CanvasRenderingContext2D;
  /** CSS pixels per unit of the world. */
  private scale = 1;

  constructor(canvas: HTMLCanvasElement) {
    this.canvas = canvas;
    this.paint = context2d(canvas);
  }

  toScreen({ x, y }: Point): Point {
    return {
      x: (x - this.camera.x) * this.scale + innerWidth / 2,
      y: (y - this.camera.y) * this.scale + innerHeight / 2,
    };
  }

  toWorld({ x, y }: Point): Point {
    return {
      x: (x - innerWidth / 2) / this.scale + this.camera.x,
      y: (y - innerHeight / 2) / this.scale + this.camera.y,
    };
  }

  /** Moves the camera towards a point: at once on foot, in a swift glide after a respawn. */
  follow(point: Point, dt: number): void {
    const share = 1 - Math.exp(-12 * dt);
    this.camera.x += (point.x - this.camera.x) * share;
    this.camera.y += (point.y - this.camera.y) * share;
  }

  /** Clears the canvas and draws the floor; what follows is in units of the world. */
  begin(): void {
    const { canvas, paint, camera } = this;
    const ratio = devicePixelRatio;
    const [width, height] = [Math.round(innerWidth * ratio), Math.round(innerHeight * ratio)];
    if (canvas.width !== width || canvas.height !== height)
      Object.assign(canvas, { width, height });
    this.scale = Math.max(innerWidth, innerHeight) / (2 * SIGHT);
    const scale = this.scale * ratio;
    paint.setTransform(1, 0, 0, 1, 0, 0);
    paint.fillStyle = "#070b11";
    paint.fillRect(0, 0, width, height);
    paint.setTransform(
      scale,
      0,
      0,
      scale,
      width / 2 - camera.x * scale,
      height / 2 - camera.y * scale,
    );
    paint.fillStyle = "#0f1722";
    paint.fillRect(0, 0, ARENA, ARENA);
    paint.strokeStyle = "#1b2735";
    paint.lineWidth = 1 / this.scale;
    paint.beginPath();
    for (let at = GRID; at < ARENA; at += GRID) {
      paint.moveTo(at, 0);
      paint.lineTo(at, ARENA);
      paint.moveTo(0, at);
      paint.lineTo(ARENA, at);
    }
    paint.stroke();
    paint.strokeStyle = "#2f6fa8";
    paint.lineWidth = 4;
    paint.strokeRect(-2, -2, ARENA + 4, ARENA + 4);
    paint.textAlign = "center";
  }

  /** Everything in view. `ownAt`: where the own fighter is shown; `aim`: where it aims, in radians. */
  things(world: ClientWorld<Arena>, effects: Effects, own: { at: Point | undefined; aim: number }) {
    const now = performance.now();
    for (const { x, y, big, age } of effects.current(now)) this.burst(x, y, big, age);
    for (const thing of world.entities.values()) {
      const at = (thing.own ? own.at : undefined) ?? world.position(thing);
      if (at === undefined) continue;
      if (thing.bullet !== undefined) this.bullet(at, colour(thing.bullet.shooter, world));
      if (thing.fighter !== undefined) {
        if (thing.own && thing.fighter.health > 0) this.barrel(at, own.aim);
        this.fighter(
          thing,
          thing.fighter,
          colour(thing.id, world),
          at,
          effects.flash(thing.id, now),
        );
      }
    }
  }

  private fighter(
    thing: Thing,
    { name, health, score }: { name: string; health: number; score: number },
    fill: string,
    { x, y }: Point,
    flash: number,
  ): void {
    const { paint } = this;
    paint.globalAlpha = health > 0 ? 1 : 0.25;
    paint.fillStyle = fill;
    this.disc(x, y, RADIUS);
    paint.strokeStyle = thing.own ? "#ffffff" : "#00000066";
    paint.lineWidth = 1.5;
    paint.stroke();
    if (flash > 0) {
      paint.fillStyle = `rgb(255 255 255 / ${flash})`;
      this.disc(x, y, RADIUS + 3 * flash);
    }
    paint.globalAlpha = health > 0 ? 1 : 0.5;
    paint.fillStyle = thing.own ? "#ffffff" : "#b9c6d3";
    paint.font = "600 7px system-ui, sans-serif";
    paint.fillText(score > 0 ? `${name} · ${score}` : name, x, y - RADIUS - 8);
    if (health > 0) {
      const left = (health / FULL_HEALTH) * 2 * RADIUS;
      paint.fillStyle = "#00000080";
      paint.fillRect(x - RADIUS, y - RADIUS - 5.5, 2 * RADIUS, 2.5);
      paint.fillStyle = health > 60 ? "#4ade80" : health > 30 ? "#ffb84d" : "#ff5d5d";
      paint.fillRect(x - RADIUS, y - RADIUS - 5.5, left, 2.5);
    }
    paint.globalAlpha = 1;
  }

  private barrel({ x, y }: Point, aim: number): void {
    const { paint } = this;
    paint.strokeStyle = "#dff1ff";
    paint.lineWidth = 4;
    paint.beginPath();
    paint.moveTo(x, y);
    paint.lineTo(x + Math.cos(aim) * (RADIUS + 5), y + Math.sin(aim) * (RADIUS + 5));
    paint.stroke();
  }

  private bullet({ x, y }: Point, fill: string): void {
    const { paint } = this;
    paint.fillStyle = fill;
    this.disc(x, y, 3.5);
    paint.fillStyle = "#ffffff";
    this.disc(x, y, 1.8);
  }

  private burst(x: number, y: number, big: boolean, age: number): void {
    const { paint } = this;
    paint.strokeStyle = big
      ? `rgb(255 120 90 / ${1 - age})`
      : `rgb(255 230 160 / ${0.7 - 0.7 * age})`;
    paint.lineWidth = big ? 3 : 1.5;
    paint.beginPath();
    paint.arc(x, y, (big ? 12 : 2) + (big ? 30 : 8) * age, 0, 2 * Math.PI);
    paint.stroke();
  }

  private disc(x: number, y: number, radius: number): void {
    this.paint.beginPath();
    this.paint.arc(x, y, radius, 0, 2 * Math.PI);
    this.paint.fill();
  }
}

/** The own fighter's colour, or one per fighter, far from that of the next. */
export function colour(id: number, world: ClientWorld<Arena>): string {
  return id === world.own?.id ? "#4fb3ff" : `hsl(${(id * 137.5) % 360} 65% 58%)`;
}
