import { MAX_MULTICAST_BYTES, MULTICAST_VERSION } from "./multicast.ts";

/** A server's figures of the last second, sent to the group once a second as JSON. */
export interface Announcement {
  readonly v: number;
  /** Id of the server. */
  readonly server: string;
  /** Counts the announcements since the server's start, from 1. */
  readonly seq: number;
  /** Clients attached to all worlds; those in grace, and watchers, do not count. */
  readonly connected_clients: number;
  /** Inputs and messages of clients that all worlds applied, per second. */
  readonly events_per_sec: number;
  /** Ticks per second of the slowest world that ticks all the time; without one, of the fastest other. */
  readonly tick_hz: number;
  /** The worlds with the most clients, as many as fit. */
  readonly worlds: readonly WorldFigures[];
  /** Worlds left out of `worlds`. */
  readonly more_worlds: number;
  /** `host:port` that fills gaps over HTTP; without a host, the address this came from. */
  readonly tcp: string;
}

export interface WorldFigures {
  readonly name: string;
  readonly connected_clients: number;
  readonly events_per_sec: number;
  readonly tick_hz: number;
}

/** Most worlds an announcement names. */
export const MAX_ANNOUNCED_WORLDS = 16;
const SERVER = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;
const WORLD = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
const TCP = /^([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])?:\d{1,5}$/;

/** An announcement's bytes, at most MAX_MULTICAST_BYTES: worlds at the end that do not fit are left out. */
export function encodeAnnouncement(announcement: Announcement): Uint8Array {
  const all = announcement.worlds;
  for (let kept = Math.min(all.length, MAX_ANNOUNCED_WORLDS); ; kept--) {
    const more_worlds = announcement.more_worlds + all.length - kept;
    const text = JSON.stringify({ ...announcement, worlds: all.slice(0, kept), more_worlds });
    const bytes = new TextEncoder().encode(text);
    if (bytes.length <= MAX_MULTICAST_BYTES || kept === 0) return bytes;
  }
}

/** True for a datagram that can only be an announcement. */
export function looksLikeAnnouncement(bytes: Uint8Array): boolean {
  return bytes[0] === 0x7b;
}

/** Reads an announcement of whoever is on the LAN; undefined for what is none. */
export function decodeAnnouncement(bytes: Uint8Array): Announcement | undefined {
  if (bytes.length > MAX_MULTICAST_BYTES) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    // Neither UTF-8 nor JSON: not an announcement.
    return undefined;
  }
  const fields = fieldsOf(value);
  const figures = readFigures(fields);
  const server = matching(fields["server"], SERVER);
  const tcp = matching(fields["tcp"], TCP);
  const seq = figure(fields["seq"]);
  const more = figure(fields["more_worlds"]);
  const worlds = readWorlds(fields["worlds"]);
  if (fields["v"] !== MULTICAST_VERSION || figures === undefined || worlds === undefined)
    return undefined;
  if (server === undefined || tcp === undefined || seq === undefined || more === undefined)
    return undefined;
  return { v: MULTICAST_VERSION, server, seq, ...figures, worlds, more_worlds: more, tcp };
}

function readWorlds(value: unknown): WorldFigures[] | undefined {
  if (!Array.isArray(value) || value.length > MAX_ANNOUNCED_WORLDS) return undefined;
  const worlds: WorldFigures[] = [];
  for (const item of value) {
    const fields = fieldsOf(item);
    const name = matching(fields["name"], WORLD);
    const figures = readFigures(fields);
    if (name === undefined || figures === undefined) return undefined;
    worlds.push({ name, ...figures });
  }
  return worlds;
}

function readFigures(fields: { readonly [key: string]: unknown }) {
  const connected_clients = figure(fields["connected_clients"]);
  const events_per_sec = figure(fields["events_per_sec"]);
  const tick_hz = figure(fields["tick_hz"]);
  return connected_clients === undefined || events_per_sec === undefined || tick_hz === undefined
    ? undefined
    : { connected_clients, events_per_sec, tick_hz };
}

function fieldsOf(value: unknown): { readonly [key: string]: unknown } {
  return typeof value === "object" && value !== null
    ? Object.fromEntries(Object.entries(value))
    : {};
}

function figure(value: unknown): number | undefined {
  return typeof value === "number" && value >= 0 && value <= Number.MAX_SAFE_INTEGER
    ? value
    : undefined;
}

function matching(value: unknown, pattern: RegExp): string | undefined {
  return typeof value === "string" && pattern.test(value) ? value : undefined;
}
