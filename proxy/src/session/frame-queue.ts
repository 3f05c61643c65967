import type { FeedOutput } from "./client-feed.ts";

/**
 * What goes out with a batch: all frames are made before the first is sent, because each system
 * call drives what the making reads out of the processor's caches. Bounded by one batch's frames.
 */
export class FrameQueue {
  private readonly outputs: FeedOutput[] = [];
  private readonly frames: Uint8Array[] = [];

  put(output: FeedOutput, frames: Uint8Array): void {
    this.outputs.push(output);
    this.frames.push(frames);
  }

  /** Sends all that was put, in that order. True when a socket holds frames, whose bytes have to stay as they are. */
  send(): boolean {
    const { outputs, frames } = this;
    let held = false;
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs[i];
      const bytes = frames[i];
      if (output === undefined || bytes === undefined) continue;
      output.sendFrames(bytes);
      // Where updates go apart, frames are copied.
      if (output.updates === undefined && output.backlogBytes > 0) held = true;
    }
    outputs.length = 0;
    frames.length = 0;
    return held;
  }
}
