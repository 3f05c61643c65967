import { createHash, X509Certificate } from "node:crypto";

/** Longest certificate that is looked at. Ours have about 600 bytes. */
export const MAX_CERTIFICATE_BYTES = 8192;
/** Most certificates of a PEM text: two CAs while one is replaced, and some room. */
const MAX_CERTIFICATES = 16;
const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/** A certificate that was parsed; whether it is worth anything is for others to say. */
export interface ParsedCertificate {
  readonly x509: X509Certificate;
  /** SHA-256 of the DER, in hexadecimal digits. */
  readonly fingerprint: string;
  /** Unix time in ms. */
  readonly notBefore: number;
  readonly notAfter: number;
  /** The only name that the SAN holds, when it is a URI. */
  readonly uri: string | undefined;
}

export function fingerprintOf(der: Uint8Array): string {
  return createHash("sha256").update(der).digest("hex");
}

/**
 * Parses a certificate in DER; undefined for anything else, for one that is longer than
 * MAX_CERTIFICATE_BYTES, and for one with bytes behind it or spelt differently than DER demands: so that
 * two byte strings are not the same certificate. (But for the signature: of an ECDSA signature everybody can make one other
 * that holds, too. It says nothing else.)
 */
export function parseCertificate(der: Uint8Array): ParsedCertificate | undefined {
  if (der.length === 0 || der.length > MAX_CERTIFICATE_BYTES) return undefined;
  try {
    const x509 = new X509Certificate(der);
    if (!x509.raw.equals(der)) return undefined;
    const notBefore = Date.parse(x509.validFrom);
    const notAfter = Date.parse(x509.validTo);
    if (!Number.isFinite(notBefore) || !Number.isFinite(notAfter)) return undefined;
    return { x509, fingerprint: fingerprintOf(der), notBefore, notAfter, uri: onlyUri(x509) };
  } catch {
    // OpenSSL says in a dozen ways that these bytes are no certificate.
    return undefined;
  }
}

/** Node writes what could be mistaken in quotes, so a plain text without a comma is one plain name. */
function onlyUri({ subjectAltName }: X509Certificate): string | undefined {
  return /^URI:([^",\s]+)$/.exec(subjectAltName ?? "")?.[1];
}

/** The certificates of a PEM text in DER, in their order; none when there are none, or too many. */
export function certificatesOf(pem: string): Buffer[] {
  if (pem.length > MAX_CERTIFICATES * MAX_CERTIFICATE_BYTES * 2) return [];
  const blocks = pem.match(PEM_BLOCK) ?? [];
  if (blocks.length > MAX_CERTIFICATES) return [];
  return blocks.map((block) => Buffer.from(block.replace(/-----[A-Z ]+-----/g, ""), "base64"));
}

/** Unix time in ms as people read it, without fractions of a second. */
export function dateText(at: number): string {
  // Node's Date ends at the year 275760, and a certificate may say anything.
  if (!(Math.abs(at) <= 8.64e15)) return "no date";
  return new Date(at).toISOString().replace(/\.\d+Z$/, "Z");
}
