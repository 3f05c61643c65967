import type { SavedSession } from "./session-events.ts";

/**
 * Keeps what a client needs to return to its session after a reload. One value per key; a browser tab
 * keeps its own, so that two tabs are two players.
 */
export interface ResumeStorage {
  get(key: string): string | null;
  set(key: string, value: string): void;
  remove(key: string): void;
}

/** The part of the Web Storage API that is used. */
export interface WebStorage {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
  removeItem(key: string): void;
}

const PREFIX = "atlasnet:";

/** Keeps sessions in `sessionStorage`, or anything of its form. */
export function webResumeStorage(storage: WebStorage): ResumeStorage {
  return {
    get: (key) => storage.getItem(PREFIX + key),
    set: (key, value) => storage.setItem(PREFIX + key, value),
    remove: (key) => storage.removeItem(PREFIX + key),
  };
}

/** Keeps sessions for as long as the process runs. */
export function memoryResumeStorage(): ResumeStorage {
  const values = new Map<string, string>();
  return {
    get: (key) => values.get(key) ?? null,
    set: (key, value) => {
      values.set(key, value);
    },
    remove: (key) => {
      values.delete(key);
    },
  };
}

/** The session saved under a key; undefined when there is none, or nothing that can be read. */
export function loadSession(storage: ResumeStorage, key: string): SavedSession | undefined {
  const text = storage.get(key);
  if (text === null) return undefined;
  const value = parseJson(text);
  if (typeof value !== "object" || value === null) return undefined;
  if (!("resume" in value) || typeof value.resume !== "string") return undefined;
  if (!("attempt" in value) || typeof value.attempt !== "number") return undefined;
  const { resume, attempt } = value;
  return Number.isSafeInteger(attempt) && attempt >= 0 ? { resume, attempt } : undefined;
}

function parseJson(text: string): unknown {
  try {
    const value: unknown = JSON.parse(text);
    return value;
  } catch {
    return undefined;
  }
}

export function saveSession(storage: ResumeStorage, key: string, saved: SavedSession): void {
  storage.set(key, JSON.stringify(saved));
}

/** Forgets a session, unless another instance took it over at a higher attempt. */
export function forgetSession(storage: ResumeStorage, key: string, attempt: number): void {
  const saved = loadSession(storage, key);
  if (saved === undefined || saved.attempt <= attempt) storage.remove(key);
}
