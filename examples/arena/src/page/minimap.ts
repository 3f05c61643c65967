import type { ClientWorld } from "@atlasnet/client";
import { ARENA, type Arena } from "../definition.ts";
import { colour } from "./scene.ts";

/** The whole arena small: where one is in it, and the fighters in view. */
export function drawMinimap(paint: CanvasRenderingContext2D, world: ClientWorld<Arena>): void {
  const { width, height } = paint.canvas;
  paint.fillStyle = "#0e1520";
  paint.fillRect(0, 0, width, height);
  const dot = ({ x, y }: { x: number; y: number }, size: number) =>
    paint.fillRect((x / ARENA) * width - size / 2, (y / ARENA) * height - size / 2, size, size);
  for (const { id, own, fighter, position } of world.entities.values()) {
    if (own || position === undefined || !fighter?.health) continue;
    paint.fillStyle = colour(id, world);
    dot(position, 4);
  }
  paint.fillStyle = "#ffffff";
  if (world.own?.position !== undefined) dot(world.own.position, 5);
}
