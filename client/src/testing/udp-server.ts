import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { once } from "node:events";
import { DatagramConnection } from "@atlasnet/udp";
import { createServerIdentity, HandshakeDoor, newPrivateKey } from "@atlasnet/udp/node";
import { commonSurroundings } from "../surroundings.ts";

const { clock, randomBytes } = commonSurroundings;

interface Guest {
  datagrams: DatagramConnection;
  timer: { cancel(): void } | undefined;
}

/** A server that echoes every item, and loses the packets that a test wants lost. */
export class UdpServer {
  /** 32 bytes. */
  readonly key: Uint8Array;
  port = 0;
  /** True for a packet that is to be lost; `port` is the client's. */
  loses: (direction: "in" | "out", port: number) => boolean = () => false;
  /** Items that arrived, and what connections said at their end. */
  readonly got: Uint8Array[] = [];
  readonly closes: { code: number; reason: string }[] = [];
  /** Times a connection moved to another address. */
  moves = 0;
  private readonly identity = createServerIdentity(newPrivateKey());
  private readonly door: HandshakeDoor;
  private readonly socket: Socket;
  private readonly guests = new Map<number, Guest>();
  private nextId = 1;

  constructor() {
    this.key = this.identity.publicKey;
    this.door = new HandshakeDoor(
      { idleTimeoutMs: 30_000 },
      { identity: this.identity, randomBytes },
    );
    this.socket = createSocket("udp4");
    this.socket.on("message", (bytes, from) => this.packet(bytes, from));
  }

  async start(): Promise<this> {
    this.socket.bind(0, "127.0.0.1");
    await once(this.socket, "listening");
    this.port = this.socket.address().port;
    return this;
  }

  get url(): URL {
    return new URL(`udp://127.0.0.1:${this.port}`);
  }

  /** As a restart does: nobody is known any more. */
  forget(): void {
    for (const { timer } of this.guests.values()) timer?.cancel();
    this.guests.clear();
  }

  /** Sends each client a close frame. */
  closeAll(code: number, reason: string): void {
    for (const { datagrams } of this.guests.values()) datagrams.close(code, reason);
  }

  async stop(): Promise<void> {
    this.forget();
    this.socket.close();
    await once(this.socket, "close");
  }

  private packet(bytes: Uint8Array, { address, port }: RemoteInfo): void {
    if (this.loses("in", port)) return;
    const path = `${address}|${port}`;
    const now = clock.now();
    const id = bytes[0] === 4 ? Buffer.from(bytes).readUIntBE(1, 6) : undefined;
    if (id === undefined) {
      const answer = this.door.answer(bytes, path, now, () => ({
        type: "new",
        connectionId: this.nextId,
      }));
      if (answer.type === "accept") this.welcome(answer.connectionId, answer.keys, path);
      if (answer.type !== "drop") this.send(answer.packet, path);
      return;
    }
    const guest = this.guests.get(id);
    const reset = guest === undefined ? this.door.reset(bytes) : undefined;
    guest?.datagrams.receive(bytes, path, now);
    if (guest !== undefined) this.arm(guest);
    if (reset !== undefined) this.send(reset, path);
  }

  private welcome(
    connectionId: number,
    keys: ConstructorParameters<typeof DatagramConnection>[1]["keys"],
    path: string,
  ): void {
    this.nextId += 1;
    const datagrams: DatagramConnection = new DatagramConnection(
      { role: "server", connectionId, maxItemBytes: 65_536, path },
      {
        keys,
        now: clock.now(),
        randomBytes,
        events: {
          transmit: (packet, to) => this.send(packet, to),
          item: (item) => {
            this.got.push(item.slice());
            datagrams.send(item.slice());
          },
          updatesLost: () => undefined,
          moved: () => {
            this.moves += 1;
          },
          failed: (_code, reason) => datagrams.close(4001, reason),
          closed: (code, reason) => {
            this.closes.push({ code, reason });
          },
          dirty: () =>
            setImmediate(() => {
              datagrams.flush(clock.now());
              this.arm(guest);
            }),
        },
      },
    );
    const guest: Guest = { datagrams, timer: undefined };
    this.guests.set(connectionId, guest);
  }

  private arm(guest: Guest): void {
    const { datagrams } = guest;
    guest.timer?.cancel();
    guest.timer = undefined;
    if (datagrams.wakeAt === Number.POSITIVE_INFINITY || !this.knows(datagrams)) return;
    guest.timer = clock.setTimer(Math.max(0, Math.ceil(datagrams.wakeAt - clock.now())), () => {
      datagrams.wake(clock.now());
      this.arm(guest);
    });
  }

  private knows(datagrams: DatagramConnection): boolean {
    return [...this.guests.values()].some((guest) => guest.datagrams === datagrams);
  }

  private send(packet: Uint8Array, path: string): void {
    const [address, port] = path.split("|");
    if (!this.loses("out", Number(port))) this.socket.send(packet, Number(port), address);
  }
}
