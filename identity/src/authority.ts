import { randomBytes, type webcrypto } from "node:crypto";
import { fingerprintOf } from "./certificate.ts";
import { clusterUri, type NodeName, nodeUri } from "./node-uri.ts";
import { type KeyPair, newKeyPair, SIGNING_ALGORITHM, x509 } from "./x509.ts";

/** What signs certificates: the CA certificate and its key, in memory. */
export interface Authority {
  readonly cluster: string;
  /** PEM. */
  readonly certificate: string;
  /** SHA-256 of the certificate's DER, in hexadecimal digits. */
  readonly fingerprint: string;
  readonly keys: KeyPair;
  /** Unix time in ms. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Unix time in ms; certificates know whole seconds. */
export interface Span {
  readonly notBefore: number;
  readonly notAfter: number;
}

/** A certificate as it was issued. */
export interface Issued extends NodeName, Span {
  /** PEM, the node's own certificate alone: the CA's is known to whoever checks it. */
  readonly certificate: string;
  /** Hexadecimal digits. */
  readonly serial: string;
  readonly fingerprint: string;
}

export const DAY_MS = 86_400_000;
/** Certificates are good from some minutes ago on, because clocks differ. */
export const BACKDATE_MS = 5 * 60_000;
export const DEFAULT_NODE_DAYS = 90;
export const DEFAULT_CA_DAYS = 3650;
/** 30 years: dates from 2050 on are written in another form, which was checked to work. */
export const MAX_DAYS = 10_950;

const { BasicConstraintsExtension, KeyUsagesExtension, KeyUsageFlags } = x509;

/** From now, less what clocks differ by, for so many days. */
export function spanOfDays(now: number, days: number): Span {
  return { notBefore: now - BACKDATE_MS, notAfter: now + days * DAY_MS };
}

/** Makes a new CA: a key and a certificate that it signs itself. */
export async function makeAuthority(cluster: string, span: Span): Promise<Authority> {
  const keys = await newKeyPair();
  const { notBefore, notAfter } = wholeSeconds(span);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ O: ["AtlasNet"] }, { CN: [`CA of ${cluster}`] }],
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    signingAlgorithm: SIGNING_ALGORITHM,
    keys,
    extensions: [
      // Nodes stand directly below it.
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      new x509.SubjectAlternativeNameExtension([{ type: "url", value: clusterUri(cluster) }]),
      // Two CAs of one cluster have one name; this tells them apart.
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  const fingerprint = fingerprintOf(new Uint8Array(certificate.rawData));
  return { cluster, certificate: pemOf(certificate), fingerprint, keys, notBefore, notAfter };
}

/** Issues a certificate for a public key. It ends no later than the CA's own. */
export async function certify(
  authority: Authority,
  name: Omit<NodeName, "cluster">,
  publicKey: webcrypto.CryptoKey,
  span: Span,
): Promise<Issued> {
  const { cluster, keys } = authority;
  const { notBefore, notAfter } = wholeSeconds({
    notBefore: span.notBefore,
    notAfter: Math.min(span.notAfter, authority.notAfter),
  });
  const serial = newSerial();
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial,
    subject: [{ O: ["AtlasNet"] }, { CN: [name.node] }],
    issuer: new x509.X509Certificate(authority.certificate).subjectName.toJSON(),
    notBefore: new Date(notBefore),
    notAfter: new Date(notAfter),
    signingAlgorithm: SIGNING_ALGORITHM,
    publicKey,
    signingKey: keys.privateKey,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([
        x509.ExtendedKeyUsage.serverAuth,
        x509.ExtendedKeyUsage.clientAuth,
      ]),
      new x509.SubjectAlternativeNameExtension([
        { type: "url", value: nodeUri({ cluster, ...name }) },
      ]),
      await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return {
    cluster,
    ...name,
    notBefore,
    notAfter,
    certificate: pemOf(certificate),
    serial,
    fingerprint: fingerprintOf(new Uint8Array(certificate.rawData)),
  };
}

/** 16 random bytes: no two processes choose the same. The first is 64 to 127: positive, and never shorter. */
function newSerial(): string {
  const bytes = randomBytes(16);
  bytes[0] = 0x40 | ((bytes[0] ?? 0) & 0x3f);
  return bytes.toString("hex");
}

function wholeSeconds({ notBefore, notAfter }: Span): Span {
  const whole = (ms: number) => Math.floor(ms / 1000) * 1000;
  return { notBefore: whole(notBefore), notAfter: whole(notAfter) };
}

function pemOf(certificate: { toString(format: "pem"): string }): string {
  return `${certificate.toString("pem")}\n`;
}
