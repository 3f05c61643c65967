import type { ClientWorld } from "@atlasnet/client";
import type { Arena } from "../definition.ts";

export type ConnectionState =
  | "at the door"
  | "connecting"
  | "connected"
  | "reconnecting"
  | "closed";

/** The page's inside, for the browser's console and for tests: `atlas.world.own.fighter.score`. */
export interface AtlasHook {
  state: ConnectionState;
  world: ClientWorld<Arena> | undefined;
  /** Where a point of the world is drawn, in CSS pixels. */
  toScreen(point: { x: number; y: number }): { x: number; y: number };
}

declare global {
  interface Window {
    atlas?: AtlasHook;
  }
}
