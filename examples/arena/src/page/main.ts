import { type AtlasNetClient, type ClientWorld, connect, JoinError } from "@atlasnet/client";
import { type Arena, definition, MAX_NAME } from "../definition.ts";
import { Controls } from "./controls.ts";
import { context2d, element } from "./dom.ts";
import { Effects } from "./effects.ts";
import type { AtlasHook, ConnectionState } from "./hook.ts";
import { askName, onChat, showFigures, showStatus, tell } from "./hud.ts";
import { drawMinimap } from "./minimap.ts";
import { OwnFighter } from "./own-fighter.ts";
import { Scene } from "./scene.ts";

/** The page is served at `/<world>/`: its address says which world it is for. */
const WORLD = decodeURIComponent(location.pathname.split("/")[1] ?? "");
const NAME_KEY = "arena name";
/** The longest step that is drawn at once: a tab that was hidden does not catch up. */
const MAX_FRAME_SECONDS = 0.1;

const canvas = element("#scene", HTMLCanvasElement);
const map = context2d(element("#map", HTMLCanvasElement));
const scene = new Scene(canvas);
const controls = new Controls(canvas);

interface Game {
  readonly world: ClientWorld<Arena>;
  readonly fighter: OwnFighter;
  readonly effects: Effects;
}
let game: Game | undefined;

const hook: AtlasHook = {
  state: "at the door",
  world: undefined,
  toScreen: (point) => scene.toScreen(point),
};
window.atlas = hook;

/** Goes in, plays, and stands at the door again when the world is closed for this player. */
async function play(): Promise<void> {
  const client = connect({ url: await playersUrl() });
  let name = firstName();
  let reason = "Run, shoot, and do not get hit.";
  for (;;) {
    if (name === undefined) {
      setState("at the door", "not in the arena");
      name = await askName(reason, storedName());
    }
    name = name.slice(0, MAX_NAME);
    localStorage.setItem(NAME_KEY, name);
    reason = await playAs(name, client);
    name = undefined;
  }
}

/** One stay in the world. Resolves, when it is over, with why. */
async function playAs(name: string, client: AtlasNetClient): Promise<string> {
  setState("connecting", "connecting…");
  try {
    const world = await client.join(definition, { world: WORLD, params: { name } });
    setState("connected", "connected");
    return await new Promise((resolve) => {
      hook.world = world;
      game = { world, fighter: new OwnFighter(world), effects: new Effects(world) };
      world.onMessage("chat", ({ from, text }) => tell(from, text));
      world.onDrop(() => setState("reconnecting", "reconnecting…"));
      world.onResume(() => setState("connected", "connected"));
      world.onRollback(() => tell("", "The server came back, a moment in the past."));
      world.onNotice(({ text }) => text !== "" && tell("", text));
      world.onTransfer((other) => location.assign(`/${encodeURIComponent(other)}/`));
      world.onClose((closed) => {
        setState("closed", "closed");
        resolve(`You are out: ${closed.reason} (${closed.code}).`);
      });
    });
  } catch (error) {
    if (!(error instanceof JoinError)) throw error;
    setState("closed", "closed");
    return `You cannot get in: ${error.reason} (${error.code}).`;
  } finally {
    game = undefined;
    hook.world = undefined;
  }
}

function setState(state: ConnectionState, text: string): void {
  hook.state = state;
  showStatus(state, text);
}

/** The server that serves this page says where players connect. */
async function playersUrl(): Promise<string> {
  const { port, secure } = await (await fetch("/atlasnet.json")).json();
  return `${secure ? "wss" : "ws"}://${location.hostname}:${port}`;
}

/** `?name=` and a name given before skip the door. */
function firstName(): string | undefined {
  return new URLSearchParams(location.search).get("name") || storedName() || undefined;
}

function storedName(): string {
  return localStorage.getItem(NAME_KEY) ?? "";
}

onChat((text) => game?.world.send("chat", { text }));

let drawnAt = performance.now();
function frame(now: number): void {
  const dt = Math.min(MAX_FRAME_SECONDS, Math.max(0, now - drawnAt) / 1000);
  drawnAt = now;
  if (game === undefined) scene.begin();
  else drawGame(game, dt, now);
  requestAnimationFrame(frame);
}

function drawGame({ world, fighter, effects }: Game, dt: number, now: number): void {
  fighter.step(controls, dt);
  const { at } = fighter;
  if (at !== undefined) scene.follow(at, dt);
  const target = scene.toWorld(controls.mouse);
  const aim = at === undefined ? 0 : Math.atan2(target.y - at.y, target.x - at.x);
  if (controls.shooting) fighter.shoot(aim, now);
  scene.begin();
  scene.things(world, effects, { at, aim });
  drawMinimap(map, world);
  showFigures(world);
  if (hook.state === "connected" && world.rtt !== undefined)
    showStatus("connected", `connected · ${Math.round(world.rtt)} ms`);
}

requestAnimationFrame(frame);
play().catch((error: unknown) => {
  setState("closed", "This page failed; the browser's console says why.");
  throw error;
});
