import type { SimPassage } from "@atlasnet/core/sim";
import { isAct } from "./acts.ts";
import { readBatch } from "./batch.ts";

/** What a gameserver lets out tells of this tick of the shard; undefined: of none. */
export function toldTick({ message }: SimPassage): number | undefined {
  if (!isAct(message)) return undefined;
  if (message.type === "attached") return message.tick;
  return message.type === "downstream" ? readBatch(message.batch).tick : undefined;
}
