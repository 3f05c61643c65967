import { type Logger, OperatingError } from "@atlasnet/core";
import { DAY_MS } from "./authority.ts";
import { dateText } from "./certificate.ts";
import { type ClusterCa, type ClusterSecrets, openCa } from "./cluster-ca.ts";
import { fetchByToken } from "./fetch-certificate.ts";
import { readTextFile } from "./files.ts";
import { identityError } from "./identity-error.ts";
import {
  certificateFile,
  loadOrCreateKey,
  type NewCertificate,
  type NodePlace,
  readIdentity,
  type StoredIdentity,
  storeCertificate,
} from "./identity-files.ts";
import type { NodeIdentity } from "./node-identity.ts";
import { isNodeId, NODE_ALLOWED } from "./node-uri.ts";
import { datesProblem, readAuthorities } from "./trust.ts";

export interface ObtainIdentityOptions extends NodePlace {
  /** Folder of the CA on this machine. */
  readonly ca?: string;
  /** Join token of `atlasnet ca token`. */
  readonly join?: string;
  /** HTTP APIs of the cluster's apiservers: where the token is taken to, before any other place. */
  readonly apiservers?: readonly string[];
}

export interface IdentityDependencies {
  readonly logger: Logger;
  /** Unix time in ms. */
  now(): number;
}

export interface ObtainedIdentity {
  readonly identity: NodeIdentity;
  /** For proxies only. */
  readonly secrets?: ClusterSecrets;
}

/**
 * The identity of this node: what its folder holds; else, or when that has expired, a certificate that the CA
 * folder on this machine issues, or one that the join token fetches.
 * @throws OperatingError "bad-node", "no-identity", "wrong-role", "wrong-node", "expired", "not-yet-valid",
 *   "unreadable-file", "unwritable-file", "key-mismatch", "foreign-ca", "other-cluster", "no-ca",
 *   "join-refused", "ca-unreachable"
 */
export async function obtainIdentity(
  options: ObtainIdentityOptions,
  dependencies: IdentityDependencies,
): Promise<ObtainedIdentity> {
  const { dir, role, node } = options;
  if (!isNodeId(node))
    throw new OperatingError("bad-node", `node.id: found "${node}", allowed: ${NODE_ALLOWED}`, {
      facts: { node },
      hint: "Give this process another node.id.",
    });
  const place = { dir, role, node };
  const { logger, now } = dependencies;
  const found = await readIdentity(place);
  if (found !== undefined) {
    const problem = datesProblem(found.leaf, now());
    if (problem === undefined) {
      const ca = await caIfThere(options.ca, dependencies);
      return obtained(await refreshed(place, found, ca));
    }
    const file = certificateFile(place);
    const renewable = options.ca !== undefined || options.join !== undefined;
    if (problem.code !== "expired" || !renewable)
      throw identityError(
        problem.code === "expired" ? "expired" : "not-yet-valid",
        place,
        `${file}: ${problem.reason}`,
      );
    logger.warn("The node's certificate has expired; it gets a new one.", {
      file,
      expired: dateText(found.identity.notAfter),
    });
  }
  await storeCertificate(place, await newCertificate(options, now));
  const stored = await readAgain(place);
  const { identity } = stored;
  const days = Math.floor((identity.notAfter - now()) / DAY_MS);
  logger.info("The node has a new certificate.", { cluster: identity.cluster, dir, days });
  return obtained(stored);
}

async function newCertificate(
  { dir, role, node, ca, join, apiservers = [] }: ObtainIdentityOptions,
  now: () => number,
): Promise<NewCertificate> {
  const place = { dir, role, node };
  if (ca !== undefined) return issueFrom(await openCa(ca, { now }), place);
  if (join !== undefined) return fetchByToken(place, join, { apiservers }, now);
  throw identityError("no-identity", place, `node ${node} has no certificate in ${dir}`);
}

/** A node that has its certificate starts also when the CA's folder was put away, as it may be. */
async function caIfThere(
  dir: string | undefined,
  { logger, now }: IdentityDependencies,
): Promise<ClusterCa | undefined> {
  if (dir === undefined) return undefined;
  try {
    return await openCa(dir, { now });
  } catch (error) {
    if (!(error instanceof OperatingError) || error.code !== "no-ca") throw error;
    logger.warn("The CA's folder is not there: the certificate cannot be renewed from it.", {
      dir,
    });
    return undefined;
  }
}

/**
 * A new node's files, to be copied to another machine.
 * @throws OperatingError "has-identity" when the folder has that node's already, and those of issuing
 */
export async function issueToFolder(
  ca: ClusterCa,
  place: NodePlace,
  options: { readonly days?: number } = {},
): Promise<NodeIdentity> {
  const file = certificateFile(place);
  if ((await readTextFile(file)) !== undefined)
    throw new OperatingError("has-identity", `there is a certificate of ${place.node} in ${file}`, {
      facts: { ...place },
      hint: `It was left as it is. To renew it: \`atlasnet ca renew --node ${place.node} --identity ${place.dir}\`. Else name another folder with --out.`,
    });
  await storeCertificate(place, await issueFrom(ca, place, options));
  return (await readAgain(place)).identity;
}

/** A certificate from the CA folder for the key that the node has, or a new one. */
export async function issueFrom(
  ca: ClusterCa,
  place: NodePlace,
  options: { readonly days?: number } = {},
): Promise<NewCertificate> {
  const { role, node } = place;
  const { keys } = await loadOrCreateKey(place);
  const { certificate } = await ca.certify({ role, node, ...options }, keys.publicKey);
  const secrets = role === "proxy" ? await ca.secrets() : undefined;
  return { certificate, authorities: ca.authorities, secrets };
}

/** What has just been stored. */
export async function readAgain(place: NodePlace): Promise<StoredIdentity> {
  const stored = await readIdentity(place);
  if (stored === undefined)
    throw identityError("no-identity", place, `${certificateFile(place)} is gone again`);
  return stored;
}

/** @throws OperatingError "foreign-ca" when the certificate comes from a CA that this one knows nothing of. */
export function checkIssuer(place: NodePlace, { leaf }: StoredIdentity, ca: ClusterCa): void {
  const trusted = readAuthorities(ca.authorities);
  if (trusted.some(({ fingerprint }) => fingerprint === leaf.authority.fingerprint)) return;
  throw identityError(
    "foreign-ca",
    place,
    `${certificateFile(place)} comes from a CA of cluster ${leaf.cluster} that ${ca.dir} does not know (its cluster is ${ca.cluster})`,
  );
}

/** With the CA at hand, what else it says (whom to trust, keys that proxies share) is brought up to date. */
async function refreshed(
  place: NodePlace,
  found: StoredIdentity,
  ca: ClusterCa | undefined,
): Promise<StoredIdentity> {
  if (ca === undefined) return found;
  checkIssuer(place, found, ca);
  const secrets = place.role === "proxy" ? await ca.secrets() : undefined;
  const { authorities } = ca;
  const same =
    authorities === found.identity.authorities &&
    secrets?.tickets === found.secrets?.tickets &&
    secrets?.udp === found.secrets?.udp;
  if (same) return found;
  await storeCertificate(place, { certificate: found.identity.certificate, authorities, secrets });
  return readAgain(place);
}

export function obtained({ identity, secrets }: StoredIdentity): ObtainedIdentity {
  return secrets === undefined ? { identity } : { identity, secrets };
}
