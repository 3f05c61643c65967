import { OperatingError } from "@atlasnet/core";
import {
  certificatesOf,
  dateText,
  type ParsedCertificate,
  parseCertificate,
} from "./certificate.ts";
import { type NodeName, parseClusterUri, parseNodeUri } from "./node-uri.ts";
import type { PeerRefusal } from "./verify-peer.ts";

/** A certificate that one of the trusted CAs signed, with what it names. Its dates are not judged yet. */
export interface TrustedLeaf extends NodeName {
  readonly certificate: ParsedCertificate;
  readonly authority: ParsedCertificate;
}

export type Judged =
  | { readonly ok: true; readonly leaf: TrustedLeaf }
  | ({ readonly ok: false } & PeerRefusal);

/** Extended key usages that links need: each end is a server or a client, as it happens. */
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";
/** Longest name of a stranger that is repeated in a reason. */
const MAX_STRANGER_CHARS = 80;

/**
 * The CA certificates of a PEM bundle.
 * @throws OperatingError "bad-authorities" when there is none, or one that is no CA of a cluster.
 */
export function readAuthorities(pem: string): readonly (ParsedCertificate & { cluster: string })[] {
  const ders = certificatesOf(pem);
  if (ders.length === 0) throw badAuthorities("holds no certificate");
  return ders.map((der, index) => {
    const parsed = parseCertificate(der);
    if (parsed === undefined) throw badAuthorities(`certificate ${index + 1} cannot be read`);
    const cluster = parseClusterUri(parsed.uri ?? "");
    if (!parsed.x509.ca || cluster === undefined)
      throw badAuthorities(`certificate ${index + 1} is not the CA certificate of a cluster`);
    return { ...parsed, cluster };
  });
}

function badAuthorities(problem: string): OperatingError {
  return new OperatingError("bad-authorities", `the CA certificates cannot be used: ${problem}`, {
    hint: "Take the file ca.crt of the CA's folder as it is.",
  });
}

/** Checks everything about a node's certificate but its dates and its cluster. */
export function judgeLeaf(der: Uint8Array, authorities: readonly ParsedCertificate[]): Judged {
  const certificate = parseCertificate(der);
  if (certificate === undefined) return refuse("bad-certificate", "the certificate cannot be read");
  const { x509 } = certificate;
  try {
    const issuer = authorities.find(({ x509: ca }) => x509.checkIssued(ca));
    if (issuer === undefined) return refuse("foreign-ca", foreignReason(certificate, authorities));
    if (!x509.verify(issuer.x509.publicKey))
      return refuse("bad-certificate", "the signature on the certificate is wrong");
    const name = parseNodeUri(certificate.uri ?? "");
    if (name === undefined)
      return refuse(
        "bad-certificate",
        "the certificate names no node (atlasnet://cluster/role/node)",
      );
    if (x509.ca) return refuse("bad-certificate", "the certificate is one of a CA, not of a node");
    const usages: readonly string[] = x509.keyUsage ?? [];
    if (!usages.includes(SERVER_AUTH) || !usages.includes(CLIENT_AUTH))
      return refuse("bad-certificate", "the certificate is not for servers and clients both");
    return { ok: true, leaf: { ...name, certificate, authority: issuer } };
  } catch {
    // A key of a kind that OpenSSL does not know, for one.
    return refuse("bad-certificate", "the certificate cannot be checked");
  }
}

/** Checks the dates of a leaf and of its CA; undefined when both hold now. */
export function datesProblem(leaf: TrustedLeaf, now: number): PeerRefusal | undefined {
  return (
    spanProblem(`the certificate of ${leaf.role} ${leaf.node}`, leaf.certificate, now) ??
    spanProblem(`the CA certificate of cluster ${leaf.cluster}`, leaf.authority, now)
  );
}

function spanProblem(
  whose: string,
  { notBefore, notAfter }: ParsedCertificate,
  now: number,
): PeerRefusal | undefined {
  const clocks = `this machine's clock says ${dateText(now)}: compare it with the clock of the other machine`;
  if (now < notBefore)
    return {
      code: "not-yet-valid",
      reason: `${whose} is good only from ${dateText(notBefore)} on, and ${clocks}`,
    };
  if (now > notAfter)
    return {
      code: "expired",
      reason: `${whose} expired at ${dateText(notAfter)}, and ${clocks}, and renew the certificate if both are right`,
    };
  return undefined;
}

function foreignReason(
  { x509, uri }: ParsedCertificate,
  authorities: readonly ParsedCertificate[],
): string {
  const theirs = printable(x509.issuer);
  const twin = authorities.some((ca) => ca.x509.subject === x509.issuer);
  const other = twin ? "another CA of the same name, with another key" : `another CA, ${theirs}`;
  const ours = authorities.map(
    (ca) => `${printable(ca.x509.subject)} (${ca.fingerprint.slice(0, 16)}…)`,
  );
  const name = parseNodeUri(uri ?? "");
  const claims =
    name === undefined ? "" : `, which says it is ${name.role} ${name.node} of ${name.cluster},`;
  return `the certificate${claims} comes from ${other}; trusted here: ${ours.join(", ")}`;
}

/** A stranger's text for a log: one line, nothing but visible ASCII, not long. */
function printable(text: string): string {
  const line = text.replace(/\s+/g, " ").replace(/[^ -~]/g, "?");
  return line.length > MAX_STRANGER_CHARS ? `${line.slice(0, MAX_STRANGER_CHARS)}…` : line;
}

function refuse(code: PeerRefusal["code"], reason: string): Judged {
  return { ok: false, code, reason };
}
