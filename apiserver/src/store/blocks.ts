const BLOCK = 256;

/** Items in the order they came, which do not change; what is shifted off or pushed later does not touch it. */
export class BlocksView<T> implements Iterable<T> {
  protected blocks: T[][];
  /** Of the first item, in the first block. */
  protected start: number;
  protected count: number;

  constructor(blocks: T[][], start: number, count: number) {
    this.blocks = blocks;
    this.start = start;
    this.count = count;
  }

  get length(): number {
    return this.count;
  }

  at(index: number): T | undefined {
    if (index < 0 || index >= this.count) return undefined;
    const place = this.start + index;
    return this.blocks[Math.floor(place / BLOCK)]?.[place % BLOCK];
  }

  *[Symbol.iterator](): Generator<T> {
    for (let index = 0; index < this.count; index++) {
      const item = this.at(index);
      if (item !== undefined) yield item;
    }
  }
}

/**
 * A queue whose items can be reached by number. A frozen view costs one reference for every 256 items:
 * blocks are only ever added to behind what the view counts.
 */
export class Blocks<T> extends BlocksView<T> {
  constructor() {
    super([], 0, 0);
  }

  push(item: T): void {
    const place = this.start + this.count;
    const block = this.blocks[Math.floor(place / BLOCK)];
    if (block === undefined) this.blocks.push([item]);
    else block.push(item);
    this.count += 1;
  }

  /** Takes the first item off. */
  shift(): T | undefined {
    const item = this.at(0);
    if (this.count === 0) return undefined;
    this.start += 1;
    this.count -= 1;
    if (this.start === BLOCK) {
      this.blocks.shift();
      this.start = 0;
    }
    return item;
  }

  clear(): void {
    this.blocks = [];
    this.start = 0;
    this.count = 0;
  }

  freeze(): BlocksView<T> {
    return new BlocksView(this.blocks.slice(), this.start, this.count);
  }
}
