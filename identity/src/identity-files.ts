import { createPrivateKey } from "node:crypto";
import { join } from "node:path";
import type { Peer } from "@atlasnet/core";
import { writeSecretFile } from "@atlasnet/core/node";
import { certificatesOf, type ParsedCertificate, parseCertificate } from "./certificate.ts";
import { type ClusterSecrets, TICKETS_FILE, UDP_FILE } from "./cluster-ca.ts";
import { readTextFile, replaceFile, unreadable, writing } from "./files.ts";
import { identityError } from "./identity-error.ts";
import type { NodeIdentity } from "./node-identity.ts";
import { newPrivateKey } from "./node-key.ts";
import { parseNodeUri } from "./node-uri.ts";
import { judgeLeaf, readAuthorities, type TrustedLeaf } from "./trust.ts";
import { type KeyPair, keyPairOf } from "./x509.ts";

/** What a node is and where its files are. */
export interface NodePlace {
  readonly dir: string;
  readonly role: Peer["role"];
  readonly node: string;
}

/** A node's identity, with the certificate that it was read from. */
export interface StoredIdentity {
  readonly identity: NodeIdentity;
  readonly leaf: TrustedLeaf;
  readonly secrets: ClusterSecrets | undefined;
}

export function certificateFile({ dir, node }: NodePlace): string {
  return join(dir, `${node}.crt`);
}

export function keyFile({ dir, node }: NodePlace): string {
  return join(dir, `${node}.key`);
}

export function authoritiesFile({ dir }: NodePlace): string {
  return join(dir, "ca.crt");
}

/**
 * Reads a node's identity; undefined when there is no certificate yet. Dates are not judged here.
 * @throws OperatingError "unreadable-file", "wrong-role", "wrong-node", "foreign-ca", "key-mismatch"
 */
export async function readIdentity(place: NodePlace): Promise<StoredIdentity | undefined> {
  const file = certificateFile(place);
  const certificate = await readTextFile(file);
  if (certificate === undefined) return undefined;
  const leaf = await readLeaf(place, file, certificate);
  const privateKey = await readKey(place, leaf.certificate);
  const authorities = await readAuthoritiesFile(place);
  const { cluster } = leaf;
  const { role, node } = place;
  const { notBefore, notAfter } = leaf.certificate;
  return {
    identity: { cluster, role, node, certificate, privateKey, authorities, notBefore, notAfter },
    leaf,
    secrets: role === "proxy" ? await readSecrets(place) : undefined,
  };
}

async function readLeaf(place: NodePlace, file: string, text: string): Promise<TrustedLeaf> {
  const [der] = certificatesOf(text);
  if (der === undefined)
    throw identityError("unreadable-file", place, `${file} holds no certificate (PEM)`);
  const authorities = parseAuthorities(place, await readAuthoritiesFile(place));
  const judged = judgeLeaf(der, authorities);
  if (!judged.ok) {
    const code = judged.code === "foreign-ca" ? "foreign-ca" : "unreadable-file";
    throw identityError(code, place, `${file}: ${judged.reason}`);
  }
  const { leaf } = judged;
  if (leaf.role !== place.role)
    throw identityError(
      "wrong-role",
      place,
      `${file} is the certificate of a ${leaf.role}, this node is a ${place.role}`,
    );
  if (leaf.node !== place.node)
    throw identityError(
      "wrong-node",
      place,
      `${file} is the certificate of node ${leaf.node}, this node is ${place.node}`,
    );
  return leaf;
}

async function readAuthoritiesFile(place: NodePlace): Promise<string> {
  const file = authoritiesFile(place);
  const text = await readTextFile(file);
  if (text === undefined)
    throw unreadable(
      file,
      "is missing, which says whom this node trusts",
      "Copy ca.crt from the CA's folder to it.",
    );
  return text;
}

function parseAuthorities(place: NodePlace, text: string) {
  try {
    return readAuthorities(text);
  } catch (cause) {
    throw unreadable(
      authoritiesFile(place),
      "cannot be used",
      "Copy ca.crt from the CA's folder to it.",
      cause,
    );
  }
}

async function readKey(place: NodePlace, { x509 }: ParsedCertificate): Promise<string> {
  const file = keyFile(place);
  const text = await readTextFile(file);
  if (text === undefined)
    throw identityError(
      "unreadable-file",
      place,
      `${file} is missing: the key that belongs to the certificate ${certificateFile(place)}`,
    );
  let belongs: boolean;
  try {
    belongs = x509.checkPrivateKey(createPrivateKey(text));
  } catch (cause) {
    throw identityError("unreadable-file", place, `${file} is not a private key (PEM)`, cause);
  }
  if (!belongs)
    throw identityError(
      "key-mismatch",
      place,
      `${file} does not belong to the certificate ${certificateFile(place)}`,
    );
  return text;
}

async function readSecrets({ dir }: NodePlace): Promise<ClusterSecrets> {
  const files = [join(dir, TICKETS_FILE), join(dir, UDP_FILE)] as const;
  const [tickets, udp] = await Promise.all([readTextFile(files[0]), readTextFile(files[1])]);
  if (tickets === undefined || udp === undefined)
    throw unreadable(
      tickets === undefined ? files[0] : files[1],
      "is missing, one of the keys that all proxies share",
      "Copy it from the CA's folder.",
    );
  return { tickets, udp };
}

/** The role in a node's certificate, which nobody has checked; undefined when there is none to be read. */
export async function storedRole(
  place: Omit<NodePlace, "role">,
): Promise<Peer["role"] | undefined> {
  const text = await readTextFile(join(place.dir, `${place.node}.crt`));
  const [der] = certificatesOf(text ?? "");
  const role = parseNodeUri((der && parseCertificate(der)?.uri) ?? "")?.role;
  return role === "ca" ? undefined : role;
}

/**
 * The node's private key, made when there is none: of two processes that start at once the first makes it.
 * It stays the same when the certificate is renewed, so that no moment has one without the other.
 */
export async function loadOrCreateKey(place: NodePlace): Promise<{ pem: string; keys: KeyPair }> {
  const file = keyFile(place);
  if ((await readTextFile(file)) === undefined)
    await writing(file, writeSecretFile(file, await newPrivateKey()));
  const pem = await readTextFile(file);
  if (pem === undefined) throw unreadable(file, "is gone right after it was made", "Start again.");
  try {
    return { pem, keys: await keyPairOf(pem) };
  } catch (cause) {
    throw identityError("unreadable-file", place, `${file} is not a P-256 key (PEM)`, cause);
  }
}

export interface NewCertificate {
  readonly certificate: string;
  readonly authorities: string;
  readonly secrets?: ClusterSecrets | undefined;
}

/**
 * Puts a new certificate into place, the certificate last: who finds it finds everything.
 * @throws OperatingError "foreign-ca" when the folder belongs to another cluster, "unwritable-file"
 */
export async function storeCertificate(
  place: NodePlace,
  { certificate, authorities, secrets }: NewCertificate,
): Promise<void> {
  await checkSameCluster(place, authorities);
  const put = (file: string, text: string, secret: boolean) =>
    writing(file, replaceFile(file, text, { secret }));
  await put(authoritiesFile(place), authorities, false);
  if (secrets !== undefined) {
    await put(join(place.dir, TICKETS_FILE), secrets.tickets, true);
    await put(join(place.dir, UDP_FILE), secrets.udp, true);
  }
  await put(certificateFile(place), certificate, false);
}

async function checkSameCluster(place: NodePlace, authorities: string): Promise<void> {
  const present = await readTextFile(authoritiesFile(place));
  if (present === undefined) return;
  const here = new Set(parseAuthorities(place, present).map(({ cluster }) => cluster));
  const [own] = readAuthorities(authorities);
  if (own === undefined || here.has(own.cluster)) return;
  throw identityError(
    "other-cluster",
    place,
    `${place.dir} holds identities of cluster ${[...here].join(", ")}, the certificate is one of ${own.cluster}`,
  );
}
