import { NEVER } from "./deadline.ts";

/** An address that has not answered within this is not waited for. */
const ANSWER_MS = 3_000;

/**
 * The way to another server of the cluster, while the present one still serves the session but is about to stop.
 * Each other address is tried once; when none answers, the session stays until its server closes. Pure.
 */
export class Relocation {
  /** When the address that is being tried is given up, in ms; NEVER while none is. */
  giveUpAt = NEVER;
  private state: "none" | "probing" | "moving" = "none";
  private current = "";
  private untried: readonly string[] = [];

  /** A connection to another server is being opened. */
  get probing(): boolean {
    return this.state === "probing";
  }

  /** The session said hello there and waits for the welcome. */
  get moving(): boolean {
    return this.state === "moving";
  }

  /** The server asks for it. Returns the address to try; undefined when there is none, or one is being tried. */
  begin(others: readonly string[], now: number): string | undefined {
    if (this.state !== "none") return undefined;
    this.untried = others;
    return this.next(now);
  }

  /** The one that was tried came to nothing. Returns the next; undefined when that was the last. */
  next(now: number): string | undefined {
    const [url, ...rest] = this.untried;
    if (url === undefined) {
      this.stop();
      return undefined;
    }
    this.untried = rest;
    this.current = url;
    this.state = "probing";
    this.giveUpAt = now + ANSWER_MS;
    return url;
  }

  /** The one that was tried answered: the session moves. Returns its address. */
  answered(): string {
    this.state = "moving";
    this.giveUpAt = NEVER;
    return this.current;
  }

  /** It arrived, or its connection is gone. */
  stop(): void {
    this.state = "none";
    this.giveUpAt = NEVER;
    this.untried = [];
  }
}
