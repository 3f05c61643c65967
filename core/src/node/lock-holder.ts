/** Who holds a data directory, as the lock file says. */
export interface LockHolder {
  pid: number;
  host: string;
  /** Different for every taking of a lock. */
  token: string;
  /** Milliseconds since 1970. */
  takenAtMs: number;
}

/** What this process knows about itself and its machine. */
export interface LockFacts {
  pid: number;
  host: string;
  /** When the machine was started, milliseconds since 1970. */
  bootedAtMs: number;
  /** Whether a process of that number runs on this machine. */
  isAlive(pid: number): boolean;
  /** Whether this process took the lock of that token itself. */
  isOwn(token: string): boolean;
}

/** Clocks are set now and then: only a lock this much older than the machine's start is surely so. */
const BOOT_SLACK_MS = 60_000;

/**
 * Whether a lock still counts. `held`: its process runs. `stale`: it is gone. `unknown`: it is on
 * another machine (or in another container, where process numbers mean nothing here), so only its
 * signs of life can tell. Pure.
 */
export function judgeLock(holder: LockHolder, facts: LockFacts): "held" | "stale" | "unknown" {
  if (facts.isOwn(holder.token)) return "held";
  if (holder.host !== facts.host) return "unknown";
  // The number may long belong to another program, or to ourselves, as 1 does in a container.
  if (holder.takenAtMs < facts.bootedAtMs - BOOT_SLACK_MS) return "stale";
  if (holder.pid === facts.pid) return "stale";
  return facts.isAlive(holder.pid) ? "held" : "stale";
}

/** Undefined when it is not a lock file, such as one whose writer died in the middle. */
export function parseLock(text: string): LockHolder | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  const { pid, host, token, takenAtMs }: { [key: string]: unknown } = { ...value };
  if (typeof pid !== "number" || !Number.isInteger(pid) || pid < 1) return undefined;
  if (typeof host !== "string" || typeof token !== "string") return undefined;
  return typeof takenAtMs === "number" ? { pid, host, token, takenAtMs } : undefined;
}
