import { createServer as createHttpServer, type IncomingMessage, type Server } from "node:http";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createSecureContext, type SecureContext, TLSSocket } from "node:tls";
import { OperatingError } from "@atlasnet/core";
import { WebSocketServer, type Server as WsServer } from "ws";
import type { ClientConnection, ClientEvents } from "../gateway/client-connection.ts";
import { FramedConnection } from "../gateway/framed/framed-connection.ts";
import { LinesConnection } from "../gateway/lines/lines-connection.ts";
import { type Sniffed, sniff } from "../gateway/sniff.ts";
import { ClientWebSocket } from "../gateway/websocket/client-web-socket.ts";
import { WebSocketConnection } from "../gateway/websocket/websocket-connection.ts";
import type { ProxyLimits } from "../limits.ts";
import type { ProxyCounters } from "../metrics.ts";
import type { Visitor } from "./visitor.ts";

const SUBPROTOCOL = "atlasnet.v1";
const MAX_HTTP_HEADER_BYTES = 16 * 1024;
const UPGRADE_TEXT = "AtlasNet: connect with a WebSocket.\n";

export interface DoorOptions {
  limits: ProxyLimits;
  tls?: { cert: string; key: string };
}

/** Who takes over once the protocol is known. */
export interface Rooms {
  session(visitor: Visitor, connection: ClientConnection): ClientEvents;
  lines(visitor: Visitor, connection: LinesConnection): void;
}

/** Finds out which protocol a socket speaks and hands it to that gateway. */
export class Door {
  private readonly limits: ProxyLimits;
  private readonly counters: ProxyCounters;
  private readonly rooms: Rooms;
  private readonly secure: SecureContext | undefined;
  private readonly http: Server;
  private readonly webSockets: WsServer<typeof ClientWebSocket>;
  private readonly visitors = new WeakMap<Duplex, Visitor>();

  constructor(options: DoorOptions, dependencies: { rooms: Rooms; counters: ProxyCounters }) {
    this.limits = options.limits;
    this.rooms = dependencies.rooms;
    this.counters = dependencies.counters;
    this.secure = options.tls === undefined ? undefined : secureContext(options.tls);
    this.webSockets = new WebSocketServer<typeof ClientWebSocket>({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.limits.maxMessageBytes,
      WebSocket: ClientWebSocket,
      handleProtocols: (offered) => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false),
    });
    // Never listens: it is handed sockets whose first bytes look like HTTP.
    this.http = createHttpServer({ maxHeaderSize: MAX_HTTP_HEADER_BYTES });
    this.http.on("request", (_request, response) => {
      this.counters.httpRefused += 1;
      response.writeHead(426, {
        "content-type": "text/plain",
        upgrade: "websocket",
        connection: "upgrade, close",
      });
      response.end(UPGRADE_TEXT);
    });
    this.http.on("upgrade", (request, socket, head) => this.upgrade(request, socket, head));
    this.http.on("connect", (_request, socket) => this.refuseHttp(socket));
    this.http.on("clientError", (_error, socket) => this.refuseHttp(socket));
  }

  /** Reads until the protocol is clear. The visitor's time for that is its handshake time. */
  enter(visitor: Visitor, socket: Socket): void {
    this.tellApart(visitor, socket, false);
  }

  private tellApart(visitor: Visitor, socket: Socket, secured: boolean): void {
    let seen: Uint8Array = new Uint8Array(0);
    const onData = (chunk: Uint8Array): void => {
      seen = seen.length === 0 ? chunk : Buffer.concat([seen, chunk]);
      const protocol = sniff(seen);
      if (protocol === "more") return;
      socket.off("data", onData);
      socket.pause();
      socket.unshift(seen);
      this.handOver(visitor, socket, protocol, secured);
    };
    socket.on("data", onData);
  }

  private handOver(
    visitor: Visitor,
    socket: Socket,
    protocol: Exclude<Sniffed, "more">,
    secured: boolean,
  ): void {
    const { remoteAddress } = visitor;
    const { limits, counters } = this;
    switch (protocol) {
      case "framed": {
        const { maxMessageBytes } = limits;
        const connection = new FramedConnection(
          { maxMessageBytes, remoteAddress },
          { socket, counters },
        );
        return connection.open(this.rooms.session(visitor, connection));
      }
      case "lines": {
        const { lineBytes } = limits;
        const connection = new LinesConnection({ lineBytes, remoteAddress }, { socket, counters });
        return this.rooms.lines(visitor, connection);
      }
      case "http":
        this.visitors.set(socket, visitor);
        this.http.emit("connection", socket);
        socket.resume();
        return;
      case "tls":
        return this.terminate(visitor, socket, secured);
    }
  }

  private terminate(visitor: Visitor, socket: Socket, secured: boolean): void {
    if (this.secure === undefined || secured)
      return visitor.end("bad-message", "TLS is not configured here");
    const inner = new TLSSocket(socket, { isServer: true, secureContext: this.secure });
    inner.on("error", () => {
      this.counters.socketErrors += 1;
      visitor.carrier.destroy();
    });
    visitor.secured(inner);
    this.tellApart(visitor, inner, true);
  }

  private upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    const visitor = this.visitors.get(socket);
    if (visitor === undefined || !(socket instanceof Socket)) return void socket.destroy();
    if (request.headers.upgrade?.toLowerCase() !== "websocket") return this.refuseHttp(socket);
    this.webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      const { counters } = this;
      const { remoteAddress } = visitor;
      const connection = new WebSocketConnection(
        { remoteAddress },
        { webSocket, socket, counters },
      );
      connection.open(this.rooms.session(visitor, connection));
    });
  }

  private refuseHttp(socket: Duplex): void {
    this.counters.httpRefused += 1;
    if (!socket.writable) return void socket.destroy();
    socket.end(
      `HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nConnection: upgrade, close\r\nContent-Type: text/plain\r\nContent-Length: ${UPGRADE_TEXT.length}\r\n\r\n${UPGRADE_TEXT}`,
    );
  }
}

function secureContext(tls: { cert: string; key: string }): SecureContext {
  try {
    return createSecureContext({ cert: tls.cert, key: tls.key, minVersion: "TLSv1.2" });
  } catch (cause) {
    throw new OperatingError("bad-certificate", "proxy.tls: the certificate and key do not work", {
      cause,
      hint: "Give a PEM certificate (with its chain) and the PEM private key that belongs to it.",
    });
  }
}
