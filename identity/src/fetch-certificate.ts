import { join } from "node:path";
import { OperatingError } from "@atlasnet/core";
import * as v from "valibot";
import { type Address, addressText, parseAddress } from "./address.ts";
import { askCa } from "./ca-client.ts";
import { readTextFile, replaceFile, unreadable, writing } from "./files.ts";
import { loadOrCreateKey, type NewCertificate, type NodePlace } from "./identity-files.ts";
import { readJoinToken } from "./join-token.ts";
import type { NodeIdentity } from "./node-identity.ts";
import { requestFor } from "./node-key.ts";
import { readAuthorities } from "./trust.ts";

/** Where a certificate came from is where its renewal is asked for. */
const Source = v.object({ address: v.pipe(v.string(), v.maxLength(300)) });

function sourceFile({ dir, node }: NodePlace): string {
  return join(dir, `${node}.ca.json`);
}

/**
 * The first certificate, against a join token.
 * @throws OperatingError "join-refused" and "ca-unreachable" (see `askCa`), and those of the files
 */
export async function fetchByToken(
  place: NodePlace,
  text: string,
  now: () => number,
): Promise<NewCertificate> {
  const { role, node } = place;
  const token = readJoinToken(text);
  if (token === undefined)
    throw new OperatingError("join-refused", "the join token is damaged", {
      facts: { reason: "bad-token" },
      hint: "Copy the whole token, or make a new one: `atlasnet ca token`.",
    });
  const { address, ca } = token;
  const csr = await requestFor((await loadOrCreateKey(place)).pem, node);
  const body = { token: text, csr, role, node };
  const answer = await askCa({ address, path: "/v1/join", body, trusted: new Set([ca]) }, now);
  const [own] = readAuthorities(answer.authorities);
  if (own?.fingerprint !== ca)
    throw new OperatingError(
      "join-refused",
      `the CA at ${addressText(address)} answered for another CA`,
      {
        facts: { address: addressText(address), reason: "bad-answer" },
        hint: "Look what listens there.",
      },
    );
  const source = `${JSON.stringify({ address: addressText(address) })}\n`;
  const file = sourceFile(place);
  await writing(file, replaceFile(file, source, { secret: false }));
  return answer;
}

/** The next certificate, against the present one. @throws like `fetchByToken` */
export async function fetchByCertificate(
  place: NodePlace,
  identity: NodeIdentity,
  address: Address,
  { now, signal }: { now(): number; signal: AbortSignal | undefined },
): Promise<NewCertificate> {
  const { certificate: cert, privateKey: key, authorities } = identity;
  const trusted = new Set(readAuthorities(authorities).map(({ fingerprint }) => fingerprint));
  const body = { csr: await requestFor(key, place.node) };
  return askCa({ address, path: "/v1/renew", body, trusted, present: { cert, key }, signal }, now);
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
