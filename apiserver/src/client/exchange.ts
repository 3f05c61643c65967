import { Agent, type IncomingMessage, request as plainRequest } from "node:http";
import { Agent as TlsAgent, request as tlsRequest } from "node:https";
import { checkServerIdentity, type PeerCertificate } from "node:tls";

export interface ExchangeOptions {
  /** PEM of the cluster's CA; without it https goes by the authorities of the system. */
  readonly ca?: string | undefined;
}

export interface Question {
  readonly url: URL;
  readonly method: string;
  readonly headers: { readonly [name: string]: string };
  readonly body?: Uint8Array | string | AsyncIterable<Uint8Array> | undefined;
  /** The socket may be silent for so long. */
  readonly idleMs: number;
  readonly signal: AbortSignal;
}

/** Connections that are kept for the next request, per address. */
const MAX_SOCKETS = 256;

/** HTTP requests over connections that are kept. */
export class Exchange {
  private readonly plain: Agent;
  private readonly tls: TlsAgent;

  constructor({ ca }: ExchangeOptions) {
    const kept = { keepAlive: true, maxSockets: MAX_SOCKETS };
    this.plain = new Agent(kept);
    this.tls = new TlsAgent({
      ...kept,
      ...(ca === undefined ? {} : { ca, checkServerIdentity: isApiserver }),
    });
  }

  /** Resolves with the head of the answer; its body has to be read. @throws what the sockets do */
  ask({ url, method, headers, body, idleMs, signal }: Question): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      if (signal.aborted) return reject(new Error("it was given up"));
      const options = { method, headers, timeout: idleMs };
      const request =
        url.protocol === "https:"
          ? tlsRequest(url, { ...options, agent: this.tls })
          : plainRequest(url, { ...options, agent: this.plain });
      request.once("response", (message) => {
        // Whoever reads it is told; this is for what comes when nobody reads any more.
        message.on("error", () => undefined);
        resolve(message);
      });
      // Not once: an abort behind the answer is an error, too.
      request.on("error", reject);
      // Without an error: one that comes behind the answer would be nobody's.
      const abort = () => request.destroy();
      signal.addEventListener("abort", abort);
      request.once("close", () => signal.removeEventListener("abort", abort));
      request.once("timeout", () =>
        request.destroy(new Error(`nothing came from ${url.host} for ${idleMs} ms`)),
      );
      if (body === undefined || typeof body === "string" || body instanceof Uint8Array)
        request.end(body);
      else void sendAll(body, request);
    });
  }

  close(): void {
    this.plain.destroy();
    this.tls.destroy();
  }
}

async function sendAll(
  body: AsyncIterable<Uint8Array>,
  request: ReturnType<typeof plainRequest>,
): Promise<void> {
  try {
    for await (const chunk of body) {
      if (request.destroyed) return;
      if (!request.write(chunk))
        await new Promise<void>((resolve) => {
          request.once("drain", resolve);
          request.once("close", resolve);
        });
    }
    request.end();
  } catch (error) {
    request.destroy(error instanceof Error ? error : new Error(String(error)));
  }
}

/**
 * Certificates of the cluster's CA name nodes, not hosts: whoever asks an apiserver has to hear one, and not
 * some other node of the cluster. A certificate for the host's name is as good.
 */
function isApiserver(host: string, certificate: PeerCertificate): Error | undefined {
  const names = certificate.subjectaltname?.split(", ") ?? [];
  if (names.some((name) => /^URI:atlasnet:\/\/[a-z0-9-]+\/apiserver\/[A-Za-z0-9._-]+$/.test(name)))
    return undefined;
  return checkServerIdentity(host, certificate);
}
