import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { ClientHandshake } from "@atlasnet/udp/node";
import { answer } from "../lib/child.ts";
import { type JunkKind, junk, type Made, needsConnection } from "./junk.ts";

/** The process that sends junk from one address, for a while and as fast as it is told to. */

export type FloodQuestion =
  /** `perSecond` 0: as fast as it can. It ends by itself after `seconds`. */
  | { type: "start"; kind: JunkKind; port: number; perSecond: number; seconds: number }
  | { type: "count" }
  /** Ends the flood: its `FloodCount`. */
  | { type: "stop" };

export interface FloodCount {
  packets: number;
  bytes: number;
  /** What the server sent to where the flood came from. */
  bytesBack: number;
}

const SERVER = "127.0.0.1";
/** Players come from another address, and so does the connection in whose name junk is sent. */
const ADDRESS = "127.0.0.2";
const OTHER_ADDRESS = "127.0.0.3";
/** At most so many at once; after a pause of the machine the rest is left out. */
const BURST = 128;
const SEND_BUFFER_BYTES = 1 << 22;

let sockets: Socket[] = [];
let timer: NodeJS.Timeout | undefined;
let running = false;
let count: FloodCount = { packets: 0, bytes: 0, bytesBack: 0 };

async function start(question: Extract<FloodQuestion, { type: "start" }>): Promise<void> {
  const { kind, port, perSecond, seconds } = question;
  let flooding = await open(ADDRESS, port);
  let made: Made | undefined;
  if (needsConnection(kind)) {
    const connected = await open(OTHER_ADDRESS, port);
    made = await shake(connected);
    if (kind === "inside") flooding = connected;
    if (kind === "replays") for (const packet of junk(kind, made)) connected.send(packet);
  }
  const packets = junk(kind, made);
  count = { packets: 0, bytes: 0, bytesBack: 0 };
  flooding.on("message", (packet) => {
    count.bytesBack += packet.length;
  });
  const until = performance.now() + seconds * 1000;
  running = true;
  const send = (times: number): void => {
    for (let i = 0; i < times; i++) {
      const packet = packets[count.packets % packets.length];
      if (packet === undefined) return;
      flooding.send(packet);
      count.packets += 1;
      count.bytes += packet.length;
    }
  };
  if (perSecond === 0) sendAll(() => send(BURST), until);
  else sendPaced(send, perSecond, until);
}

function sendAll(send: () => void, until: number): void {
  if (!running || performance.now() > until) return;
  send();
  setImmediate(() => sendAll(send, until));
}

function sendPaced(send: (times: number) => void, perSecond: number, until: number): void {
  let last = performance.now();
  let due = 0;
  timer = setInterval(() => {
    const now = performance.now();
    if (now > until) return clearInterval(timer);
    due = Math.min(BURST, due + ((now - last) / 1000) * perSecond);
    last = now;
    send(Math.floor(due));
    due -= Math.floor(due);
  }, 1);
}

async function open(address: string, port: number): Promise<Socket> {
  const socket = createSocket({ type: "udp4", sendBufferSize: SEND_BUFFER_BYTES });
  sockets.push(socket);
  await new Promise<void>((resolve) => socket.bind(0, address, resolve));
  await new Promise<void>((resolve) => socket.connect(port, SERVER, resolve));
  return socket;
}

/** A handshake as a client makes it; nothing is said on the connection. */
function shake(socket: Socket): Promise<Made> {
  const client = new ClientHandshake({ serverKey: undefined }, { randomBytes });
  return new Promise((resolve) => {
    const received = (packet: Uint8Array): void => {
      const step = client.receive(packet);
      if (step.type === "again") socket.send(client.packet);
      if (step.type !== "done") return;
      socket.off("message", received);
      resolve(step);
    };
    socket.on("message", received);
    socket.send(client.packet);
  });
}

async function stop(): Promise<FloodCount> {
  running = false;
  clearInterval(timer);
  const closing = sockets;
  sockets = [];
  for (const socket of closing) await new Promise<void>((resolve) => socket.close(resolve));
  return count;
}

answer<FloodQuestion>((question) => {
  switch (question.type) {
    case "start":
      return start(question);
    case "count":
      return { ...count };
    case "stop":
      return stop();
  }
});
