import assert from "node:assert/strict";
import {
  ByteReader,
  ByteWriter,
  bool,
  type CloseCode,
  closeCodes,
  compileDefinition,
  defineWorld,
  grid2d,
  quantized,
  ref,
  text,
  uint,
} from "@atlasnet/world";
import { type CborValue, readCbor, writeCbor } from "../cbor.ts";
import { Client, type ConnectOptions } from "../client.ts";
import type { ClientDependencies } from "../connection.ts";
import { memoryResumeStorage, type ResumeStorage } from "../resume-storage.ts";
import type { Dial, TransportHandlers, Trust } from "../transport.ts";

/** What tests of the client play with: a clock, and servers that do what they are told. */

export const definition = defineWorld({
  name: "arena",
  space: grid2d({ component: "position", size: [100, 100], cell: 50 }),
  components: {
    position: {
      x: quantized({ min: 0, max: 100, step: 1 / 16 }),
      y: quantized({ min: 0, max: 100, step: 1 / 16 }),
    },
  },
  inputs: { move: { up: bool() } },
  clientMessages: { chat: { text: text(40) } },
  serverMessages: { chat: { from: ref(), text: text(40) } },
  join: { color: uint(7) },
});
export const compiled = compileDefinition(definition.data);

/** Time that passes when it is told to. */
export class FakeClock {
  private at = 0;
  private timers: { at: number; fn: () => void }[] = [];

  now = () => this.at;

  setTimer = (ms: number, fn: () => void) => {
    const timer = { at: this.at + ms, fn };
    this.timers.push(timer);
    return {
      cancel: () => {
        this.timers = this.timers.filter((other) => other !== timer);
      },
    };
  };

  pass(ms: number): void {
    const until = this.at + ms;
    for (;;) {
      const next = this.timers.filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.at = Math.max(this.at, next.at);
      next.fn();
    }
    this.at = until;
  }
}

/** One connection, seen from the server. */
export class FakePeer {
  readonly url: string;
  readonly got: unknown[][] = [];
  readonly trust: Trust;
  open = true;
  private readonly handlers: TransportHandlers;

  constructor(url: string, handlers: TransportHandlers, trust: Trust) {
    this.url = url;
    this.handlers = handlers;
    this.trust = trust;
  }

  accept(): this {
    this.handlers.opened();
    return this;
  }

  take(bytes: Uint8Array): void {
    const message = readCbor(new ByteReader(bytes));
    assert.ok(Array.isArray(message));
    // Pings come when they like.
    if (message[0] !== 4) this.got.push(message);
  }

  get hello(): { [key: string]: unknown } {
    const [kind, map] = this.got[0] ?? [];
    assert.ok(kind === 1 && typeof map === "object" && map !== null);
    return { ...map };
  }

  send(message: CborValue): this {
    const writer = new ByteWriter();
    writeCbor(writer, message);
    this.handlers.received(writer.finish());
    return this;
  }

  raw(...bytes: number[]): this {
    this.handlers.received(Uint8Array.from(bytes));
    return this;
  }

  welcome(changes: { [key: string]: CborValue } = {}): this {
    const limits = {
      maxMessageBytes: 65_536,
      messagesPerSecond: 0,
      bytesPerSecond: 0,
      idleTimeoutMs: 30_000,
    };
    const counters = { appliedSeq: 0, outSeq: 0, lastInput: 0, graceTicks: 600, epoch: 1 };
    const who = { world: "arena", account: "ada", session: 5, resume: "token", attempt: 1 };
    const time = { tickRate: 20, tick: 100, timeline: 1 };
    const rest = { schema: compiled.hash, limits, endpoints: [] };
    return this.send([5, { ...who, ...counters, ...time, ...rest, ...changes }]);
  }

  /** A state message with one slot; entities at given places, in full. */
  state(
    tick: number,
    entities: readonly { id: number; x: number; y: number }[],
    slots = true,
  ): this {
    const writer = new ByteWriter();
    writer.varint(tick);
    writer.varint(slots ? 1 : 0);
    if (slots) for (const n of [1, 0, 1]) writer.varint(n);
    writer.u8(1);
    writer.u8(entities.length << 4);
    const position = compiled.publicComponents[0]?.codec;
    entities.forEach(({ id, x, y }, index) => {
      for (const n of [5, index, id]) writer.varint(n);
      position?.encode(writer, { x, y });
    });
    return this.send([1, writer.finish()]);
  }

  close(code: CloseCode): this {
    return this.send([6, closeCodes[code].code, "because"]);
  }

  /** By a network that fails, or with a code of a server's WebSocket. */
  cut(code = 1006): this {
    this.open = false;
    this.handlers.closed(code, "cut");
    return this;
  }
}

export class FakeServer {
  readonly clock = new FakeClock();
  readonly peers: FakePeer[] = [];
  readonly warnings: string[] = [];
  readonly storage: ResumeStorage = memoryResumeStorage();

  connect(options: Partial<ConnectOptions> = {}): Client {
    let streams = 0;
    const dial: Dial = (url, handlers, trust) => {
      const peer = new FakePeer(url, handlers, trust);
      this.peers.push(peer);
      return {
        host: "198.51.100.7",
        send: (bytes) => peer.take(bytes),
        close: () => {
          peer.open = false;
        },
      };
    };
    const dependencies: ClientDependencies = {
      dial,
      dialUdp: dial,
      clock: this.clock,
      random: () => 0,
      randomBytes: (count) => new Uint8Array(count).fill(++streams),
      storage: this.storage,
      logger: { warn: (message) => this.warnings.push(message) },
    };
    return new Client({ url: "ws://host", ...options }, dependencies);
  }

  get peer(): FakePeer {
    const peer = this.peers.at(-1);
    assert.ok(peer !== undefined, "nobody connected");
    return peer;
  }
}

export async function joined() {
  const server = new FakeServer();
  const client = server.connect();
  const joining = client.join(definition, { world: "arena" });
  server.peer.accept().welcome();
  const world = await joining;
  server.clock.pass(0);
  return { server, client, world };
}
