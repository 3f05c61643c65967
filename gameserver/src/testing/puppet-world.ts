import {
  bool,
  bytes,
  defineWorld,
  float64,
  grid2d,
  grid3d,
  implementWorld,
  int,
  type LeaveReason,
  list,
  oneOf,
  type Plain,
  quantized,
  type Response,
  ref,
  type Space,
  text,
  uint,
  type World,
} from "@atlasnet/world";
import type { ModuleContext, ModulePlayer } from "../module/context.ts";

/** What a test makes a world do; handlers are called late, so they can be set at any time. */
export interface Hooks {
  create?: (ctx: ModuleContext) => unknown;
  join?: (ctx: ModuleContext, player: ModulePlayer, params: { [name: string]: unknown }) => unknown;
  leave?: (ctx: ModuleContext, player: ModulePlayer, reason: LeaveReason) => unknown;
  drop?: (ctx: ModuleContext, player: ModulePlayer) => unknown;
  resume?: (ctx: ModuleContext, player: ModulePlayer) => unknown;
  move?: (ctx: ModuleContext, player: ModulePlayer, input: { [name: string]: unknown }) => unknown;
  say?: (ctx: ModuleContext, player: ModulePlayer, message: { [name: string]: unknown }) => unknown;
  alarm?: (ctx: ModuleContext, data: Plain) => unknown;
  response?: (ctx: ModuleContext, response: Response) => unknown;
  tick?: (ctx: ModuleContext) => unknown;
}

const axis = (max: number) => quantized({ min: 0, max, step: 1 / 16 });

/** A definition with something of everything. */
export function puppetDefinition(space: "2d" | "3d" = "2d") {
  const grid: Space =
    space === "2d"
      ? grid2d({ component: "position", size: [100, 80], cell: 10, view: 1, margin: 3 })
      : grid3d({ component: "position", size: [40, 40, 40], cell: 10, view: 1, margin: 3 });
  return defineWorld({
    name: "puppet",
    space: grid,
    components: {
      position: { x: axis(100), y: axis(80), z: axis(40) },
      look: { name: text(40), team: oneOf("red", "blue"), friends: list(ref(), 4), shiny: bool() },
      body: { points: uint(100), heat: int(-5, 5), exact: float64(), data: bytes(8) },
    },
    ownerComponents: { purse: { coins: uint(1000) }, diary: { line: text(20) } },
    inputs: { move: { dx: int(-1, 1), dy: int(-1, 1) } },
    clientMessages: { say: { text: text(100) }, unheard: {} },
    serverMessages: { said: { text: text(60_000) }, long: { a: text(65_536), b: text(65_536) } },
    channels: { lobby: { public: true }, staff: {} },
    join: { color: uint(7) },
  });
}

/** A world that does what `hooks` say. `hasTick` false: it runs only when something happens. */
export function puppetWorld(
  hooks: Hooks,
  options: { space?: "2d" | "3d"; hasTick?: boolean } = {},
): World {
  const loose: { [handler: string]: unknown } = {
    create: (ctx: ModuleContext) => hooks.create?.(ctx),
    join: (ctx: ModuleContext, player: ModulePlayer, params: { [name: string]: unknown }) =>
      hooks.join?.(ctx, player, params),
    leave: (ctx: ModuleContext, player: ModulePlayer, reason: LeaveReason) =>
      hooks.leave?.(ctx, player, reason),
    drop: (ctx: ModuleContext, player: ModulePlayer) => hooks.drop?.(ctx, player),
    resume: (ctx: ModuleContext, player: ModulePlayer) => hooks.resume?.(ctx, player),
    response: (ctx: ModuleContext, response: Response) => hooks.response?.(ctx, response),
    input: {
      move: (ctx: ModuleContext, player: ModulePlayer, input: { [name: string]: unknown }) =>
        hooks.move?.(ctx, player, input),
    },
    message: {
      say: (ctx: ModuleContext, player: ModulePlayer, message: { [name: string]: unknown }) =>
        hooks.say?.(ctx, player, message),
    },
    timer: { alarm: (ctx: ModuleContext, data: Plain) => hooks.alarm?.(ctx, data) },
  };
  if (options.hasTick !== false) loose["tick"] = (ctx: ModuleContext) => hooks.tick?.(ctx);
  return implementWorld(puppetDefinition(options.space), loose) as World;
}
