import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { performance } from "node:perf_hooks";
import type { CborValue } from "@atlasnet/core";
import { DatagramConnection, type DatagramStats, INITIATE_RESEND_MS, isReset } from "@atlasnet/udp";
import { ClientHandshake, type HandshakeStep } from "@atlasnet/udp/node";
import { Arrivals } from "./arrivals.ts";
import { readCbor } from "./read-cbor.ts";
import { cbor, portOf, type TestClient } from "./test-clients.ts";

const MAX_TEST_ITEM = 16 * 1024 * 1024;

export type Accepted = Extract<HandshakeStep, { type: "done" }>;

export interface UdpTestClient extends TestClient {
  readonly serverKey: Uint8Array;
  /** Every sealed packet that was sent, oldest first. */
  readonly sealed: readonly Uint8Array[];
  /** Resets with the right token. */
  readonly resets: Arrivals<Uint8Array>;
  readonly stats: DatagramStats;
  /** Sends bytes from the client's address as they are; `raw` is a datagram here. */
  raw(bytes: Uint8Array): void;
  /** Takes another local port, as after a pause behind a NAT. */
  rebind(): Promise<void>;
  /** While it is deaf, sealed packets that come are lost. */
  deaf(on: boolean): void;
  /** Those. */
  readonly unheard: Arrivals<Uint8Array>;
  /** Goes away without a word. */
  vanish(): void;
}

export async function udpSocket(): Promise<Socket> {
  const socket = createSocket({
    type: "udp4",
    // At once: what was sent right before the socket is closed goes out, too.
    lookup: (hostname, _options, answer) => answer(null, hostname, 4),
  });
  await new Promise<void>((resolve) => socket.bind(0, "127.0.0.1", resolve));
  return socket;
}

/** What a handshake gives; packets that get lost on the way are sent again. */
export async function udpHandshake(address: string, socket: Socket): Promise<Accepted> {
  const port = portOf(address);
  const handshake = new ClientHandshake({ serverKey: undefined }, { randomBytes });
  const send = () => socket.send(handshake.packet, port, "127.0.0.1");
  const timer = setInterval(send, INITIATE_RESEND_MS);
  try {
    return await new Promise<Accepted>((resolve, reject) => {
      socket.on("message", (packet) => {
        const step = handshake.receive(packet);
        if (step.type === "again") send();
        else if (step.type === "done") resolve(step);
        else if (step.type === "wrong-key") reject(new Error("another server's key"));
      });
      send();
    });
  } finally {
    socket.removeAllListeners("message");
    clearInterval(timer);
  }
}

export async function udpClient(address: string): Promise<UdpTestClient> {
  const socket = await udpSocket();
  return new Client(await udpHandshake(address, socket), socket, portOf(address));
}

class Client implements UdpTestClient {
  readonly messages = new Arrivals<readonly CborValue[]>();
  readonly resets = new Arrivals<Uint8Array>();
  readonly unheard = new Arrivals<Uint8Array>();
  readonly socket = undefined;
  readonly serverKey: Uint8Array;
  readonly sealed: Uint8Array[] = [];
  private readonly accepted: Accepted;
  private readonly port: number;
  private readonly connection: DatagramConnection;
  private udp: Socket;
  private code: number | undefined;
  private timer: NodeJS.Timeout | undefined;
  private isDeaf = false;
  private over = false;

  constructor(accepted: Accepted, socket: Socket, port: number) {
    const { connectionId, keys, serverKey } = accepted;
    this.accepted = accepted;
    this.serverKey = new Uint8Array(serverKey);
    this.port = port;
    this.udp = socket;
    this.connection = new DatagramConnection(
      { role: "client", connectionId, maxItemBytes: MAX_TEST_ITEM, path: "" },
      {
        keys,
        now: performance.now(),
        randomBytes,
        events: {
          transmit: (packet) => {
            this.sealed.push(packet);
            this.raw(packet);
          },
          item: (item) => this.message(readCbor(item)),
          updatesLost: () => undefined,
          moved: () => undefined,
          failed: (code, reason) => {
            throw new Error(`the server broke a rule: ${code}, ${reason}`);
          },
          closed: (code, reason) => {
            this.code = code;
            this.messages.add([6, code, reason]);
            this.vanish();
          },
          dirty: () => void setImmediate(() => this.flush()),
        },
      },
    );
    this.listen();
  }

  get stats(): DatagramStats {
    return this.connection.stats;
  }

  readonly closeCode = (): number | undefined => this.code;

  private message(value: CborValue): void {
    if (!Array.isArray(value)) throw new Error("the server sent something that is no array");
    this.messages.add(value);
  }

  private listen(): void {
    this.udp.on("message", (packet) => {
      if (this.over) return;
      if (isReset(packet, this.accepted.resetToken)) return this.resets.add(packet);
      if (this.isDeaf) return this.unheard.add(packet);
      this.connection.receive(packet, "", performance.now());
      this.arm();
    });
  }

  private flush(): void {
    if (this.over) return;
    this.connection.flush(performance.now());
    this.arm();
  }

  private arm(): void {
    clearTimeout(this.timer);
    const { wakeAt } = this.connection;
    if (this.over || wakeAt === Number.POSITIVE_INFINITY) return;
    this.timer = setTimeout(
      () => {
        this.connection.wake(performance.now());
        this.arm();
      },
      Math.max(0, wakeAt - performance.now()),
    );
  }

  send(value: CborValue): void {
    this.connection.send(cbor(value));
  }

  raw(bytes: Uint8Array): void {
    if (!this.over) this.udp.send(bytes, this.port, "127.0.0.1");
  }

  async rebind(): Promise<void> {
    const before = this.udp;
    const socket = await udpSocket();
    before.close();
    this.udp = socket;
    this.listen();
  }

  deaf(on: boolean): void {
    this.isDeaf = on;
  }

  vanish(): void {
    if (this.over) return;
    this.over = true;
    clearTimeout(this.timer);
    this.messages.end();
    // What was sent a moment ago is on its way already.
    this.udp.close();
  }

  end(): void {
    if (this.over) return;
    this.connection.close(4000, "");
    this.vanish();
  }
}
