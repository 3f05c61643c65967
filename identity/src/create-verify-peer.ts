import { fingerprintOf, MAX_CERTIFICATE_BYTES } from "./certificate.ts";
import { datesProblem, type Judged, judgeLeaf, readAuthorities } from "./trust.ts";
import type { VerifyPeer } from "./verify-peer.ts";

/** Certificates whose signature is remembered; beyond it the oldest is forgotten, and checked again. */
const MAX_REMEMBERED = 1024;

/**
 * Checks peers of one cluster against its CA certificates (PEM, one or more). A node's certificate stands
 * directly below a CA: what else a peer sends is not looked at. The result never throws, whatever the bytes;
 * dates are judged at every call, signatures once per certificate.
 * @throws OperatingError "bad-authorities"
 */
export function createVerifyPeer(authorities: string, cluster: string): VerifyPeer {
  const trusted = readAuthorities(authorities);
  // Only good ones are kept, so a stranger cannot push them out.
  const remembered = new Map<string, Extract<Judged, { ok: true }>>();
  const judge = (der: Uint8Array): Judged => {
    if (der.length > MAX_CERTIFICATE_BYTES) return judgeLeaf(der, trusted);
    const fingerprint = fingerprintOf(der);
    const known = remembered.get(fingerprint);
    if (known !== undefined) return known;
    const judged = judgeLeaf(der, trusted);
    if (judged.ok) {
      remembered.set(fingerprint, judged);
      if (remembered.size > MAX_REMEMBERED)
        for (const [oldest] of remembered) {
          remembered.delete(oldest);
          break;
        }
    }
    return judged;
  };
  return (chain, now) => {
    const [own] = chain;
    if (own === undefined || own.length === 0)
      return { ok: false, code: "no-certificate", reason: "the peer showed no certificate" };
    const judged = judge(own);
    if (!judged.ok) return judged;
    const { leaf } = judged;
    const { role, node } = leaf;
    if (role === "ca")
      return {
        ok: false,
        code: "bad-certificate",
        reason: "the certificate is that of the join server, which takes no part in links",
      };
    if (leaf.cluster !== cluster)
      return {
        ok: false,
        code: "other-cluster",
        reason: `the certificate is that of ${role} ${node} of cluster ${leaf.cluster}, here is ${cluster}`,
      };
    const dates = datesProblem(leaf, now);
    if (dates !== undefined) return { ok: false, ...dates };
    return { ok: true, peer: { cluster, role, node, notAfter: leaf.certificate.notAfter } };
  };
}
