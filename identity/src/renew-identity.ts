import { OperatingError } from "@atlasnet/core";
import type { Address } from "./address.ts";
import { dateText } from "./certificate.ts";
import { openCa } from "./cluster-ca.ts";
import { fetchByCertificate, readSource } from "./fetch-certificate.ts";
import { identityError } from "./identity-error.ts";
import {
  certificateFile,
  type NodePlace,
  readIdentity,
  type StoredIdentity,
  storeCertificate,
} from "./identity-files.ts";
import {
  checkIssuer,
  type IdentityDependencies,
  issueFrom,
  type ObtainedIdentity,
  obtained,
  readAgain,
} from "./obtain-identity.ts";

export interface RenewIdentityOptions extends NodePlace {
  /** Folder of the CA on this machine. */
  readonly ca?: string;
  /** HTTP APIs of apiservers; asked first, unless `address` says otherwise. */
  readonly apiservers?: readonly string[];
  /** Where `atlasnet ca serve` is; by default where the node's certificate was fetched. */
  readonly address?: Address;
}

export interface RenewIdentityDependencies extends IdentityDependencies {
  /** Gives the attempt up. */
  readonly signal?: AbortSignal;
}

/**
 * Gets the next certificate of a node now, for the key it has: from the CA folder, which takes an expired one,
 * too; else from `atlasnet ca serve`.
 * @throws OperatingError "no-identity", "expired" or "not-yet-valid" (by the server only), "no-source" when
 *   nobody knows where the CA is, "join-refused", "ca-unreachable", and those of the files
 */
export async function renewIdentity(
  options: RenewIdentityOptions,
  { logger, now, signal }: RenewIdentityDependencies,
): Promise<ObtainedIdentity> {
  const { dir, role, node } = options;
  const place = { dir, role, node };
  const present = await readIdentity(place);
  if (present === undefined)
    throw identityError("no-identity", place, `node ${node} has no certificate in ${dir}`);
  const fresh =
    options.ca === undefined
      ? await fromServer(place, present, options, { now, signal })
      : await fromFolder(place, present, options.ca, now);
  await storeCertificate(place, fresh);
  const stored = await readAgain(place);
  const until = dateText(stored.identity.notAfter);
  logger.info("The node's certificate is renewed.", { dir, role, node, until });
  return obtained(stored);
}

async function fromFolder(
  place: NodePlace,
  present: StoredIdentity,
  folder: string,
  now: () => number,
) {
  const ca = await openCa(folder, { now });
  checkIssuer(place, present, ca);
  return issueFrom(ca, place);
}

async function fromServer(
  place: NodePlace,
  { identity }: StoredIdentity,
  { address, apiservers = [] }: Pick<RenewIdentityOptions, "address" | "apiservers">,
  { now, signal }: { now(): number; signal: AbortSignal | undefined },
) {
  const servers = {
    apiservers: address === undefined ? apiservers : [],
    address: address ?? (await readSource(place)),
  };
  if (servers.apiservers.length === 0 && servers.address === undefined) throw noSource(place);
  if (now() > identity.notAfter)
    throw identityError(
      "expired",
      place,
      `${certificateFile(place)} expired at ${dateText(identity.notAfter)}, so it cannot be renewed over the network`,
    );
  return fetchByCertificate(place, identity, servers, { now, signal });
}

function noSource({ dir, role, node }: NodePlace): OperatingError {
  return new OperatingError(
    "no-source",
    `node ${node} does not know where to renew its certificate: it was neither fetched nor issued from a folder that is named here`,
    {
      facts: { dir, role, node },
      hint: `Where the CA is: \`atlasnet ca issue --role ${role} --node ${node}\`, and copy the files to ${dir}; they are taken up without a restart. Or \`atlasnet ca renew --node ${node} --identity ${dir} --address HOST:PORT\`.`,
    },
  );
}
