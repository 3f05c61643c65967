/** Most entries of a node; one that is below a quarter joins a neighbour where both fit. */
const MAX_ENTRIES = 64;
const FEW_ENTRIES = MAX_ENTRIES / 4;

interface Leaf<V> {
  readonly type: "leaf";
  readonly owner: object;
  readonly keys: string[];
  readonly values: V[];
}

interface Inner<V> {
  readonly type: "inner";
  readonly owner: object;
  /** keys[i] is at most the lowest key below children[i], and above all below children[i − 1]. */
  readonly keys: string[];
  readonly children: Node<V>[];
}

type Node<V> = Leaf<V> | Inner<V>;

/** Entries in the order of their keys (UTF-16 units) that do not change. */
export class OrderedView<V> {
  protected root: Node<V>;
  protected count: number;

  protected constructor(root: Node<V>, count: number) {
    this.root = root;
    this.count = count;
  }

  get size(): number {
    return this.count;
  }

  get(key: string): V | undefined {
    let node = this.root;
    while (node.type === "inner") node = childFor(node, key);
    const at = lowerBound(node.keys, key);
    return node.keys[at] === key ? node.values[at] : undefined;
  }

  /** Calls `fn` for each key from `from` on, in order, until it returns false. The map must not change. */
  visit(from: string, fn: (value: V, key: string) => boolean): void {
    visitNode(this.root, from, fn);
  }
}

/**
 * A B+ tree with copy on write: `freeze` takes constant time, and after it each node is copied when it is
 * first written to. So a checkpoint reads a state of the past while the map goes on.
 */
export class OrderedMap<V> extends OrderedView<V> {
  /** Nodes that carry it are not shared with a frozen view. */
  private owner: object;
  private replaced: V | undefined;

  constructor() {
    const owner = {};
    super({ type: "leaf", owner, keys: [], values: [] }, 0);
    this.owner = owner;
  }

  /** The present state, which stays as it is. */
  freeze(): OrderedView<V> {
    this.owner = {};
    return new FrozenView(this.root, this.count);
  }

  /** Returns what stood there before. */
  set(key: string, value: V): V | undefined {
    this.replaced = undefined;
    const root = this.insert(this.root, key, value);
    const right = this.split(root);
    this.root =
      right === undefined
        ? root
        : {
            type: "inner",
            owner: this.owner,
            keys: [lowestKey(root), lowestKey(right)],
            children: [root, right],
          };
    if (this.replaced === undefined) this.count += 1;
    return this.replaced;
  }

  /** Returns what stood there. */
  delete(key: string): V | undefined {
    const old = this.get(key);
    if (old === undefined) return undefined;
    let root = this.remove(this.root, key);
    while (root.type === "inner" && root.children.length === 1) root = root.children[0] ?? root;
    this.root = root;
    this.count -= 1;
    return old;
  }

  private insert(shared: Node<V>, key: string, value: V): Node<V> {
    const node = this.own(shared);
    if (node.type === "leaf") {
      const at = lowerBound(node.keys, key);
      if (node.keys[at] === key) {
        this.replaced = node.values[at];
        node.values[at] = value;
      } else {
        node.keys.splice(at, 0, key);
        node.values.splice(at, 0, value);
      }
      return node;
    }
    const at = childIndex(node, key);
    // The bound of the first child follows it down: a split of it would stand below otherwise.
    if (key < (node.keys[at] ?? "")) node.keys[at] = key;
    const child = this.insert(node.children[at] ?? node, key, value);
    node.children[at] = child;
    const right = this.split(child);
    if (right !== undefined) {
      node.keys.splice(at + 1, 0, lowestKey(right));
      node.children.splice(at + 1, 0, right);
    }
    return node;
  }

  private remove(shared: Node<V>, key: string): Node<V> {
    const node = this.own(shared);
    if (node.type === "leaf") {
      const at = lowerBound(node.keys, key);
      node.keys.splice(at, 1);
      node.values.splice(at, 1);
      return node;
    }
    const at = childIndex(node, key);
    const child = this.remove(node.children[at] ?? node, key);
    node.children[at] = child;
    if (child.keys.length < FEW_ENTRIES) {
      if (!this.join(node, at)) this.join(node, at - 1);
      if (child.keys.length === 0 && node.children[at] === child && node.children.length > 1) {
        node.keys.splice(at, 1);
        node.children.splice(at, 1);
      }
    }
    return node;
  }

  /** Puts the child behind `at` into the one at `at`, where both fit. */
  private join(node: Inner<V>, at: number): boolean {
    const left = node.children[at];
    const right = node.children[at + 1];
    if (left === undefined || right === undefined) return false;
    if (left.keys.length + right.keys.length > MAX_ENTRIES) return false;
    const joined = this.own(left);
    if (joined.type === "leaf" && right.type === "leaf") {
      joined.keys.push(...right.keys);
      joined.values.push(...right.values);
    } else if (joined.type === "inner" && right.type === "inner") {
      // Keys below the right node's own first bound may come to it later, down to the separator.
      joined.keys.push(node.keys[at + 1] ?? lowestKey(right), ...right.keys.slice(1));
      joined.children.push(...right.children);
    }
    node.children[at] = joined;
    node.keys.splice(at + 1, 1);
    node.children.splice(at + 1, 1);
    return true;
  }

  /** Cuts a node that is too full and gives its upper half. */
  private split(node: Node<V>): Node<V> | undefined {
    if (node.keys.length <= MAX_ENTRIES) return undefined;
    const half = node.keys.length >> 1;
    const { owner } = this;
    const keys = node.keys.splice(half);
    return node.type === "leaf"
      ? { type: "leaf", owner, keys, values: node.values.splice(half) }
      : { type: "inner", owner, keys, children: node.children.splice(half) };
  }

  private own(node: Node<V>): Node<V> {
    const { owner } = this;
    if (node.owner === owner) return node;
    return node.type === "leaf"
      ? { type: "leaf", owner, keys: node.keys.slice(), values: node.values.slice() }
      : { type: "inner", owner, keys: node.keys.slice(), children: node.children.slice() };
  }
}

class FrozenView<V> extends OrderedView<V> {
  constructor(root: Node<V>, count: number) {
    super(root, count);
  }
}

function visitNode<V>(
  node: Node<V>,
  from: string,
  fn: (value: V, key: string) => boolean,
): boolean {
  if (node.type === "leaf") {
    for (let at = lowerBound(node.keys, from); at < node.keys.length; at++) {
      const key = node.keys[at];
      const value = node.values[at];
      if (key !== undefined && value !== undefined && !fn(value, key)) return false;
    }
    return true;
  }
  for (let at = childIndex(node, from); at < node.children.length; at++) {
    const child = node.children[at];
    if (child !== undefined && !visitNode(child, from, fn)) return false;
  }
  return true;
}

function childFor<V>(node: Inner<V>, key: string): Node<V> {
  return node.children[childIndex(node, key)] ?? node;
}

/** The child that has `key`, if any has: the last whose bound is not above it. */
function childIndex<V>(node: Inner<V>, key: string): number {
  const at = lowerBound(node.keys, key);
  return node.keys[at] === key ? at : Math.max(0, at - 1);
}

/** The first index whose key is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] ?? "") < key) low = middle + 1;
    else high = middle;
  }
  return low;
}

function lowestKey<V>(node: Node<V>): string {
  return node.keys[0] ?? "";
}
