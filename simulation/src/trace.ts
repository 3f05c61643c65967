/** What happened in a run as one number: equal for equal runs. FNV-1a over the text of its events. */
export class Trace {
  private hash = 0x811c9dc5;
  /** The last events, for whoever looks for where two runs part. */
  private readonly tail: string[] = [];
  private readonly keep: number;
  events = 0;

  constructor({ keep = 0 }: { readonly keep?: number } = {}) {
    this.keep = keep;
  }

  note(event: string): void {
    this.events += 1;
    let { hash } = this;
    for (let i = 0; i < event.length; i++) hash = Math.imul(hash ^ event.charCodeAt(i), 0x01000193);
    this.hash = hash >>> 0;
    if (this.keep === 0) return;
    this.tail.push(event);
    if (this.tail.length > this.keep) this.tail.shift();
  }

  get last(): readonly string[] {
    return this.tail;
  }

  toString(): string {
    return `${this.hash.toString(16).padStart(8, "0")}-${this.events}`;
  }
}
