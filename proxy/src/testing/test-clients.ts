import { connect, type Socket } from "node:net";
import { type CborValue, writeCbor } from "@atlasnet/core";
import { ByteWriter } from "@atlasnet/world";
import { WebSocket } from "ws";
import { FrameSplitter } from "../gateway/framed/frame-splitter.ts";
import { FRAMED_MAGIC } from "../gateway/sniff.ts";
import { frame } from "../session/framing.ts";
import { Arrivals } from "./arrivals.ts";
import { readCbor } from "./read-cbor.ts";

const MAX_TEST_FRAME = 16 * 1024 * 1024;

export function cbor(value: CborValue): Uint8Array {
  const writer = new ByteWriter();
  writeCbor(writer, value);
  return writer.finish();
}

/** A hello for a guest of a world; `more` adds or replaces keys. */
export function hello(world: string, more: { [key: string]: CborValue } = {}): CborValue {
  return [
    1,
    {
      v: 1,
      world,
      stream: Uint8Array.of(1, 1, 2, 2, 3, 3, 4, 4),
      attempt: 0,
      firstUnacked: 1,
      lastReceived: 0,
      ...more,
    },
  ];
}

/** A client as simple as docs/protocol.md allows; messages come as decoded arrays. */
export interface TestClient {
  readonly messages: Arrivals<readonly CborValue[]>;
  /** The code of the WebSocket close frame, where there is one. */
  readonly closeCode: () => number | undefined;
  readonly socket: Socket | undefined;
  send(value: CborValue): void;
  raw(bytes: Uint8Array): void;
  end(): void;
}

export function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

/** The item as a message: its decoded array. */
function message(item: Uint8Array): readonly CborValue[] {
  const value = readCbor(item);
  if (!Array.isArray(value)) throw new Error("the server sent something that is no array");
  return value;
}

export async function framedClient(address: string): Promise<TestClient> {
  const socket = connect({ port: portOf(address), host: "127.0.0.1", noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", () => resolve());
    socket.once("error", reject);
  });
  return framedOver(socket);
}

export function framedOver(socket: Socket): TestClient {
  const messages = new Arrivals<readonly CborValue[]>();
  const splitter = new FrameSplitter(MAX_TEST_FRAME);
  socket.on("error", () => messages.end());
  socket.on("data", (chunk: Uint8Array) => {
    splitter.push(chunk, (item) => {
      messages.add(message(item));
      return true;
    });
  });
  socket.on("close", () => messages.end());
  socket.write(FRAMED_MAGIC);
  return {
    messages,
    closeCode: () => undefined,
    socket,
    send: (value) => socket.write(frame("length", cbor(value))),
    raw: (bytes) => socket.write(bytes),
    end: () => socket.destroy(),
  };
}

export async function webSocketClient(address: string): Promise<TestClient> {
  const messages = new Arrivals<readonly CborValue[]>();
  const webSocket = new WebSocket(`ws://127.0.0.1:${portOf(address)}/any`, "atlasnet.v1");
  let closeCode: number | undefined;
  webSocket.on("message", (data) => {
    if (data instanceof Uint8Array) messages.add(message(data));
  });
  webSocket.on("close", (code) => {
    closeCode = code;
    messages.end();
  });
  await new Promise<void>((resolve, reject) => {
    webSocket.once("open", () => resolve());
    webSocket.once("error", reject);
  });
  webSocket.on("error", () => messages.end());
  return {
    messages,
    closeCode: () => closeCode,
    socket: undefined,
    send: (value) => webSocket.send(cbor(value)),
    raw: (bytes) => webSocket.send(bytes),
    end: () => webSocket.terminate(),
  };
}

/** A key of a decoded map. */
export function field(value: CborValue | undefined, key: string): CborValue | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw new Error(`no map that could have the key ${key}`);
  return Object.entries(value).find(([name]) => name === key)?.[1];
}
