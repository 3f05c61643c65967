import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { PACKET } from "@atlasnet/udp";
import { ClientHandshake, type HandshakeStep } from "@atlasnet/udp/node";
import { answer } from "../lib/child.ts";

/** The process that sends junk from one address, as fast as it is told to. */

export const junkKinds = ["noise", "initiates", "unknown", "forged"] as const;

/**
 * - noise: nothing of the protocol;
 * - initiates: handshakes that begin and never go on;
 * - unknown: packets of connections that do not exist;
 * - forged: packets with the id and from the address of a connection that does.
 */
export type JunkKind = (typeof junkKinds)[number];

export type FloodQuestion =
  | { type: "start"; kind: JunkKind; port: number; perSecond: number }
  /** Ends the flood: how many packets were sent. */
  | { type: "stop" };

const HOST = "127.0.0.1";
/** Of packets that are not initiates. */
const PACKET_BYTES = 100;
/** At most so many at once; after a pause of the machine the rest is left out. */
const BURST = 64;

let socket: Socket | undefined;
let timer: NodeJS.Timeout | undefined;
let sent = 0;

async function start(question: Extract<FloodQuestion, { type: "start" }>): Promise<void> {
  const { port, perSecond } = question;
  const flooding = createSocket({ type: "udp4", sendBufferSize: 1 << 22 });
  socket = flooding;
  await new Promise<void>((resolve) => flooding.connect(port, HOST, resolve));
  const packet = await junk(question.kind, flooding);
  let last = performance.now();
  let due = 0;
  sent = 0;
  timer = setInterval(() => {
    const now = performance.now();
    due = Math.min(BURST, due + ((now - last) / 1000) * perSecond);
    last = now;
    for (; due >= 1; due--, sent++) flooding.send(packet);
  }, 1);
}

async function junk(kind: JunkKind, flooding: Socket): Promise<Uint8Array> {
  switch (kind) {
    case "noise":
      return new Uint8Array(PACKET_BYTES).fill(9);
    case "initiates":
      return handshake().packet;
    case "unknown":
      return sealed(randomBytes(6));
    case "forged": {
      const { connectionId } = await connected(flooding);
      const id = Buffer.alloc(6);
      id.writeUIntBE(connectionId, 0, 6);
      return sealed(id);
    }
  }
}

function handshake(): ClientHandshake {
  return new ClientHandshake({ serverKey: undefined }, { randomBytes });
}

function sealed(id: Uint8Array): Uint8Array {
  const packet = new Uint8Array(PACKET_BYTES);
  packet[0] = PACKET.sealed;
  packet.set(id, 1);
  return packet;
}

function connected(flooding: Socket): Promise<Extract<HandshakeStep, { type: "done" }>> {
  const client = handshake();
  return new Promise((resolve) => {
    flooding.on("message", (packet) => {
      const step = client.receive(packet);
      if (step.type === "again") flooding.send(client.packet);
      if (step.type === "done") resolve(step);
    });
    flooding.send(client.packet);
  });
}

answer<FloodQuestion>(async (question) => {
  if (question.type === "start") return start(question);
  clearInterval(timer);
  const closing = socket;
  if (closing !== undefined) await new Promise<void>((resolve) => closing.close(resolve));
  return sent;
});
