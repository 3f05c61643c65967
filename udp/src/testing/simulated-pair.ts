import { DatagramConnection } from "../datagram-connection.ts";
import { EventQueue, seededRandom } from "./event-queue.ts";
import { toyKeyPair } from "./toy-keys.ts";

/** What the network does to packets, the same in both directions. Rates are in [0, 1], times in ms. */
export interface Impairment {
  loss: number;
  delayMs: number;
  /** A packet is up to so much earlier or later. */
  jitterMs: number;
  duplicate: number;
}

export const PERFECT: Impairment = { loss: 0, delayMs: 5, jitterMs: 0, duplicate: 0 };
export const BAD: Impairment = { loss: 0.05, delayMs: 50, jitterMs: 20, duplicate: 0.02 };

export interface SimulationOptions {
  seed?: number;
  impairment?: Impairment;
  maxItemBytes?: number;
}

/** One side: its connection, and what it told. */
export class SimulatedSide {
  readonly connection: DatagramConnection<number>;
  readonly items: Uint8Array[] = [];
  readonly lostUpdates: number[] = [];
  readonly moves: string[] = [];
  readonly failures: string[] = [];
  readonly closes: string[] = [];
  /** Called with each item, after it was noted. */
  onItem: (item: Uint8Array) => void = () => {};
  onLost: (sent: number) => void = () => {};
  private readonly queue: EventQueue;
  private wakeScheduledAt = Number.POSITIVE_INFINITY;

  constructor(
    role: "client" | "server",
    queue: EventQueue,
    dependencies: {
      keys: ReturnType<typeof toyKeyPair>["client"];
      transmit: (packet: Uint8Array, path: string) => void;
      randomBytes: (bytes: number) => Uint8Array;
      maxItemBytes: number;
      path: string;
    },
  ) {
    const { keys, transmit, randomBytes, maxItemBytes, path } = dependencies;
    this.queue = queue;
    this.connection = new DatagramConnection<number>(
      { role, connectionId: 0x0102_0304_0506, maxItemBytes, path },
      {
        keys,
        now: queue.now,
        randomBytes,
        events: {
          transmit,
          item: (item) => {
            this.items.push(item.slice());
            this.onItem(item);
          },
          updatesLost: (sent) => {
            this.lostUpdates.push(sent);
            this.onLost(sent);
          },
          moved: (to) => this.moves.push(to),
          failed: (code, reason) => {
            this.failures.push(`${code}: ${reason}`);
            this.connection.close(1, code);
          },
          closed: (code, reason) => this.closes.push(`${code}: ${reason}`),
          dirty: () =>
            queue.at(queue.now, () => {
              this.connection.flush(queue.now);
              this.watch();
            }),
        },
      },
    );
  }

  receive(packet: Uint8Array, path: string): boolean {
    const taken = this.connection.receive(packet, path, this.queue.now);
    this.watch();
    return taken;
  }

  /** Sees to it that `wake` is called. */
  private watch(): void {
    const at = this.connection.wakeAt;
    if (at >= this.wakeScheduledAt || at === Number.POSITIVE_INFINITY) return;
    this.wakeScheduledAt = at;
    this.queue.at(at, () => {
      if (this.wakeScheduledAt !== at) return;
      this.wakeScheduledAt = Number.POSITIVE_INFINITY;
      if (this.connection.wakeAt <= this.queue.now) this.connection.wake(this.queue.now);
      this.watch();
    });
  }
}

/** A client and a server with a simulated network between them. All of it follows from the seed. */
export class SimulatedPair {
  readonly queue = new EventQueue();
  readonly client: SimulatedSide;
  readonly server: SimulatedSide;
  impairment: Impairment;
  /** Where the client is now. What is sent to another address is lost. */
  clientPath = "first";
  /** Packets on their way may be looked at, or taken off: false drops one. */
  toServer: (packet: Uint8Array) => boolean = () => true;
  toClient: (packet: Uint8Array, path: string) => boolean = () => true;
  private readonly random: () => number;

  constructor({ seed = 1, impairment = PERFECT, maxItemBytes = 1 << 20 }: SimulationOptions = {}) {
    this.impairment = impairment;
    this.random = seededRandom(seed);
    const keys = toyKeyPair();
    const randomBytes = (count: number): Uint8Array =>
      Uint8Array.from({ length: count }, () => Math.floor(this.random() * 256));
    this.client = new SimulatedSide("client", this.queue, {
      keys: keys.client,
      randomBytes,
      maxItemBytes,
      path: "",
      transmit: (packet) => {
        if (!this.toServer(packet)) return;
        const from = this.clientPath;
        this.carry(() => this.server.receive(packet, from));
      },
    });
    this.server = new SimulatedSide("server", this.queue, {
      keys: keys.server,
      randomBytes,
      maxItemBytes,
      path: this.clientPath,
      transmit: (packet, path) => {
        if (!this.toClient(packet, path)) return;
        this.carry(() => {
          if (path === this.clientPath) this.client.receive(packet, "");
        });
      },
    });
  }

  run(ms: number, done?: () => boolean): boolean {
    return this.queue.runUntil(this.queue.now + ms, done);
  }

  private carry(deliver: () => void): void {
    const { loss, delayMs, jitterMs, duplicate } = this.impairment;
    const copies = this.random() < duplicate ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      if (this.random() < loss) continue;
      const delay = delayMs + (this.random() * 2 - 1) * jitterMs;
      this.queue.at(this.queue.now + delay, deliver);
    }
  }
}

/** A CBOR-like item: an array head, a message number, and a counter with `bytes` bytes behind it. */
export function testItem(message: number, counter: number, bytes = 0): Uint8Array {
  const item = new Uint8Array(6 + bytes).fill(counter & 0xff);
  item[0] = 0x82;
  item[1] = message;
  new DataView(item.buffer).setUint32(2, counter);
  return item;
}

/** The counter of a `testItem`. */
export function counterOf(item: Uint8Array): number {
  return new DataView(item.buffer, item.byteOffset, item.byteLength).getUint32(2);
}
