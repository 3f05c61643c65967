import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { connect, createServer, type Server, type TLSSocket } from "node:tls";
import type {
  LinkEndpoint,
  OpenEndpoint,
  QuicConnection,
  QuicConnectionEvents,
} from "@atlasnet/quic";
import { TlsConnection } from "./tls-connection.ts";

type Events = (connection: QuicConnection) => QuicConnectionEvents;

/** Opens an endpoint of TLS 1.3 over TCP with the papers of the QUIC one; the link judges certificates. */
export const openTlsEndpoint: OpenEndpoint = async ({ host, port }, { credentials }) => {
  const tls = {
    cert: credentials.certificate,
    key: credentials.privateKey,
    ca: credentials.authorities,
    minVersion: "TLSv1.3",
    rejectUnauthorized: false,
  } as const;
  let accept: Events | undefined;
  const sockets = new Set<TLSSocket>();
  const keep = (socket: TLSSocket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    return socket;
  };
  const server: Server = createServer({ ...tls, requestCert: true }, (socket) => {
    if (accept === undefined) socket.destroy();
    else new TlsConnection(keep(socket), true, accept);
  });
  server.listen(port, host);
  await once(server, "listening");
  // The first of its kind: a socket's address is text only for pipes.
  const { address, port: bound } = server.address() as AddressInfo;
  const endpoint: LinkEndpoint = {
    address: { host: address, port: bound },
    stats: undefined,
    connect: (to, events) =>
      new TlsConnection(
        keep(
          connect({ ...tls, host: to.host, port: to.port, checkServerIdentity: () => undefined }),
        ),
        false,
        events,
      ),
    listen(handler) {
      accept = handler;
    },
    setCredentials() {},
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  };
  return endpoint;
};
