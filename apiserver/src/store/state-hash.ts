import type { KeyValue } from "@atlasnet/core";

/**
 * A hash of a set, kept up to date in time that does not depend on its size: the sum of the hashes of its
 * members. It finds replicas that went apart by a fault; it is no defence against somebody who wants two
 * states to look alike.
 */
export class StateHash {
  private a = 0;
  private b = 0;

  add(member: HashLanes): void {
    this.a = (this.a + member.a) >>> 0;
    this.b = (this.b + member.b) >>> 0;
  }

  remove(member: HashLanes): void {
    this.a = (this.a - member.a) >>> 0;
    this.b = (this.b - member.b) >>> 0;
  }

  /** 16 hexadecimal digits. */
  toString(): string {
    return hex(this.a) + hex(this.b);
  }
}

/** Two hashes of 32 bits over the same things. */
export class HashLanes {
  a = 0x811c9dc5;
  b = 0x9747b28c;

  text(text: string): this {
    for (let i = 0; i < text.length; i++) this.step(text.charCodeAt(i));
    return this.number(text.length);
  }

  bytes(bytes: Uint8Array): this {
    let { a, b } = this;
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i] ?? 0;
      a = Math.imul(a ^ byte, 0x01000193);
      b = Math.imul((b << 5) ^ (b >>> 27) ^ byte, 0x85ebca6b);
    }
    this.a = a >>> 0;
    this.b = b >>> 0;
    return this.number(bytes.length);
  }

  number(value: number): this {
    this.step(value >>> 0);
    this.step(Math.floor(value / 2 ** 32));
    // So that neighbours do not look alike: sums of members must not cancel out.
    this.a = mix(this.a);
    this.b = mix(this.b ^ this.a);
    return this;
  }

  private step(unit: number): void {
    this.a = Math.imul(this.a ^ unit, 0x01000193) >>> 0;
    this.b = Math.imul((this.b << 5) ^ (this.b >>> 27) ^ unit, 0x85ebca6b) >>> 0;
  }
}

export function hashItem(item: KeyValue): HashLanes {
  return new HashLanes()
    .text(item.key)
    .bytes(item.value)
    .number(item.created)
    .number(item.modified)
    .number(item.version);
}

function mix(lane: number): number {
  const z = Math.imul(lane ^ (lane >>> 16), 0x21f0aaad);
  return (z ^ (z >>> 15)) >>> 0;
}

function hex(lane: number): string {
  return lane.toString(16).padStart(8, "0");
}
