/** The control plane. */
export type { LeaderInfo } from "@atlasnet/core";
