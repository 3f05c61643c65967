import type { KeySelector } from "@atlasnet/core";

/** Finds the members whose selector takes in a key, without looking at the others. */
export class SelectorIndex<T> {
  private readonly byKey = new Map<string, Set<T>>();
  private readonly byPrefix = new Map<string, Set<T>>();
  /** How many prefixes have which length. */
  private readonly lengths = new Map<number, number>();

  add(selector: KeySelector, member: T): void {
    if ("key" in selector && selector.key !== undefined) addTo(this.byKey, selector.key, member);
    else if ("prefix" in selector && addTo(this.byPrefix, selector.prefix, member)) {
      const { length } = selector.prefix;
      this.lengths.set(length, (this.lengths.get(length) ?? 0) + 1);
    }
  }

  delete(selector: KeySelector, member: T): void {
    if ("key" in selector && selector.key !== undefined)
      deleteFrom(this.byKey, selector.key, member);
    else if ("prefix" in selector && deleteFrom(this.byPrefix, selector.prefix, member)) {
      const { length } = selector.prefix;
      const count = (this.lengths.get(length) ?? 0) - 1;
      if (count > 0) this.lengths.set(length, count);
      else this.lengths.delete(length);
    }
  }

  forEach(key: string, fn: (member: T) => void): void {
    for (const member of this.byKey.get(key) ?? []) fn(member);
    for (const length of this.lengths.keys()) {
      if (length > key.length) continue;
      for (const member of this.byPrefix.get(key.slice(0, length)) ?? []) fn(member);
    }
  }
}

/** True for the first member. */
function addTo<T>(sets: Map<string, Set<T>>, key: string, member: T): boolean {
  const set = sets.get(key);
  set?.add(member);
  if (set === undefined) sets.set(key, new Set([member]));
  return set === undefined;
}

/** True when it was the last member. */
function deleteFrom<T>(sets: Map<string, Set<T>>, key: string, member: T): boolean {
  const set = sets.get(key);
  if (set === undefined || !set.delete(member) || set.size > 0) return false;
  sets.delete(key);
  return true;
}
