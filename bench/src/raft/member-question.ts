import type { NodeIdentity } from "@atlasnet/identity";
import type { Ports } from "./network.ts";

/** What the benchmark asks a member. */
export type MemberQuestion =
  | {
      readonly type: "start";
      readonly identity: NodeIdentity;
      readonly ports: Ports;
      readonly voters: readonly string[];
      readonly dir: string;
    }
  /** Whether it leads. */
  | { readonly type: "leads" }
  /** Its `MemberFigures`, since the last time. */
  | { readonly type: "figures" };

export interface MemberFigures {
  readonly cpuSeconds: number;
  readonly saves: number;
  /** A write of the log with its sync, on average. */
  readonly saveMs: number;
  readonly readies: number;
  readonly proposed: number;
}

export const GROUP = "bench";
/** A call with a key of 8 bytes and the value behind it. */
export const PUT = "put";
export const KEY_BYTES = 8;
