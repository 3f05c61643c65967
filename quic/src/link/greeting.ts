import {
  clipText,
  decodeCbor,
  encodeCbor,
  type LinkVersions,
  MAX_NAME_BYTES,
  type Peer,
  textBytes,
  wireInteger,
} from "@atlasnet/core";

/**
 * The first frame of each side. Its form never changes, so that nodes of any two versions understand
 * each other this far; entries that are not known are passed over.
 */
export interface Hello {
  readonly versions: LinkVersions;
  readonly role: Peer["role"];
  readonly node: string;
  /** Drawn anew by every process: tells a restarted node from one that came back. */
  readonly boot: Uint8Array;
  /** Counts the links this process dialled; 0 from the side that was dialled. */
  readonly dial: number;
  /** For logs. */
  readonly software: string;
  /** What this side takes: the other keeps to it. */
  readonly maxQueuedBytes: number;
  readonly maxChannels: number;
  readonly maxDatagramBytes: number;
}

/** Sent once the peer's hello was found good. */
export interface Welcome {
  readonly version: number;
}

export const BOOT_BYTES = 16;
const MAX_SOFTWARE_BYTES = 64;
const SCAN_LIMITS = { maxDepth: 4, maxItems: 100 } as const;

type Read<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; problem: string };

export function encodeHello(hello: Hello): Uint8Array {
  return encodeCbor({
    versions: hello.versions,
    role: hello.role,
    node: hello.node,
    boot: hello.boot,
    dial: wireInteger(hello.dial),
    software: clipText(hello.software, MAX_SOFTWARE_BYTES),
    maxQueuedBytes: wireInteger(hello.maxQueuedBytes),
    maxChannels: hello.maxChannels,
    maxDatagramBytes: hello.maxDatagramBytes,
  }).slice();
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  return encodeCbor({ version: welcome.version }).slice();
}

export function decodeHello(bytes: Uint8Array): Read<Hello> {
  const map = entriesOf(bytes);
  const versions = recordOf(map.get("versions"));
  const role = map.get("role");
  const node = map.get("node");
  const boot = map.get("boot");
  const software = map.get("software");
  const oldest = versions.get("oldest");
  const newest = versions.get("newest");
  if (!isCount(oldest) || !isCount(newest) || oldest > newest)
    return bad("versions {oldest, newest} are needed");
  if (role !== "proxy" && role !== "gameserver" && role !== "apiserver")
    return bad("role: proxy, gameserver or apiserver is needed");
  if (typeof node !== "string" || node === "" || textBytes(node) > MAX_NAME_BYTES)
    return bad(`node: a name of 1 to ${MAX_NAME_BYTES} bytes is needed`);
  if (!(boot instanceof Uint8Array) || boot.length !== BOOT_BYTES)
    return bad(`boot: ${BOOT_BYTES} bytes are needed`);
  const counts: number[] = [];
  for (const key of ["dial", "maxQueuedBytes", "maxChannels", "maxDatagramBytes"]) {
    const value = map.get(key);
    if (!isCount(value)) return bad(`${key}: an integer from 0 is needed`);
    counts.push(value);
  }
  const [dial = 0, maxQueuedBytes = 0, maxChannels = 0, maxDatagramBytes = 0] = counts;
  return {
    ok: true,
    value: {
      versions: { oldest, newest },
      role,
      node,
      // A copy: a view would keep what it came in.
      boot: Uint8Array.from(boot),
      dial,
      software: typeof software === "string" ? clipText(software, MAX_SOFTWARE_BYTES) : "",
      maxQueuedBytes,
      maxChannels,
      maxDatagramBytes,
    },
  };
}

export function decodeWelcome(bytes: Uint8Array): Read<Welcome> {
  const version = entriesOf(bytes).get("version");
  if (!isCount(version)) return bad("version: an integer is needed");
  return { ok: true, value: { version } };
}

function entriesOf(bytes: Uint8Array): ReadonlyMap<string, unknown> {
  const decoded = decodeCbor(bytes, SCAN_LIMITS);
  return recordOf(decoded.ok ? decoded.value : undefined);
}

function recordOf(value: unknown): ReadonlyMap<string, unknown> {
  const isMap = typeof value === "object" && value !== null && !Array.isArray(value);
  return new Map(isMap ? Object.entries(value) : []);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function bad(problem: string): { readonly ok: false; problem: string } {
  return { ok: false, problem };
}
