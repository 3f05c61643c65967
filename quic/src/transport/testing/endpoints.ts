import { noopLogger } from "@atlasnet/core";
import type { QuicConnection } from "../quic-connection.ts";
import {
  QuicEndpoint,
  type QuicEndpointDependencies,
  type QuicEndpointOptions,
} from "../quic-endpoint.ts";
import { Recorded } from "./recorded.ts";
import { gameserverCredentials } from "./test-credentials.ts";

export const LOOPBACK = "127.0.0.1";

/** Tests come faster than nodes do. */
const ANY_NUMBER = { perSecond: 1e6, burst: 1e6 };

const opened: QuicEndpoint[] = [];

/** For `afterEach`: also a test that fails leaves nothing behind. */
export async function closeEndpoints(): Promise<void> {
  for (const endpoint of opened.splice(0).reverse()) await endpoint.close();
}

/** An endpoint on any free port of this machine; `closeEndpoints` closes it. */
export async function openEndpoint(
  options: Partial<QuicEndpointOptions> = {},
  dependencies: Partial<QuicEndpointDependencies> = {},
): Promise<QuicEndpoint> {
  const endpoint = await QuicEndpoint.open(
    {
      host: LOOPBACK,
      port: 0,
      idleTimeoutMs: 5000,
      maxPacketBytes: 16_384,
      maxConnections: 64,
      intake: { ofAddress: ANY_NUMBER, ofAll: ANY_NUMBER },
      ...options,
    },
    { credentials: gameserverCredentials, logger: noopLogger, ...dependencies },
  );
  opened.push(endpoint);
  return endpoint;
}

/** Takes in connections and hands them out in sequence. */
export class Listening {
  readonly taken: Recorded[] = [];
  private readonly waiting: ((end: Recorded) => void)[] = [];

  constructor(endpoint: QuicEndpoint) {
    endpoint.listen((connection) => this.take(connection));
  }

  next(): Promise<Recorded> {
    const end = this.taken.shift();
    if (end !== undefined) return Promise.resolve(end);
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  private take(connection: QuicConnection): Recorded {
    const end = new Recorded(connection);
    const waiting = this.waiting.shift();
    if (waiting === undefined) this.taken.push(end);
    else waiting(end);
    return end;
  }
}

export function dial(from: QuicEndpoint, to: QuicEndpoint): Recorded {
  return dialAddress(from, to.address);
}

export function dialAddress(from: QuicEndpoint, to: { host: string; port: number }): Recorded {
  let end: Recorded | undefined;
  from.connect(to, (connection) => {
    end = new Recorded(connection);
    return end;
  });
  if (end === undefined) throw new Error("connect did not ask for events");
  return end;
}

/** Two ends of a new connection, both established. */
export async function connectPair(
  from: QuicEndpoint,
  to: QuicEndpoint,
  listening = new Listening(to),
): Promise<{ client: Recorded; server: Recorded }> {
  const client = dial(from, to);
  await client.untilEstablished();
  const server = await listening.next();
  await server.untilEstablished();
  return { client, server };
}
