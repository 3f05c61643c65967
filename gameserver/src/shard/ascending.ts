/**
 * Gives keys with their values in ascending order, one at a time. A heap: who reads a part at a time does not
 * wait at the beginning until all is sorted. Keys are numbers, or texts in the order of `sort()`.
 */
export class Ascending<K extends number | string, V> {
  private readonly keys: K[];
  private readonly values: V[];

  /** Owns the arrays from here on: the value of each key stands where the key does. */
  constructor(keys: K[], values: V[]) {
    this.keys = keys;
    this.values = values;
    for (let at = (keys.length >> 1) - 1; at >= 0; at--) this.sink(at);
  }

  next(): readonly [K, V] | undefined {
    const { keys, values } = this;
    const [key] = keys;
    const [value] = values;
    const lastKey = keys.pop();
    const lastValue = values.pop();
    if (key === undefined || lastKey === undefined) return undefined;
    const taken = [key, value as V] as const;
    if (keys.length > 0) {
      keys[0] = lastKey;
      values[0] = lastValue as V;
      this.sink(0);
    }
    return taken;
  }

  private sink(from: number): void {
    const { keys, values } = this;
    const key = keys[from] as K;
    const value = values[from] as V;
    let at = from;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= keys.length) break;
      if (child + 1 < keys.length && (keys[child + 1] as K) < (keys[child] as K)) child += 1;
      if (key <= (keys[child] as K)) break;
      keys[at] = keys[child] as K;
      values[at] = values[child] as V;
      at = child;
    }
    keys[at] = key;
    values[at] = value;
  }
}
