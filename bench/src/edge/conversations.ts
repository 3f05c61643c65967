import { type CborValue, writeCbor } from "@atlasnet/core";
import { ByteWriter } from "@atlasnet/world";
import type { Carrier } from "./carriers.ts";
import { TIMELINE, WORLD } from "./echo-shard.ts";

/** What is said over a carrier: nothing but echoes, or AtlasNet's messages. */
export interface Conversation {
  opened(carrier: Carrier): void;
  /** True when this is the echo of a message. */
  received(message: Uint8Array): boolean;
  /** Sends the next message. */
  send(): void;
}

export class BareConversation implements Conversation {
  private readonly message: Uint8Array;
  private readonly ready: () => void;
  private carrier: Carrier | undefined;

  constructor(bytes: number, ready: () => void) {
    this.message = new Uint8Array(bytes).fill(1);
    this.ready = ready;
  }

  opened(carrier: Carrier): void {
    this.carrier = carrier;
    this.ready();
  }

  received(): boolean {
    return true;
  }

  send(): void {
    this.carrier?.send(this.message);
  }
}

const WELCOME = 5;
const MESSAGE = 2;
const CLOSE = 6;
/** The client acknowledges after so many messages (docs/protocol.md, section 5). */
const ACK_EVERY = 16;

/** Joins as a guest, numbers its messages, acknowledges what comes: all a client has to do. */
export class AtlasNetConversation implements Conversation {
  private readonly payload: Uint8Array;
  private readonly ready: () => void;
  private carrier: Carrier | undefined;
  private sent = 0;
  private got = 0;

  /** `bytes`: payload of each message. */
  constructor(bytes: number, ready: () => void) {
    this.payload = new Uint8Array(bytes).fill(1);
    this.ready = ready;
  }

  opened(carrier: Carrier): void {
    this.carrier = carrier;
    carrier.send(
      encode([
        1,
        {
          v: 1,
          world: WORLD,
          stream: Uint8Array.from({ length: 8 }, () => Math.floor(Math.random() * 256)),
          attempt: 0,
          firstUnacked: 1,
          lastReceived: 0,
          schema: new Uint8Array(8),
        },
      ]),
    );
  }

  received(message: Uint8Array): boolean {
    switch (message[1]) {
      case WELCOME:
        this.ready();
        return false;
      case CLOSE:
        throw new Error(`closed by the server: ${Buffer.from(message).toString("latin1")}`);
      case MESSAGE:
        this.got += 1;
        if (this.got % ACK_EVERY === 0) this.carrier?.send(encode([3, this.got, TIMELINE]));
        return true;
      default:
        return false;
    }
  }

  send(): void {
    this.carrier?.send(encode([MESSAGE, ++this.sent, 0, this.payload]));
  }
}

function encode(message: CborValue): Uint8Array {
  const writer = new ByteWriter(1024);
  writeCbor(writer, message);
  return writer.finish();
}
