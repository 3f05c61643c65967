import type { TransportHandlers } from "../transport.ts";

/** Hears what a transport tells, and waits for it. */
export class Ear implements TransportHandlers {
  isOpen = false;
  readonly got: Uint8Array[] = [];
  end: { number: number | undefined; reason: string; untrusted: boolean } | undefined;
  private readonly waiting = new Set<() => void>();

  opened(): void {
    this.isOpen = true;
    this.told();
  }

  received(message: Uint8Array): void {
    this.got.push(message);
    this.told();
  }

  closed(number: number | undefined, reason: string, untrusted = false): void {
    if (this.end !== undefined) throw new Error(`closed twice: ${reason}`);
    this.end = { number, reason, untrusted };
    this.told();
  }

  /** Resolves when it is so, which something told here makes it. */
  async until(so: () => boolean): Promise<void> {
    while (!so()) await new Promise<void>((resolve) => this.waiting.add(resolve));
  }

  private told(): void {
    for (const resolve of this.waiting) resolve();
    this.waiting.clear();
  }
}
