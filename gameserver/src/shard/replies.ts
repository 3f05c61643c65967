import { clipText, MAX_REASON_BYTES, type ToProxy } from "@atlasnet/core";
import type { CloseCode } from "@atlasnet/world";
import type { ShardOptions } from "./shard-options.ts";

export interface Addressed {
  peer: number;
  message: ToProxy;
}

/** What the shard has to say to proxies besides the tick's batches. Nothing leaves before the tick's end. */
export class Replies {
  private readonly options: ShardOptions;
  private early: Addressed[] = [];
  private late: Addressed[] = [];

  constructor(options: ShardOptions) {
    this.options = options;
  }

  get waiting(): boolean {
    return this.early.length > 0;
  }

  /** Goes out before the tick's batches. */
  send(peer: number, message: ToProxy): void {
    this.early.push({ peer, message });
  }

  close(peer: number, attach: number, code: CloseCode, reason: string): void {
    const { shard, epoch } = this.options;
    const text = clipText(reason, MAX_REASON_BYTES);
    this.send(peer, { type: "closed", shard, epoch, attach, code, reason: text });
  }

  /** Goes out behind the batches: what was sent before it comes first. */
  transfer(peer: number, attach: number, world: string): void {
    const { shard, epoch } = this.options;
    this.late.push({ peer, message: { type: "transfer", shard, epoch, attach, world } });
  }

  takeEarly(): Addressed[] {
    const taken = this.early;
    this.early = [];
    return taken;
  }

  takeLate(): Addressed[] {
    const taken = this.late;
    this.late = [];
    return taken;
  }
}
