import { randomBytes, webcrypto } from "node:crypto";
import { join } from "node:path";
import { OperatingError, type Peer } from "@atlasnet/core";
import { loadOrCreateKeyFile, loadOrCreateUdpKey, writeSecretFile } from "@atlasnet/core/node";
import type { Address } from "./address.ts";
import {
  type Authority,
  certify,
  DEFAULT_CA_DAYS,
  DEFAULT_NODE_DAYS,
  type Issued,
  MAX_DAYS,
  makeAuthority,
  spanOfDays,
} from "./authority.ts";
import { readTextFile, unreadable, writing } from "./files.ts";
import { IssuedRecords } from "./issued-records.ts";
import { signJoinToken } from "./join-token.ts";
import type { NodeIdentity } from "./node-identity.ts";
import { keyFingerprint, newPrivateKey } from "./node-key.ts";
import { CLUSTER_ALLOWED, isClusterName, isNodeId, NODE_ALLOWED } from "./node-uri.ts";
import { readAuthorities } from "./trust.ts";
import { keyPairOf, privateKeyPem } from "./x509.ts";

/** What proxies share besides certificates: the texts of their key files. */
export interface ClusterSecrets {
  /** JWKS: ticket and resume keys. */
  readonly tickets: string;
  /** JWK: the key that proxies prove themselves with over UDP. */
  readonly udp: string;
}

export interface CaDependencies {
  /** Unix time in ms; by default the machine's. */
  now(): number;
}

export interface CreateCaOptions {
  /** Default: `cluster-` and six random characters. */
  readonly cluster?: string;
  /** Default 3650. */
  readonly days?: number;
}

export interface CertificateRequest {
  readonly role: Peer["role"];
  readonly node: string;
  /** Default 90; never beyond the CA's own end. */
  readonly days?: number;
}

export const TICKETS_FILE = "tickets.jwks.json";
export const UDP_FILE = "udp.jwk.json";

const CA_HINT = (dir: string) =>
  `Make one with: atlasnet ca init --dir ${dir}. Or name the folder where yours is.`;

/**
 * Makes a CA in a folder: key, certificate, and the secrets that proxies share. Never touches a folder that
 * has one already.
 * @throws OperatingError "ca-exists", "unwritable-file", "bad-cluster", "bad-days"
 */
export async function createCa(
  dir: string,
  { cluster = randomCluster(), days = DEFAULT_CA_DAYS }: CreateCaOptions = {},
  { now }: CaDependencies = { now: Date.now },
): Promise<ClusterCa> {
  if (!isClusterName(cluster))
    throw new OperatingError(
      "bad-cluster",
      `the cluster's name: found "${cluster}", allowed: ${CLUSTER_ALLOWED}`,
    );
  checkDays(days);
  const keyFile = join(dir, "ca.key");
  const certificateFile = join(dir, "ca.crt");
  if ((await readTextFile(certificateFile)) !== undefined) throw caExists(dir);
  const authority = await makeAuthority(cluster, spanOfDays(now(), days));
  const key = await privateKeyPem(authority.keys.privateKey);
  // Of two that make one at once, the first to place its key has it.
  if (!(await writing(keyFile, writeSecretFile(keyFile, key)))) throw caExists(dir);
  if (!(await writing(certificateFile, writeSecretFile(certificateFile, authority.certificate))))
    throw caExists(dir);
  const ca = new ClusterCa({ dir, authority, authorities: authority.certificate }, { now });
  await ca.secrets();
  return ca;
}

/**
 * Opens the CA of a folder. The first certificate of its ca.crt belongs to its key; others are trusted, too,
 * while a CA is replaced.
 * @throws OperatingError "no-ca", "unreadable-file", "key-mismatch", "bad-authorities"
 */
export async function openCa(
  dir: string,
  { now }: CaDependencies = { now: Date.now },
): Promise<ClusterCa> {
  const keyFile = join(dir, "ca.key");
  const certificateFile = join(dir, "ca.crt");
  const [authorities, key] = await Promise.all([
    readTextFile(certificateFile),
    readTextFile(keyFile),
  ]);
  if (authorities === undefined && key === undefined)
    throw new OperatingError("no-ca", `${dir} is no CA folder: there is no ca.crt and no ca.key`, {
      facts: { dir },
      hint: CA_HINT(dir),
    });
  if (authorities === undefined || key === undefined)
    throw unreadable(
      authorities === undefined ? certificateFile : keyFile,
      "is missing",
      "Put it back from a copy of the CA folder. Without one, move the folder away and make a new CA; all nodes need new certificates then.",
    );
  const [own] = readAuthorities(authorities);
  if (own === undefined) throw new Error("readAuthorities gives at least one");
  let keys: Authority["keys"];
  try {
    keys = await keyPairOf(key);
  } catch (cause) {
    throw unreadable(keyFile, "is not a P-256 key (PEM, PKCS #8)", "Put a good copy back.", cause);
  }
  const spki = Buffer.from(await webcrypto.subtle.exportKey("spki", keys.publicKey));
  if (!own.x509.publicKey.export({ format: "der", type: "spki" }).equals(spki))
    throw new OperatingError(
      "key-mismatch",
      `${keyFile} does not belong to the first certificate of ${certificateFile}`,
      { facts: { dir }, hint: "Put the key's own certificate first, or the right key there." },
    );
  const authority: Authority = {
    cluster: own.cluster,
    certificate: own.x509.toString(),
    fingerprint: own.fingerprint,
    keys,
    notBefore: own.notBefore,
    notAfter: own.notAfter,
  };
  return new ClusterCa({ dir, authority, authorities }, { now });
}

/** A CA in a folder. It holds no file open; several processes may use one folder at once. */
export class ClusterCa {
  readonly dir: string;
  readonly authority: Authority;
  /** PEM: the CA's own certificate, then others that nodes shall trust. */
  readonly authorities: string;
  readonly records: IssuedRecords;
  private readonly now: () => number;

  constructor(
    options: { dir: string; authority: Authority; authorities: string },
    { now }: CaDependencies,
  ) {
    this.dir = options.dir;
    this.authority = options.authority;
    this.authorities = options.authorities;
    this.records = new IssuedRecords(join(options.dir, "issued"));
    this.now = now;
  }

  get cluster(): string {
    return this.authority.cluster;
  }

  /** PEM: the CA's own certificate. */
  get certificate(): string {
    return this.authority.certificate;
  }

  /** A new key and a certificate for it. @throws OperatingError "bad-node", "bad-days", "expired", "unwritable-file" */
  async issue(request: CertificateRequest): Promise<NodeIdentity> {
    const privateKey = await newPrivateKey();
    const { publicKey } = await keyPairOf(privateKey);
    const issued = await this.certify(request, publicKey);
    return this.identityOf(issued, request.role, privateKey);
  }

  /** A certificate for a key that somebody else has, kept in the records. @throws like `issue` */
  async certify(
    { role, node, days = DEFAULT_NODE_DAYS }: CertificateRequest,
    publicKey: webcrypto.CryptoKey,
  ): Promise<Issued> {
    checkNode(node);
    checkDays(days);
    const now = this.now();
    if (now > this.authority.notAfter)
      throw new OperatingError("expired", `the CA certificate in ${this.dir} has expired`, {
        facts: { dir: this.dir },
        hint: "Replace the CA: docs/operations.md, Cluster identity.",
      });
    const issued = await certify(this.authority, { role, node }, publicKey, spanOfDays(now, days));
    const { serial, notBefore, notAfter, fingerprint } = issued;
    const key = await keyFingerprint(publicKey);
    await this.records.add({ serial, role, node, notBefore, notAfter, fingerprint, key });
    return issued;
  }

  /**
   * A join token: who has it may fetch a certificate for that role (and node) from `ca serve` at the address, or
   * from any apiserver that has this CA.
   * @throws OperatingError "bad-node"
   */
  token(options: {
    readonly role: Peer["role"];
    readonly node?: string | undefined;
    readonly ttlSeconds: number;
    readonly address?: Address | undefined;
  }): Promise<string> {
    const { role, node, ttlSeconds, address } = options;
    if (node !== undefined) checkNode(node);
    const expiresAt = this.now() + ttlSeconds * 1000;
    return signJoinToken(this.authority, { role, node, address, expiresAt });
  }

  /** What the CA issued, by role and node, the latest first. */
  list() {
    return this.records.list();
  }

  /** What proxies share; made when it is not there. @throws KeyFileError */
  async secrets(): Promise<ClusterSecrets> {
    const ticketsFile = join(this.dir, TICKETS_FILE);
    const udpFile = join(this.dir, UDP_FILE);
    await loadOrCreateKeyFile(ticketsFile);
    await loadOrCreateUdpKey(udpFile);
    const [tickets, udp] = await Promise.all([readTextFile(ticketsFile), readTextFile(udpFile)]);
    if (tickets === undefined || udp === undefined)
      throw unreadable(
        tickets === undefined ? ticketsFile : udpFile,
        "is gone right after it was read",
        "Put it back from a copy of the CA folder.",
      );
    return { tickets, udp };
  }

  private identityOf(issued: Issued, role: Peer["role"], privateKey: string): NodeIdentity {
    const { cluster, node, certificate, notBefore, notAfter } = issued;
    const { authorities } = this;
    return { cluster, role, node, certificate, privateKey, authorities, notBefore, notAfter };
  }
}

function checkDays(days: number): void {
  if (!Number.isInteger(days) || days < 1 || days > MAX_DAYS)
    throw new OperatingError("bad-days", `days: found ${days}, allowed: 1 to ${MAX_DAYS}`);
}

function checkNode(node: string): void {
  if (!isNodeId(node))
    throw new OperatingError("bad-node", `the node: found "${node}", allowed: ${NODE_ALLOWED}`);
}

function caExists(dir: string): OperatingError {
  return new OperatingError("ca-exists", `there is a CA in ${dir} already, or a part of one`, {
    facts: { dir },
    hint: "It was left as it is. Use it, or name another folder.",
  });
}

function randomCluster(): string {
  // No vowels: no words. A multiple of their number below 256 would be fairer; nothing hangs on it.
  const letters = "bcdfghjkmnpqrstvwxz23456789";
  const draw = (byte: number) => letters[byte % letters.length] ?? "x";
  return `cluster-${Array.from(randomBytes(6), draw).join("")}`;
}
