import { connect, JoinError } from "@atlasnet/client";
import { definition, SIZE } from "../src/definition.ts";

const canvas = element("canvas", HTMLCanvasElement);
const status = element("#status", HTMLElement);
const news = element("#news", HTMLElement);
const form = element("#cheer", HTMLFormElement);
const field = element("#cheer input", HTMLInputElement);

async function play(): Promise<void> {
  // The server that serves this page says where players connect.
  const { port, secure } = await (await fetch("/atlasnet.json")).json();
  const client = connect({ url: `${secure ? "wss" : "ws"}://${location.hostname}:${port}` });
  const name = new URLSearchParams(location.search).get("name") ?? "";
  const game = await client.join(definition, { world: "game", params: { name } });
  const showStatus = () => {
    const { name = "?", score = 0 } = game.own?.runner ?? {};
    status.textContent = `${name} · ${score} ${score === 1 ? "star" : "stars"}`;
  };
  game.onTick(showStatus);
  game.onDrop(() => {
    status.textContent = "connection lost, coming back…";
  });
  game.onResume(showStatus);
  game.onClose(({ reason }) => {
    status.textContent = `out of the game: ${reason}. Reload the page to play again.`;
  });
  game.onMessage("caught", ({ name, score }) => tell(`★ ${name} has ${score}`));
  game.onMessage("cheer", ({ name, text }) => tell(`${name}: ${text}`));

  onSteer((steer) => game.input("steer", steer));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (field.value.trim() !== "") game.send("cheer", { text: field.value });
    field.value = "";
    field.blur();
  });

  const draw = () => {
    const { context, scale, left, top } = prepareCanvas();
    for (const entity of game.entities.values()) {
      const at = game.position(entity);
      if (at === undefined) continue;
      const [x, y] = [left + at.x * scale, top + at.y * scale];
      const { star, runner } = entity;
      if (star !== undefined) {
        context.fillStyle = `hsl(${star.hue} 90% 75%)`;
        context.font = `${4 * scale}px system-ui`;
        context.fillText("★", x, y + 1.4 * scale);
      }
      if (runner !== undefined) {
        context.fillStyle = `hsl(${runner.hue} 80% 60%)`;
        context.beginPath();
        context.arc(x, y, 1.6 * scale, 0, 2 * Math.PI);
        context.fill();
        context.fillStyle = entity.own ? "#ffffff" : "#aab4dd";
        context.font = `${2.2 * scale}px system-ui`;
        context.fillText(`${runner.name} ${runner.score}`, x, y - 2.4 * scale);
      }
    }
    requestAnimationFrame(draw);
  };
  draw();
}

/** Clears the canvas, draws the field's edge, and says where the field lies on it. */
function prepareCanvas() {
  const context = canvas.getContext("2d");
  if (context === null) throw new Error("this browser cannot draw");
  canvas.width = canvas.clientWidth * devicePixelRatio;
  canvas.height = canvas.clientHeight * devicePixelRatio;
  const scale = (Math.min(canvas.width, canvas.height) * 0.94) / SIZE;
  const left = (canvas.width - SIZE * scale) / 2;
  const top = (canvas.height - SIZE * scale) / 2;
  context.fillStyle = "#111833";
  context.fillRect(left, top, SIZE * scale, SIZE * scale);
  context.textAlign = "center";
  return { context, scale, left, top };
}

/** Calls back with a direction whenever the keys that are held down give another one. */
function onSteer(steer: (direction: { x: number; y: number }) => void): void {
  const held = new Set<string>();
  const any = (...codes: string[]) => (codes.some((code) => held.has(code)) ? 1 : 0);
  let last = "";
  const update = () => {
    const x = any("ArrowRight", "KeyD") - any("ArrowLeft", "KeyA");
    const y = any("ArrowDown", "KeyS") - any("ArrowUp", "KeyW");
    if (last !== `${x},${y}`) steer({ x, y });
    last = `${x},${y}`;
  };
  addEventListener("keydown", (event) => {
    if (document.activeElement === field) return;
    if (event.code === "Enter") field.focus();
    held.add(event.code);
    update();
  });
  addEventListener("keyup", (event) => {
    held.delete(event.code);
    update();
  });
  addEventListener("blur", () => {
    held.clear();
    update();
  });
}

/** Shows a line for a few seconds. */
function tell(text: string): void {
  const line = document.createElement("li");
  line.textContent = text;
  news.append(line);
  while (news.children.length > 6) news.firstChild?.remove();
  setTimeout(() => line.remove(), 6000);
}

function element<T extends Element>(selector: string, type: new () => T): T {
  const found = document.querySelector(selector);
  if (found instanceof type) return found;
  throw new Error(`the page has no ${selector}`);
}

play().catch((error: unknown) => {
  if (!(error instanceof JoinError)) throw error;
  status.textContent = `cannot play: ${error.reason} (${error.code})`;
});
