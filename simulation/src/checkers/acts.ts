import { isToProxy, type LinkMessage, type ToProxy } from "@atlasnet/core";

/**
 * What a gameserver lets out for a shard that it owns. A `closed` is not of it: with one a gameserver also says that
 * it has nothing to say for a shard.
 */
export function isAct(message: LinkMessage): message is Exclude<ToProxy, { type: "closed" }> {
  return isToProxy(message) && message.type !== "closed";
}
