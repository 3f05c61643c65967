import type { Store } from "../shard/store.ts";

/**
 * Calls `step` before and after every method of a store and of its tables, savepoints included: the
 * places at which a test can have a tick cut off. Returns nothing; the store stays so.
 */
export function addStepPoints(store: Store, step: () => void): void {
  const { undo, sessions, entities, kv, timers, requests, random } = store;
  for (const part of [store, undo, sessions, entities, kv, timers, requests, random])
    for (const name of methodNames(part)) {
      const method: unknown = Reflect.get(part, name);
      if (typeof method !== "function") continue;
      const stepping = (...args: unknown[]): unknown => {
        step();
        const result: unknown = Reflect.apply(method, part, args);
        step();
        return result;
      };
      Object.defineProperty(part, name, { value: stepping });
    }
}

/** Methods of the class; getters are left as they are. */
function methodNames(part: object): string[] {
  const described = Object.getOwnPropertyDescriptors(Object.getPrototypeOf(part));
  return Object.entries(described).flatMap(([name, { value }]) =>
    name !== "constructor" && typeof value === "function" ? [name] : [],
  );
}
