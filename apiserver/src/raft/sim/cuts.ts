import type { Random } from "@atlasnet/core";

/** Lines between hosts that nothing comes through, each way by itself. */
export class Cuts {
  private readonly random: Random;
  private readonly lines = new Set<string>();

  constructor(random: Random) {
    this.random = random;
  }

  isCut(from: string, to: string): boolean {
    return this.lines.has(`${from}>${to}`);
  }

  /** Other lines are cut from now on: none, all of one host, some one way, or the network in two. */
  recut(ids: readonly string[]): void {
    this.mend();
    const { random } = this;
    const kind = random.float();
    const alone = ids[random.int(0, ids.length - 1)];
    const side = new Map(ids.map((id) => [id, random.float() < 0.5]));
    for (const a of ids)
      for (const b of ids) {
        const isolates = kind < 0.2 && (a === alone || b === alone);
        const deafens = kind >= 0.2 && kind < 0.3 && b === alone;
        const mutes = kind >= 0.3 && kind < 0.4 && a === alone;
        const tears = kind >= 0.4 && kind < 0.55 && random.float() < 0.3;
        const splits = kind >= 0.55 && kind < 0.7 && side.get(a) !== side.get(b);
        if (isolates || deafens || mutes || tears || splits) this.lines.add(`${a}>${b}`);
      }
  }

  mend(): void {
    this.lines.clear();
  }
}
