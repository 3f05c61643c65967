import type { DefinitionData, LeaveReason, OldEntity, Plain, Response } from "@atlasnet/world";
import type { Store } from "./store.ts";

/**
 * The port behind which world code runs: events and bytes in, writes to the store out. A module keeps
 * no state of its own; everything it wants to find again is in the store. TypeScript modules are the
 * first implementation (module/typescript-module.ts).
 */
export interface WorldModule {
  readonly definition: DefinitionData;
  /** False when nothing has to run while nothing happens. */
  readonly hasTick: boolean;
  /**
   * Handles one event. What it throws is taken back and reported; a DecodeError says that a client's
   * payload was not of the definition's form, a JoinRefused that a player may not come in.
   */
  handle(event: WorldEvent, store: Store): void;
  upgrade?(old: OldEntity, oldVersion: number): OldEntity["components"] | undefined;
}

export type WorldEvent =
  | { type: "create" }
  | { type: "join"; session: number; params: Uint8Array | undefined }
  | { type: "leave"; session: number; reason: LeaveReason }
  | { type: "drop"; session: number }
  | { type: "resume"; session: number }
  | { type: "input"; session: number; index: number; payload: Uint8Array }
  | { type: "message"; session: number; index: number; payload: Uint8Array }
  | { type: "timer"; name: string; data: Plain }
  | { type: "response"; response: Response }
  | { type: "tick" };
