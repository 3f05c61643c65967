import { type ClientWorld, connect, JoinError } from "@atlasnet/client";
import { definition, HEIGHT, type Sandbox, WIDTH } from "../definition.ts";
import { element } from "./dom.ts";
import { drawBalls } from "./draw.ts";

declare global {
  interface Window {
    /** The page's inside, for the browser's console and for tests. */
    atlas?: { world: ClientWorld<Sandbox> };
  }
}

const canvas = element("canvas", HTMLCanvasElement);
const status = element("#status", HTMLElement);
const figures = {
  balls: element("#balls", HTMLElement),
  rate: element("#rate", HTMLElement),
  bytes: element("#bytes", HTMLElement),
  frames: element("#frames", HTMLElement),
};

async function watch(): Promise<void> {
  // The server that serves this page says where players connect; its address names the world.
  const { port, secure } = await (await fetch("/atlasnet.json")).json();
  const client = connect({ url: `${secure ? "wss" : "ws"}://${location.hostname}:${port}` });
  const world = await client.join(definition, {
    world: decodeURIComponent(location.pathname.split("/")[1] ?? ""),
  });
  window.atlas = { world };
  showState("connected", "connected");
  world.onDrop(() => showState("reconnecting", "reconnecting…"));
  world.onResume(() => showState("connected", "connected"));
  world.onClose(({ reason, code }) =>
    showState("closed", `closed: ${reason} (${code}). Reload the page to come back.`),
  );
  for (const button of document.querySelectorAll("button"))
    button.addEventListener("click", () => {
      const count = Number(button.dataset["count"]);
      if (world.connected) world.send(count > 0 ? "add" : "remove", { count: Math.abs(count) });
    });

  const counted = { ticks: 0, frames: 0 };
  let bytesBefore = world.stats.bytesIn;
  world.onTick(() => {
    counted.ticks += 1;
  });
  const draw = () => {
    counted.frames += 1;
    drawBalls(canvas, world, { width: WIDTH, height: HEIGHT });
    requestAnimationFrame(draw);
  };
  draw();
  setInterval(() => {
    // The player's own entity is in view, too, and is not a ball.
    figures.balls.textContent = String(Math.max(0, world.entities.size - 1));
    figures.rate.textContent = `${counted.ticks} of ${world.tickRate}/s`;
    figures.frames.textContent = `${counted.frames}/s`;
    const { bytesIn } = world.stats;
    figures.bytes.textContent = `${((bytesIn - bytesBefore) / 1000).toFixed(1)} KB/s`;
    bytesBefore = bytesIn;
    Object.assign(counted, { ticks: 0, frames: 0 });
  }, 1000);
}

function showState(state: string, text: string): void {
  status.dataset["state"] = state;
  status.textContent = text;
}

watch().catch((error: unknown) => {
  if (!(error instanceof JoinError)) throw error;
  showState(
    "closed",
    `cannot join: ${error.reason} (${error.code}). Reload the page to try again.`,
  );
});
