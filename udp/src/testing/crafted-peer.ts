import { ByteReader, ByteWriter } from "@atlasnet/world";
import { DatagramConnection } from "../datagram-connection.ts";
import { FRAME_STREAM } from "../packet/frames.ts";
import { NUMBER_AT, numberEnd, numberIn } from "../packet/packet-header.ts";
import { TAG_BYTES } from "../packet-keys.ts";
import { toyKeyPair } from "./toy-keys.ts";

export interface CraftedPeerOptions {
  role: "client" | "server";
  maxItemBytes?: number;
}

/** A connection, and a peer that sends it whatever frames a test makes up. */
export class CraftedPeer {
  readonly connection: DatagramConnection<number>;
  readonly items: Uint8Array[] = [];
  readonly lostUpdates: number[] = [];
  readonly failures: string[] = [];
  readonly closes: string[] = [];
  readonly moves: string[] = [];
  /** What the connection transmitted. */
  readonly packets: { packet: Uint8Array; path: string }[] = [];
  dirty = 0;
  now = 1000;
  onItem: (item: Uint8Array) => void = () => {};
  private readonly keys = toyKeyPair();
  private readonly role: "client" | "server";
  private nextNumber = 0;

  constructor({ role, maxItemBytes = 10_000 }: CraftedPeerOptions) {
    this.role = role;
    this.connection = new DatagramConnection<number>(
      {
        role,
        connectionId: 0xaabb_ccdd_eeff,
        maxItemBytes,
        path: role === "server" ? "first" : "",
      },
      {
        keys: this.keys[role],
        now: this.now,
        randomBytes: (bytes) => new Uint8Array(bytes).fill(0x5a),
        events: {
          transmit: (packet, path) => this.packets.push({ packet, path }),
          item: (item) => {
            this.items.push(item.slice());
            this.onItem(item);
          },
          updatesLost: (sent) => this.lostUpdates.push(sent),
          moved: (path) => this.moves.push(path),
          failed: (code) => this.failures.push(code),
          closed: (code, reason) => this.closes.push(`${code} ${reason}`),
          dirty: () => {
            this.dirty += 1;
          },
        },
      },
    );
  }

  /** A genuine packet with these frames. */
  seal(frames: Uint8Array, number = this.nextNumber++): Uint8Array {
    const writer = new ByteWriter();
    writer.u8(4);
    if (this.role === "server") writer.raw(Uint8Array.of(0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff));
    writer.varint(number);
    const start = writer.length;
    writer.raw(frames);
    const end = writer.length;
    writer.raw(new Uint8Array(TAG_BYTES));
    const packet = writer.finish();
    this.keys[this.role === "server" ? "client" : "server"].seal(number, packet, start, end);
    return packet;
  }

  /** Has the connection receive frames. */
  give(frames: Uint8Array | readonly number[], path = "first"): boolean {
    const bytes = frames instanceof Uint8Array ? frames : Uint8Array.from(frames);
    return this.connection.receive(this.seal(bytes), path, this.now);
  }

  flush(): void {
    this.connection.flush(this.now);
  }

  /** Takes out what was transmitted: the number and the frames of each packet. */
  sent(): { number: number; frames: Uint8Array; path: string; bytes: number }[] {
    const start = NUMBER_AT[this.role === "server" ? "client" : "server"];
    return this.packets.splice(0).map(({ packet, path }) => {
      const end = numberEnd(packet, start);
      const number = numberIn(packet, start, end);
      const plain = this.keys[this.role === "server" ? "client" : "server"].open(
        number,
        packet,
        end,
      );
      if (plain === undefined) throw new Error("a packet that is not genuine");
      return { number, frames: plain.slice(), path, bytes: packet.length };
    });
  }
}

/** A stream frame with the frames of these items. */
export function streamFrame(offset: number, ...items: readonly Uint8Array[]): Uint8Array {
  const body = new ByteWriter();
  for (const item of items) body.block(item);
  const frame = new ByteWriter();
  frame.u8(FRAME_STREAM);
  frame.varint(offset);
  frame.block(body.view8());
  return frame.finish();
}

/** The types of the frames in a packet, as far as they can be told without reading all. */
export function firstFrame(frames: Uint8Array): number {
  return new ByteReader(frames).u8();
}
