import type { MirrorView, PromotionView } from "../control/mirror-changes.ts";
import type { ClaimView } from "../control/ownership.ts";
import { nodeKey } from "../control/record-keys.ts";
import { claimView } from "./claims.ts";
import type { TinyStore } from "./tiny-store.ts";

/** What a node's mirroring of the first shard of a world is decided by, as the store is now. */
export function mirrorView(
  store: TinyStore,
  world: string,
  node: string,
): MirrorView & PromotionView & ClaimView {
  const view = claimView(store, world, node);
  const mirrorNode = store.seen("node", nodeKey(view.mirror.record?.node ?? ""));
  return { ...view, mirrorNode };
}
