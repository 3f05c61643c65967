import { type IncomingMessage, request } from "node:http";
import { connect, type DetailedPeerCertificate, type TLSSocket } from "node:tls";
import { OperatingError } from "@atlasnet/core";
import * as v from "valibot";
import { type Address, addressText } from "./address.ts";
import { type ParsedCertificate, parseCertificate } from "./certificate.ts";
import { datesProblem, judgeLeaf } from "./trust.ts";
import { CertificateAnswer, MAX_ANSWER_BYTES, RefusalAnswer } from "./wire.ts";

export interface CaRequest {
  readonly address: Address;
  readonly path: "/v1/join" | "/v1/renew";
  readonly body: object;
  /** Which CA certificates the server may stand below, by fingerprint. */
  readonly trusted: ReadonlySet<string>;
  /** The present certificate and its key (PEM), for a renewal. */
  readonly present?: { readonly cert: string; readonly key: string };
  /** Gives it up before its time. */
  readonly signal?: AbortSignal | undefined;
}

/** The whole exchange, from connecting to the last byte, has this long. */
const TIMEOUT_MS = 15_000;
/** Certificates that are looked at in a server's chain. */
const MAX_CHAIN = 4;

/** What to do about a refusal, for the person who starts the node. */
export const HINTS = new Map<string, string>([
  [
    "token-expired",
    "Make a new token where the CA is: `atlasnet ca token`, with --ttl for a longer life. If it is new, compare the clocks.",
  ],
  [
    "foreign-token",
    "Make a token with the CA that is served at that address: `atlasnet ca token --dir FOLDER`.",
  ],
  ["bad-token", "Copy the whole token, or make a new one: `atlasnet ca token`."],
  ["wrong-role", "Make a token for this role: `atlasnet ca token --role ROLE`."],
  [
    "wrong-node",
    "Start the node with that node.id, or make a token for this one: `atlasnet ca token --node NODE`.",
  ],
  [
    "node-taken",
    "Choose another node.id; or, if this is the same node with its files lost, make a token that names it: `atlasnet ca token --node NODE`.",
  ],
  ["bad-certificate", "Fetch a new certificate with a token of `atlasnet ca token --node NODE`."],
  [
    "unknown-certificate",
    "Fetch a new certificate with a token of `atlasnet ca token --node NODE`.",
  ],
  ["too-many-requests", "Wait some seconds."],
  [
    "not-available",
    "Give one of the apiservers the folder of the CA: apiserver --ca FOLDER. Or use a token of `atlasnet ca token --address HOST:PORT`, where `atlasnet ca serve` is.",
  ],
  ["failed", "Read the log of `atlasnet ca serve`."],
]);

/**
 * Asks `atlasnet ca serve` for a certificate. Nothing is sent before the server has proved that it stands
 * below a CA that is trusted.
 * @throws OperatingError "ca-unreachable", "join-refused" (fact `reason`: the refusal's code)
 */
export async function askCa(asked: CaRequest, now: () => number): Promise<CertificateAnswer> {
  const { address, path, body, present } = asked;
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const signal = asked.signal === undefined ? timeout : AbortSignal.any([timeout, asked.signal]);
  const socket = await open(address, present, signal);
  try {
    const problem = serverProblem(socket, asked.trusted, now());
    if (problem !== undefined) throw refused(address, "foreign-server", problem, FOREIGN_SERVER);
    const { status, text } = await exchange(socket, address, path, JSON.stringify(body), signal);
    return read(address, status, text);
  } finally {
    socket.destroy();
  }
}

const FOREIGN_SERVER =
  "Nothing was sent to it. Look what listens there; make a token with the CA that does: `atlasnet ca token --address HOST:PORT`. If its certificate is out of date, compare the clocks.";

function open(
  { host, port }: Address,
  present: CaRequest["present"],
  signal: AbortSignal,
): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => {
      socket.destroy();
      reject(unreachable({ host, port }, cause));
    };
    const socket = connect(
      // Node cannot judge it: who has only a token knows no more than the CA's hash. serverProblem does.
      { host, port, minVersion: "TLSv1.3", rejectUnauthorized: false, ...present },
      () => {
        signal.removeEventListener("abort", abort);
        socket.off("error", fail);
        resolve(socket);
      },
    );
    // Either the time is over or the caller has given up.
    const abort = () => fail(signal.reason);
    socket.once("error", fail);
    signal.addEventListener("abort", abort, { once: true });
    if (signal.aborted) abort();
  });
}

/** Why the server is not to be trusted; undefined when it is that of the CA. */
function serverProblem(
  socket: TLSSocket,
  trusted: ReadonlySet<string>,
  now: number,
): string | undefined {
  const [own, ...others] = chainOf(socket.getPeerCertificate(true));
  const authorities = others.filter(({ fingerprint }) => trusted.has(fingerprint));
  if (own === undefined || authorities.length === 0)
    return "the server there is not that of the expected CA";
  const judged = judgeLeaf(own.x509.raw, authorities);
  if (!judged.ok) return `the server there cannot be trusted: ${judged.reason}`;
  if (judged.leaf.role !== "ca")
    return `the server there is a ${judged.leaf.role}, not that of the CA`;
  return datesProblem(judged.leaf, now)?.reason;
}

function chainOf(first: DetailedPeerCertificate): ParsedCertificate[] {
  const chain: ParsedCertificate[] = [];
  let next: DetailedPeerCertificate | undefined = first;
  // The last one names itself as its issuer. Without a certificate there is an empty object.
  while (next?.raw !== undefined && chain.length < MAX_CHAIN) {
    const parsed = parseCertificate(next.raw);
    if (parsed === undefined) break;
    chain.push(parsed);
    if (next.issuerCertificate === next) break;
    next = next.issuerCertificate;
  }
  return chain;
}

function exchange(
  socket: TLSSocket,
  address: Address,
  path: string,
  body: string,
  signal: AbortSignal,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) => reject(unreachable(address, cause));
    const asking = request(
      {
        createConnection: () => socket,
        method: "POST",
        path,
        signal,
        headers: {
          host: addressText(address),
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
        },
      },
      (response) => {
        readBounded(response).then(
          (text) => resolve({ status: response.statusCode ?? 0, text }),
          fail,
        );
      },
    );
    asking.once("error", fail);
    asking.end(body);
  });
}

/** @throws what the socket does, and for an answer that is too long */
export async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) throw new Error("the answer is no bytes");
    size += chunk.length;
    if (size > MAX_ANSWER_BYTES)
      throw new Error(`the answer is longer than ${MAX_ANSWER_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function read(address: Address, status: number, text: string): CertificateAnswer {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw notUnderstood(address, status, cause);
  }
  const answer = v.safeParse(CertificateAnswer, value);
  if (status === 200 && answer.success) return answer.output;
  const refusal = v.safeParse(RefusalAnswer, value);
  if (status === 200 || !refusal.success) throw notUnderstood(address, status);
  const { code, message } = refusal.output;
  throw refused(address, code, message, HINTS.get(code));
}

function refused(
  address: Address,
  reason: string,
  message: string,
  hint: string | undefined,
): OperatingError {
  const at = addressText(address);
  return new OperatingError("join-refused", `the CA at ${at}: ${message}`, {
    facts: { address: at, reason },
    ...(hint === undefined ? {} : { hint }),
  });
}

function notUnderstood(address: Address, status: number, cause?: unknown): OperatingError {
  const at = addressText(address);
  return new OperatingError("join-refused", `the answer of ${at} (${status}) is not understood`, {
    facts: { address: at, reason: "bad-answer" },
    hint: "Look whether `atlasnet ca serve` there has the same version.",
    cause,
  });
}

function unreachable(address: Address, cause: unknown): OperatingError {
  const at = addressText(address);
  return new OperatingError("ca-unreachable", `the CA at ${at} cannot be reached`, {
    facts: { address: at },
    hint: `Look whether \`atlasnet ca serve\` runs there and the port is open to this machine. If it is somewhere else, make a token that says where: \`atlasnet ca token --address HOST:PORT\`.`,
    cause,
  });
}
