import type { ControlStore } from "@atlasnet/core";
import { TinyStore } from "@atlasnet/core/testing";

/** A control store in memory, as much of it as the library needs. */
export function tinyControl(tiny = new TinyStore()): Pick<ControlStore, "range" | "txn"> {
  return {
    range: async (request) => {
      const keys = "key" in request ? [request.key] : tiny.keys(request.prefix);
      const items = keys.flatMap((key) => tiny.get(key) ?? []);
      return { revision: tiny.revision, items, more: false };
    },
    txn: async (request) => tiny.txn(request),
  };
}
