import { join } from "node:path";
import { OperatingError } from "@atlasnet/core";
import * as v from "valibot";
import { type Address, addressText, parseAddress } from "./address.ts";
import { askApiservers } from "./api-client.ts";
import { askCa } from "./ca-client.ts";
import { readTextFile, replaceFile, unreadable, writing } from "./files.ts";
import { loadOrCreateKey, type NewCertificate, type NodePlace } from "./identity-files.ts";
import { type JoinToken, readJoinToken } from "./join-token.ts";
import type { NodeIdentity } from "./node-identity.ts";
import { requestFor } from "./node-key.ts";
import { signRenewalProof } from "./renewal-proof.ts";
import { readAuthorities } from "./trust.ts";
import type { CertificateAnswer } from "./wire.ts";

/** Where a certificate came from is where its renewal is asked for. */
const Source = v.object({ address: v.pipe(v.string(), v.maxLength(300)) });

function sourceFile({ dir, node }: NodePlace): string {
  return join(dir, `${node}.ca.json`);
}

/** Where certificates come from over the network. */
export interface CertificateServers {
  /** HTTP APIs of apiservers. They are asked first. */
  readonly apiservers: readonly string[];
  /** `atlasnet ca serve`, by default where the token, or the certificate, says. */
  readonly address?: Address | undefined;
}

/**
 * The first certificate, against a join token: from the apiservers that are named, else from where the token says.
 * @throws OperatingError "join-refused" and "ca-unreachable" (see `askCa`), and those of the files
 */
export async function fetchByToken(
  place: NodePlace,
  text: string,
  { apiservers }: Pick<CertificateServers, "apiservers">,
  now: () => number,
): Promise<NewCertificate> {
  const { role, node } = place;
  const token = readJoinToken(text);
  if (token === undefined)
    throw new OperatingError("join-refused", "the join token is damaged", {
      facts: { reason: "bad-token" },
      hint: "Copy the whole token, or make a new one: `atlasnet ca token`.",
    });
  const csr = await requestFor((await loadOrCreateKey(place)).pem, node);
  const body = { token: text, csr, role, node };
  const trust = { fingerprint: token.ca };
  const answer = await firstOf(
    apiservers,
    (urls) => askApiservers({ urls, path: "/v1/join", body, trust }),
    token.address === undefined ? undefined : () => askCaOf(place, token, body, now),
  );
  const [own] = readAuthorities(answer.authorities);
  if (own?.fingerprint !== token.ca)
    throw new OperatingError("join-refused", "the answer to the join token is of another CA", {
      facts: { reason: "bad-answer" },
      hint: "Look what listens at the addresses in cluster.apiservers and in the token.",
    });
  return answer;
}

/** From `atlasnet ca serve`, where renewals are asked for then, too. */
async function askCaOf(
  place: NodePlace,
  { address, ca }: JoinToken,
  body: object,
  now: () => number,
): Promise<CertificateAnswer> {
  if (address === undefined) throw nowhere();
  const answer = await askCa({ address, path: "/v1/join", body, trusted: new Set([ca]) }, now);
  const source = `${JSON.stringify({ address: addressText(address) })}\n`;
  const file = sourceFile(place);
  await writing(file, replaceFile(file, source, { secret: false }));
  return answer;
}

/** The next certificate, against the present one. @throws like `fetchByToken` */
export async function fetchByCertificate(
  place: NodePlace,
  identity: NodeIdentity,
  { apiservers, address }: CertificateServers,
  { now, signal }: { now(): number; signal: AbortSignal | undefined },
): Promise<NewCertificate> {
  const { certificate, privateKey, authorities } = identity;
  const csr = await requestFor(privateKey, place.node);
  return firstOf(
    apiservers,
    async (urls) => {
      const proof = await signRenewalProof({ csr, privateKey }, now());
      const body = { csr, certificate, proof };
      return askApiservers({ urls, path: "/v1/renew", body, trust: { authorities }, signal });
    },
    address &&
      (() => {
        const trusted = new Set(readAuthorities(authorities).map(({ fingerprint }) => fingerprint));
        const present = { cert: certificate, key: privateKey };
        return askCa({ address, path: "/v1/renew", body: { csr }, trusted, present, signal }, now);
      }),
  );
}

/** The apiservers; where there are none, or none of them has the CA, `atlasnet ca serve`. */
async function firstOf(
  apiservers: readonly string[],
  askThem: (urls: readonly string[]) => Promise<CertificateAnswer>,
  otherwise: (() => Promise<CertificateAnswer>) | undefined,
): Promise<CertificateAnswer> {
  if (apiservers.length === 0) {
    if (otherwise === undefined) throw nowhere();
    return otherwise();
  }
  try {
    return await askThem(apiservers);
  } catch (error) {
    const without = error instanceof OperatingError && error.facts["reason"] === "not-available";
    if (!without || otherwise === undefined) throw error;
    return otherwise();
  }
}

function nowhere(): OperatingError {
  return new OperatingError("join-refused", "the join token does not say where to join", {
    facts: { reason: "no-address" },
    hint: "Name the cluster's apiservers: --apiserver https://HOST:PORT. Or make a token that says where `atlasnet ca serve` is: `atlasnet ca token --address HOST:PORT`.",
  });
}

/** Where this node's certificate was fetched; undefined when it was not. @throws OperatingError "unreadable-file" */
export async function readSource(place: NodePlace): Promise<Address | undefined> {
  const file = sourceFile(place);
  const text = await readTextFile(file);
  if (text === undefined) return undefined;
  const damaged = (cause?: unknown) =>
    unreadable(
      file,
      "is damaged",
      'It holds {"address": "HOST:PORT"}, of `atlasnet ca serve`.',
      cause,
    );
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw damaged(cause);
  }
  const parsed = v.safeParse(Source, value);
  const address = parsed.success ? parseAddress(parsed.output.address) : undefined;
  if (address === undefined) throw damaged();
  return address;
}
