import type { Conditions } from "./conditions.ts";
import { Draw, draw, type PathKey } from "./draw.ts";

/**
 * Which packets of a path are lost. A chain of two states (Gilbert): whether a packet is lost depends
 * on its own draw and on whether the one before it was. The share of lost packets is `loss` for
 * every `burst`.
 */
export class LossChain {
  private readonly path: PathKey;
  private lost = false;

  constructor(path: PathKey) {
    this.path = path;
  }

  /** Asked once for every packet, in order. */
  next(n: number, { loss, burst, seed }: Conditions): boolean {
    // Below the mean run of chance (1 / (1 − loss)) this makes both states equal: independence.
    const leave = Math.min(1 / burst, 1 - loss);
    const enter = loss === 1 ? 1 : (leave * loss) / (1 - loss);
    this.lost = draw(seed, this.path, n, Draw.loss) < (this.lost ? 1 - leave : enter);
    return this.lost;
  }
}
