import { ANY_MODULE, STORED_MODULES } from "@atlasnet/core";

/**
 * What a gameserver says of the modules it can run. Paths are looked up when a world asks for one: nobody lists
 * a folder's files. Stored modules it fetches when it knows the store.
 */
export function modulesAtHand({ store }: { readonly store: string | undefined }): string[] {
  return store === undefined ? [ANY_MODULE] : [ANY_MODULE, STORED_MODULES];
}
