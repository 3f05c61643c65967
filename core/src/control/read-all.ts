import type { ControlStore, KeyValue, Revision } from "./control-store.ts";

/** Most items that `readAll` gathers. */
export const MAX_READ_ALL_ITEMS = 2_000_000;

export interface ReadAll {
  /**
   * Of the first page. Later pages may be newer; a watch from here tells every change that one of them
   * may have missed (and some that they had seen: states, so taking them twice does no harm).
   */
  readonly revision: Revision;
  readonly items: readonly KeyValue[];
}

/**
 * Everything below a prefix, page by page.
 * @throws ControlError as `range` does; RangeError above MAX_READ_ALL_ITEMS.
 */
export async function readAll(
  store: Pick<ControlStore, "range">,
  prefix: string,
  consistency: "linearizable" | "local" = "linearizable",
): Promise<ReadAll> {
  const items: KeyValue[] = [];
  let page = await store.range({ prefix, consistency });
  const { revision } = page;
  for (;;) {
    for (const item of page.items) items.push(item);
    const last = page.items.at(-1);
    if (!page.more || last === undefined) return { revision, items };
    if (items.length > MAX_READ_ALL_ITEMS)
      throw new RangeError(`more than ${MAX_READ_ALL_ITEMS} keys below ${prefix}`);
    page = await store.range({ prefix, consistency, after: last.key });
  }
}
