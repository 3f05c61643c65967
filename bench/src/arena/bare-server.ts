import { type WebSocket, WebSocketServer } from "ws";
import { answer } from "../lib/child.ts";

/**
 * The peer: a bare `ws` server, as fast as `ws` goes. It takes messages in and throws them away, and
 * sends every client the same bytes at each tick.
 */

export type BareQuestion =
  | { type: "listen" }
  | { type: "cpu" }
  /** Sends `bytes` to each client in `share` of all ticks, every `intervalMs`. */
  | { type: "go"; bytes: number; share: number; intervalMs: number }
  | { type: "halt" };

const clients = new Map<WebSocket, { due: number }>();
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: 0,
  perMessageDeflate: false,
  clientTracking: false,
});
let received = 0;
let timer: NodeJS.Timeout | undefined;

server.on("connection", (socket) => {
  const state = { due: 0 };
  clients.set(socket, state);
  socket.on("message", () => {
    received += 1;
  });
  socket.on("close", () => clients.delete(socket));
});

function go(bytes: number, share: number, intervalMs: number): void {
  const payload = new Uint8Array(bytes);
  let next = performance.now() + intervalMs;
  const tick = () => {
    for (const [socket, state] of clients) {
      state.due += share;
      if (state.due < 1) continue;
      state.due -= 1;
      socket.send(payload);
    }
    next += intervalMs;
    timer = setTimeout(tick, Math.max(0, next - performance.now()));
  };
  timer = setTimeout(tick, intervalMs);
}

answer<BareQuestion>(async (question) => {
  switch (question.type) {
    case "listen": {
      if (server.address() === null)
        await new Promise<void>((resolve) => server.once("listening", () => resolve()));
      const address = server.address();
      return typeof address === "object" && address !== null ? address.port : 0;
    }
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return { cpuSeconds: (user + system) / 1e6, received };
    }
    case "go":
      return go(question.bytes, question.share, question.intervalMs);
    case "halt":
      clearTimeout(timer);
  }
});
