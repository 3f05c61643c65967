import { decodeCbor, encodeCbor, isNodeName, MAX_ADDRESS_BYTES } from "@atlasnet/core";
import type { NodeAddress } from "@atlasnet/core/node";
import * as v from "valibot";

/** What all apiservers know of each of them. `apiservers/<id>` in the control store. */
export const APISERVERS = "apiservers/";

/**
 * - `joining`: an operator is about to add it; it is no member yet.
 * - `learner`: it gets the log and does not vote.
 * - `voter`: it is one of those that decide.
 *
 * The members are those that the Raft log names; this follows them, so that they can be watched.
 */
export type ApiserverState = "joining" | "learner" | "voter";

export interface ApiserverRecord {
  /** host:port of its links. */
  readonly address: string;
  readonly state: ApiserverState;
}

const schema = v.strictObject({
  address: v.pipe(v.string(), v.maxLength(MAX_ADDRESS_BYTES)),
  state: v.picklist(["joining", "learner", "voter"]),
});

export function apiserverKey(node: string): string {
  return `${APISERVERS}${node}`;
}

/** The apiserver that a key is about; undefined when it is about none. */
export function apiserverOfKey(key: string): string | undefined {
  const node = key.startsWith(APISERVERS) ? key.slice(APISERVERS.length) : "";
  return isNodeName(node) ? node : undefined;
}

export function encodeApiserver({ address, state }: ApiserverRecord): Uint8Array {
  return encodeCbor({ address, state }).slice();
}

/** Undefined for what is no such record. */
export function decodeApiserver(bytes: Uint8Array): ApiserverRecord | undefined {
  const decoded = decodeCbor(bytes, { maxDepth: 2, maxItems: 16 });
  if (!decoded.ok) return undefined;
  const parsed = v.safeParse(schema, decoded.value);
  return parsed.success ? parsed.output : undefined;
}

const ADDRESS = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^\s:[\]/@]+)):(\d{1,5})$/;

/** `host:port`, an IPv6 address in brackets; undefined for anything else. */
export function parseLinkAddress(text: string): NodeAddress | undefined {
  const [, bracketed, plain, digits] = ADDRESS.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  const good =
    host !== undefined && text.length <= MAX_ADDRESS_BYTES && port >= 1 && port <= 65_535;
  return good ? { host, port } : undefined;
}

export function linkAddressText({ host, port }: NodeAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
