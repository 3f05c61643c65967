import { type IncomingMessage, request as plainRequest } from "node:http";
import { request as tlsRequest } from "node:https";
import { checkServerIdentity, type PeerCertificate, rootCertificates } from "node:tls";
import { OperatingError } from "@atlasnet/core";
import * as v from "valibot";
import { HINTS, readBounded } from "./ca-client.ts";
import { readAuthorities } from "./trust.ts";
import { CertificateAnswer, RefusalAnswer } from "./wire.ts";

export interface ApiRequest {
  /** Apiservers, asked one after another. */
  readonly urls: readonly string[];
  readonly path: "/v1/join" | "/v1/renew";
  readonly body: object;
  readonly trust: ApiTrust;
  /** Gives it up before its time. */
  readonly signal?: AbortSignal | undefined;
}

/** Whom a node believes to be an apiserver. */
export type ApiTrust =
  /** PEM. */
  | { readonly authorities: string }
  /** Fingerprint of a CA certificate, which the apiserver itself has to show first. */
  | { readonly fingerprint: string };

/** One apiserver has so long for each of its two answers. */
const TIMEOUT_MS = 10_000;

/** What `GET /v1/links` says of the CA. */
const LinksAnswer = v.object({ authorities: v.optional(v.string()) });

/** Another apiserver may have another answer. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  "not-available",
  "not-found",
  "internal",
  "busy",
  "bad-answer",
  "foreign-server",
  "too-many-requests",
]);

/**
 * Asks apiservers for a certificate, until one gives it or refuses it for good. Nothing secret is sent before the
 * server has proved that it is an apiserver of the CA, or the one that the system's authorities know under its name.
 * @throws OperatingError "ca-unreachable", "join-refused" (fact `reason`: the refusal's code; "not-available" when
 *   none of them hands out certificates)
 */
export async function askApiservers(asked: ApiRequest): Promise<CertificateAnswer> {
  const failures: OperatingError[] = [];
  for (const url of asked.urls) {
    try {
      return await askOne(asked, url);
    } catch (error) {
      if (asked.signal?.aborted === true || !goesOn(error)) throw error;
      failures.push(error);
    }
  }
  // Of several reasons the one of an apiserver that answered.
  const told = failures.find(({ code }) => code === "join-refused") ?? failures[0];
  throw told ?? new Error("there is at least one apiserver");
}

function goesOn(error: unknown): error is OperatingError {
  if (!(error instanceof OperatingError)) return false;
  return (
    error.code === "ca-unreachable" ||
    (error.code === "join-refused" && ELSEWHERE.has(String(error.facts["reason"])))
  );
}

async function askOne(asked: ApiRequest, url: string): Promise<CertificateAnswer> {
  const { trust, path, body, signal } = asked;
  if (!mayBeAsked(url))
    throw refused(
      url,
      "foreign-server",
      "it is asked in the clear, and is not on this machine",
      "Name it with https in cluster.apiservers.",
    );
  const authorities =
    "authorities" in trust
      ? trust.authorities
      : await shownAuthority(url, trust.fingerprint, signal);
  const { status, text } = await exchange(url, path, { body, authorities, signal });
  return read(url, status, text);
}

/** A token must not cross a network in the clear. */
function mayBeAsked(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "https:" || /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname);
}

/** The CA certificate that a token names by its fingerprint, from an apiserver that is not known yet. */
async function shownAuthority(
  url: string,
  fingerprint: string,
  signal: AbortSignal | undefined,
): Promise<string> {
  const { status, text } = await exchange(url, "/v1/links", { signal });
  const parsed = v.safeParse(LinksAnswer, status === 200 ? parseJson(url, status, text) : {});
  const shown = parsed.success ? parsed.output.authorities : undefined;
  let authority: ReturnType<typeof readAuthorities>[number] | undefined;
  try {
    authority = readAuthorities(shown ?? "").find((one) => one.fingerprint === fingerprint);
  } catch (error) {
    if (!(error instanceof OperatingError)) throw error;
  }
  if (authority === undefined)
    throw refused(
      url,
      "foreign-server",
      "it is not of the cluster that the join token is for",
      "The token was not sent to it. Look what listens there, and which CA the token is of.",
    );
  return authority.x509.toString();
}

interface ExchangeOptions {
  readonly body?: object;
  /** PEM; undefined: nothing is sent that anybody may not know, and nothing is believed without a check. */
  readonly authorities?: string;
  readonly signal: AbortSignal | undefined;
}

async function exchange(
  base: string,
  path: string,
  { body, authorities, signal }: ExchangeOptions,
): Promise<{ readonly status: number; readonly text: string }> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  try {
    const message = await send(new URL(path, base), {
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      ...(authorities === undefined ? {} : { authorities }),
      signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
    });
    return { status: message.statusCode ?? 0, text: await readBounded(message) };
  } catch (cause) {
    throw unreachable(base, cause);
  }
}

function send(
  url: URL,
  asked: { readonly body?: string; readonly authorities?: string; readonly signal: AbortSignal },
): Promise<IncomingMessage> {
  const { body, authorities, signal } = asked;
  return new Promise((resolve, reject) => {
    const options = {
      method: body === undefined ? "GET" : "POST",
      agent: false,
      signal,
      headers:
        body === undefined
          ? {}
          : { "content-type": "application/json", "content-length": Buffer.byteLength(body) },
    } as const;
    const tls =
      authorities === undefined
        ? { rejectUnauthorized: false }
        : {
            ca: [authorities, ...rootCertificates],
            checkServerIdentity: (host: string, certificate: PeerCertificate) =>
              isApiserver(host, certificate, authorities),
          };
    const request =
      url.protocol === "https:"
        ? tlsRequest(url, { ...options, ...tls, minVersion: "TLSv1.3" })
        : plainRequest(url, options);
    request.once("response", resolve);
    request.on("error", reject);
    request.end(body);
  });
}

/** Certificates of the cluster's CA name nodes, not hosts; one for the host's name is as good. */
function isApiserver(
  host: string,
  certificate: PeerCertificate,
  authorities: string,
): Error | undefined {
  const names = certificate.subjectaltname?.split(", ") ?? [];
  const clusters = readAuthorities(authorities).map(({ cluster }) => cluster);
  const isOne = clusters.some((cluster) =>
    names.some((name) => name.startsWith(`URI:atlasnet://${cluster}/apiserver/`)),
  );
  return isOne ? undefined : checkServerIdentity(host, certificate);
}

function parseJson(url: string, status: number, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw refused(
      url,
      "bad-answer",
      `its answer (${status}) is not understood`,
      "Look what listens there.",
      cause,
    );
  }
}

function read(url: string, status: number, text: string): CertificateAnswer {
  const value = parseJson(url, status, text);
  const answer = v.safeParse(CertificateAnswer, value);
  if (status === 200 && answer.success) return answer.output;
  const refusal = v.safeParse(RefusalAnswer, value);
  if (status === 200 || !refusal.success)
    throw refused(url, "bad-answer", `its answer (${status}) is not understood`);
  const { code, message } = refusal.output;
  throw refused(url, code, message, HINTS.get(code));
}

function refused(
  url: string,
  reason: string,
  message: string,
  hint?: string,
  cause?: unknown,
): OperatingError {
  return new OperatingError("join-refused", `the apiserver ${url}: ${message}`, {
    facts: { address: url, reason },
    ...(hint === undefined ? {} : { hint }),
    cause,
  });
}

function unreachable(url: string, cause: unknown): OperatingError {
  return new OperatingError("ca-unreachable", `the apiserver ${url} cannot be asked`, {
    facts: { address: url },
    hint: "Look whether it runs and whether its address in cluster.apiservers is right: https where it has TLS, http where not.",
    cause,
  });
}
