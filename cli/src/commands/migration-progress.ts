import { barText, sizeText } from "../api/bytes-text.ts";
import type { Migration, Moved } from "../api/migrations.ts";
import type { CliIo } from "../cli-io.ts";

const BAR = 24;

/**
 * How migrations come along: a line that is written over on a terminal, and elsewhere a line for each phase that a
 * world comes to.
 */
export class MigrationProgress {
  private readonly io: CliIo;
  /** Behind the line, on a terminal: what else is to be said. */
  private rest = "";
  private isShown = false;
  /** What was said last of each shard. */
  private readonly phases = new Map<string, string>();

  constructor(io: CliIo) {
    this.io = io;
  }

  /** For the lines from now on, as in "3 more wait". */
  also(rest: string): void {
    this.rest = rest;
  }

  show(migration: Migration): void {
    const { shard, progress, world, to } = migration;
    const phase = progress?.phase ?? "asked";
    const key = `${migration.id} ${phase}`;
    if (this.io.live === true) {
      const rest = this.rest === "" ? "" : `; ${this.rest}`;
      const line = `${world} to ${to} ${barText(shareOf(migration), BAR)} ${phaseText(migration)}${rest}`;
      this.io.talk(`\r${line.slice(0, this.io.width - 1)}\u001b[K`);
      this.isShown = true;
    } else if (this.phases.get(shard) !== key) {
      this.phases.set(shard, key);
      this.io.talk(`${world} to ${to}: ${phaseText(migration)}\n`);
    }
  }

  /** Takes the line away. */
  end(): void {
    if (this.isShown) this.io.talk("\r\u001b[K");
    this.isShown = false;
  }
}

/** How much of the work is done: the copy is nearly all of it. */
function shareOf({ progress }: Migration): number {
  if (progress === undefined || progress.phase === "preparing") return 0;
  if (progress.phase !== "copying") return 1;
  return progress.totalBytes === 0 ? 0 : progress.bytes / progress.totalBytes;
}

/** `copying, 0.5 of 1.0 MiB`. */
export function phaseText({ progress }: Migration): string {
  if (progress === undefined) return "asked for";
  const { phase, bytes, totalBytes, lagTicks } = progress;
  if (phase === "copying" && totalBytes > 0)
    return `copying, ${sizeText(bytes)} of ${sizeText(totalBytes)}`;
  if (phase === "following")
    return `following, ${lagTicks} ${lagTicks === 1 ? "tick" : "ticks"} behind`;
  return phase;
}

/** The end of one as a sentence. */
export function movedText({ world, from, to, outcome, problem, started, ended, ...rest }: Moved) {
  // Not that it stays where it was: that node may be lost, or the world switched off.
  if (outcome !== "moved")
    return `${world} did not move from ${from} to ${to}: ${problem.replace(/\.$/, "")}.`;
  const seconds = Math.max(0, (Date.parse(ended) - Date.parse(started)) / 1000).toFixed(1);
  const { gapMs, bytes } = rest;
  const gap = gapMs === undefined ? "" : `; it stood still for ${gapMs} ms`;
  const sent = bytes === undefined ? "" : `, ${sizeText(bytes)} were sent`;
  return `${world} moved from ${from} to ${to} in ${seconds} s${gap}${sent}.`;
}
