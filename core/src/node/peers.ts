import { OperatingError } from "../errors.ts";
import type { NodeAddress } from "./cluster-links.ts";

const PEER = /^([^=]+)=(?:\[([^\]]+)\]|([^:]+)):(\d+)$/;

/** What a setting of peers says of itself when something is wrong with it. */
export interface PeersSetting {
  readonly path: string;
  /** Why there has to be one, and how to name it. */
  readonly missing: { readonly problem: string; readonly hint: string };
  /** What an entry is. */
  readonly hint: string;
}

/**
 * Nodes by id from entries `NODE=HOST:PORT`, an IPv6 address in brackets.
 * @throws OperatingError "no-peers", "bad-peer"
 */
export function parsePeers(
  entries: readonly string[],
  { path, missing, hint }: PeersSetting,
): ReadonlyMap<string, NodeAddress> {
  if (entries.length === 0)
    throw new OperatingError("no-peers", `${path}: ${missing.problem}`, { hint: missing.hint });
  const badPeer = (entry: string, problem: string) =>
    new OperatingError("bad-peer", `${path}: found "${entry}", ${problem}`, { hint });
  const peers = new Map<string, NodeAddress>();
  for (const entry of entries) {
    const [, node, bracketed, plain, digits] = PEER.exec(entry) ?? [];
    const host = bracketed ?? plain;
    const port = Number(digits);
    if (node === undefined || host === undefined || port < 1 || port > 65_535)
      throw badPeer(entry, "allowed: NODE=HOST:PORT with a port from 1 to 65535");
    if (peers.has(node)) throw badPeer(entry, `node ${node} is named twice`);
    peers.set(node, { host, port });
  }
  return peers;
}
