import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { checkServerIdentity, type PeerCertificate, rootCertificates } from "node:tls";
import * as v from "valibot";
import type { ApiserverMember } from "../control/remote/control-call-codec.ts";

/** What `GET /v1/links` of an apiserver says. A newer one may say more. */
const LinksAnswer = v.object({
  cluster: v.pipe(v.string(), v.maxLength(64)),
  apiservers: v.pipe(
    v.array(
      v.object({
        node: v.pipe(v.string(), v.maxLength(64)),
        address: v.pipe(v.string(), v.maxLength(262)),
      }),
    ),
    v.maxLength(64),
  ),
});

export interface FoundApiservers {
  readonly cluster: string;
  readonly apiservers: readonly ApiserverMember[];
  /** The address of this machine that the request left from. */
  readonly localAddress: string;
}

export interface DiscoveryOptions {
  /** PEM: of the node's identity. A certificate for the host's name, of an authority of the system, is as good. */
  readonly authorities: string;
  readonly cluster: string;
  readonly signal: AbortSignal;
}

export type FindApiservers = (url: string, options: DiscoveryOptions) => Promise<FoundApiservers>;

/** An apiserver on the same continent answers in a fraction of it. */
const TIMEOUT_MS = 3000;
const MAX_ANSWER_BYTES = 65_536;

/**
 * Asks one apiserver where all of them take links. Nothing secret goes either way: links prove themselves by
 * certificates. @throws what sockets throw, or an error that says what the answer was
 */
export async function findApiservers(
  url: string,
  options: DiscoveryOptions,
): Promise<FoundApiservers> {
  const { message, localAddress } = await get(new URL("/v1/links", url), options);
  const text = await readBounded(message);
  if (message.statusCode !== 200)
    throw new Error(`${url} answers with ${message.statusCode}, and not as an apiserver does`);
  const parsed = v.safeParse(LinksAnswer, parseJson(text));
  if (!parsed.success)
    throw new Error(`${url} answers with something that is not of an apiserver of this version`);
  return { ...parsed.output, localAddress };
}

function get(
  url: URL,
  { authorities, cluster, signal }: DiscoveryOptions,
): Promise<{ message: IncomingMessage; localAddress: string }> {
  return new Promise((resolve, reject) => {
    const options = {
      method: "GET",
      agent: false,
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    } as const;
    const request =
      url.protocol === "https:"
        ? tlsRequest(url, {
            ...options,
            ca: [authorities, ...rootCertificates],
            checkServerIdentity: (host, certificate) => isApiserver(host, certificate, cluster),
          })
        : plainRequest(url, options);
    request.once("response", (message) => {
      const { localAddress = "127.0.0.1" } = message.socket;
      resolve({ message, localAddress: localAddress.replace(/^::ffff:/, "") });
    });
    request.on("error", reject);
    request.end();
  });
}

/** Certificates of the cluster's CA name nodes, not hosts. */
function isApiserver(
  host: string,
  certificate: PeerCertificate,
  cluster: string,
): Error | undefined {
  const names = certificate.subjectaltname?.split(", ") ?? [];
  const own = `URI:atlasnet://${cluster}/apiserver/`;
  return names.some((name) => name.startsWith(own))
    ? undefined
    : checkServerIdentity(host, certificate);
}

async function readBounded(message: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of message) {
    if (!(chunk instanceof Uint8Array)) throw new Error("the answer is no bytes");
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES)
      throw new Error(`an answer of more than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller says that it is no answer of an apiserver.
    return undefined;
  }
}
