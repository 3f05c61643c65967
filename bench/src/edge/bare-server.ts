import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { WebSocketServer } from "ws";
import { answer } from "../lib/child.ts";
import { open, seal } from "./sealing.ts";

/** The peers: echoes with nothing in them but the transport, as plain as Node lets one write them. */

export type BareQuestion = { type: "listen" } | { type: "cpu" };

export interface BarePorts {
  tcp: number;
  ws: number;
  udp: number;
}

async function listen(): Promise<BarePorts> {
  const tcp = createServer({ noDelay: true }, (socket) => {
    socket.on("data", (bytes) => socket.write(bytes));
    socket.on("error", () => socket.destroy());
  });
  tcp.listen(0, "127.0.0.1");
  const ws = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  ws.on("connection", (socket) => socket.on("message", (bytes) => socket.send(bytes)));
  const udp = createSocket({
    type: "udp4",
    recvBufferSize: 4 << 20,
    sendBufferSize: 4 << 20,
    // Addresses need no DNS.
    lookup: (name, _options, done) => done(null, name, 4),
  });
  let sent = 0;
  udp.on("message", (packet, { port, address }) => {
    udp.send(seal(sent++, open(packet)), port, address);
  });
  const bound = once(udp, "listening");
  udp.bind(0, "127.0.0.1");
  await Promise.all([
    once(tcp, "listening"),
    ws.address() === null ? once(ws, "listening") : undefined,
    bound,
  ]);
  return { tcp: portOf(tcp.address()), ws: portOf(ws.address()), udp: udp.address().port };
}

function portOf(address: { port: number } | string | null): number {
  return typeof address === "object" && address !== null ? address.port : 0;
}

answer<BareQuestion>(async (question) => {
  if (question.type === "listen") return listen();
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
});
