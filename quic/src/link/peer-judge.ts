import { commonLinkVersion, type LinkVersions, type Peer } from "@atlasnet/core";
import type { PeerIdentity, VerifyPeer } from "@atlasnet/identity";
import type { Hello } from "./greeting.ts";

/** Who this node is and whom it meets: what a peer is judged by. */
export interface Meeting {
  readonly self: Peer;
  readonly accepts: readonly Peer["role"][];
  readonly versions: LinkVersions;
  /** Whom we dialled; undefined on the side that was dialled. */
  readonly wanted: Peer | undefined;
  /** Where the peer is, `address:port`. */
  readonly remote: string;
}

export type Judgement<T> =
  | { readonly ok: true; readonly value: T }
  /** For people of either side: names both. */
  | { readonly ok: false; readonly reason: string };

/** Whether the peer's certificate is good, and that of somebody we take links from or wanted to reach. */
export function judgeCertificate(
  chain: readonly Uint8Array[],
  meeting: Meeting,
  verify: { readonly verifyPeer: VerifyPeer; readonly now: number },
): Judgement<PeerIdentity> {
  const { self, accepts, wanted, remote } = meeting;
  const us = `${self.role} ${self.node}`;
  const verified = checkChain(chain, verify);
  if (!verified.ok) return no(`${us}: ${verified.reason} (${verified.code})`);
  const { peer } = verified;
  if (peer.node === self.node)
    return no(
      `${us}: the peer's certificate names this very node: every node needs an id of its own`,
    );
  if (wanted !== undefined && peer.node !== wanted.node)
    return no(
      `${us}: at ${remote} it looked for node ${wanted.node}, but node ${peer.node} answered: check the address of ${wanted.node}`,
    );
  if (wanted !== undefined && peer.role !== wanted.role)
    return no(
      `${us}: wrong role: node ${peer.node} at ${remote} is a ${peer.role}, not a ${wanted.role}`,
    );
  if (!accepts.includes(peer.role))
    return no(
      `${us}: wrong role: ${peer.node} is a ${peer.role}, links are taken with ${accepts.join(", ")} only`,
    );
  return { ok: true, value: peer };
}

/** Whether the peer says who its certificate says it is, and which version both speak. */
export function judgeHello(
  hello: Hello,
  identity: PeerIdentity,
  { self, versions }: Meeting,
): Judgement<number> {
  const us = `${self.role} ${self.node}`;
  if (hello.node !== identity.node || hello.role !== identity.role)
    return no(
      `${us}: the peer calls itself ${hello.role} ${hello.node}, its certificate says ${identity.role} ${identity.node}`,
    );
  const version = commonLinkVersion(versions, hello.versions);
  if (version === undefined)
    return no(
      `${us}: incompatible version: it speaks link versions ${range(versions)}, ${hello.role} ${hello.node} (${hello.software}) speaks ${range(hello.versions)}: upgrade the older node`,
    );
  return { ok: true, value: version };
}

/** Whatever is wrong with a certificate concerns its own link only, also where the check did not expect it. */
function checkChain(
  chain: readonly Uint8Array[],
  { verifyPeer, now }: { readonly verifyPeer: VerifyPeer; readonly now: number },
): ReturnType<VerifyPeer> {
  try {
    return verifyPeer(chain, now);
  } catch (error) {
    const reason = `the peer's certificate cannot be read: ${error instanceof Error ? error.message : String(error)}`;
    return { ok: false, code: "bad-certificate", reason };
  }
}

function range({ oldest, newest }: LinkVersions): string {
  return oldest === newest ? `${oldest}` : `${oldest} to ${newest}`;
}

function no(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}
