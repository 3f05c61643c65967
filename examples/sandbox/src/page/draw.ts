import type { ClientWorld } from "@atlasnet/client";
import type { Sandbox } from "../definition.ts";
import { context2d } from "./dom.ts";

const MARGIN = 16;

/** Draws the whole sandbox as large as the canvas lets it be. */
export function drawBalls(
  canvas: HTMLCanvasElement,
  world: ClientWorld<Sandbox>,
  { width, height }: { width: number; height: number },
): void {
  const paint = context2d(canvas);
  canvas.width = canvas.clientWidth * devicePixelRatio;
  canvas.height = canvas.clientHeight * devicePixelRatio;
  const scale = Math.min(
    (canvas.width - 2 * MARGIN) / width,
    (canvas.height - 2 * MARGIN) / height,
  );
  paint.setTransform(
    scale,
    0,
    0,
    scale,
    (canvas.width - width * scale) / 2,
    (canvas.height - height * scale) / 2,
  );
  paint.fillStyle = "#0f1722";
  paint.fillRect(0, 0, width, height);
  paint.strokeStyle = "#2f6fa8";
  paint.lineWidth = 2;
  paint.strokeRect(0, 0, width, height);
  for (const entity of world.entities.values()) {
    const at = world.position(entity);
    if (at === undefined || entity.ball === undefined) continue;
    paint.fillStyle = `hsl(${entity.ball.hue} 70% 60%)`;
    paint.beginPath();
    paint.arc(at.x, at.y, entity.ball.radius, 0, 2 * Math.PI);
    paint.fill();
  }
}
