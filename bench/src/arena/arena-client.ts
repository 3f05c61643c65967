import { type CborValue, writeCbor } from "@atlasnet/core";
import {
  ByteWriter,
  type CompiledDefinition,
  compileDefinition,
  WorldMirror,
} from "@atlasnet/world";
import { type Carrier, dialTcp } from "../edge/carriers.ts";
import { UdpCarrier } from "../lib/udp-carrier.ts";
import { definition } from "../worlds/arena-world.ts";
import type { Checker } from "./checker.ts";
import { CLIENT_HEAD_BYTES, frameOf, RawWebSocket } from "./raw-web-socket.ts";
import type { ClientTally, Tally } from "./tally.ts";
import { Walker } from "./walker.ts";

const compiled: CompiledDefinition = compileDefinition(definition.data);
const STATE = 1;
const UPDATES = 10;
const CLOSE = 6;
/** Sent positions that are remembered: an update shows one of the last. */
const HISTORY = 8;

const scratch = new ByteWriter(64);

export type ArenaTransport = "ws" | "wss" | "tcp" | "udp";

/** What a player speaks through: items in frames that begin with room for a WebSocket's head. */
interface Line {
  write(frame: Uint8Array): void;
  send(item: Uint8Array): void;
  end(): void;
}

/** One player: walks, and counts what comes. Players that are checked decode it, too. */
export class ArenaClient {
  readonly walker: Walker;
  readonly tally: ClientTally = { messages: 0, bytes: 0, lastAt: 0 };
  /** Its entity's id, 0 until it is known. */
  entity = 0;
  /** The true positions it had when it sent them, and when that was. */
  readonly sentX = new Float64Array(HISTORY);
  readonly sentY = new Float64Array(HISTORY);
  readonly sentAt = new Float64Array(HISTORY);
  /** Why the server closed, if it did. */
  problem = "";
  private readonly line: Line;
  private readonly common: Tally;
  private mirror: WorldMirror | undefined = new WorldMirror(compiled);
  private checker: Checker | undefined;
  private inputs = 0;

  constructor(
    address: { host: string; port: number; world: string; transport: ArenaTransport },
    dependencies: { tally: Tally; random: () => number; joined: (client: ArenaClient) => void },
  ) {
    this.walker = new Walker(dependencies.random);
    this.remember(0);
    this.common = dependencies.tally;
    const message = (bytes: Uint8Array, start: number, end: number) => {
      this.receive(bytes, start, end);
      if (this.entity === 0 && this.mirror !== undefined) {
        const [own] = this.mirror.own;
        if (own === undefined) return;
        this.entity = own.id;
        dependencies.joined(this);
      }
    };
    const opened = () => this.hello(address.world);
    const closed = () => {
      this.problem ||= "the connection ended";
    };
    if (address.transport === "udp") {
      const carrier = new UdpCarrier(address.port, {
        opened,
        message: (item) => message(item, 0, item.length),
        closed,
      });
      this.line = {
        write: (frame) => carrier.send(frame.subarray(CLIENT_HEAD_BYTES)),
        send: (item) => carrier.send(item),
        end: () => carrier.end(),
      };
    } else if (address.transport === "tcp") {
      let carrier: Carrier | undefined;
      dialTcp(address.port, true, {
        opened: (opening) => {
          carrier = opening;
          opened();
        },
        message: (item) => message(item, 0, item.length),
        closed,
      });
      this.line = {
        write: (frame) => carrier?.send(frame.subarray(CLIENT_HEAD_BYTES)),
        send: (item) => carrier?.send(item),
        end: () => carrier?.end(),
      };
    } else {
      const { host, port, transport } = address;
      const secure = transport === "wss";
      const socket = new RawWebSocket({ host, port, secure }, { opened, message, closed });
      this.line = {
        write: (frame) => socket.write(frame),
        send: (item) => socket.write(frameOf(item)),
        end: () => socket.end(),
      };
    }
  }

  private hello(world: string): void {
    const params = new ByteWriter(16);
    compiled.join.encode(params, { x: this.walker.x, y: this.walker.y });
    this.send([
      1,
      {
        v: 1,
        world,
        stream: Buffer.from(Array.from({ length: 8 }, () => Math.floor(Math.random() * 256))),
        attempt: 0,
        firstUnacked: 1,
        lastReceived: 0,
        schema: compiled.hash,
        params: params.finish(),
      },
    ]);
  }

  private send(message: CborValue): void {
    const writer = new ByteWriter(64);
    writeCbor(writer, message);
    this.line.send(writer.view8());
  }

  /** Decodes everything from here on, or nothing any more. */
  check(checker: Checker | undefined): void {
    this.checker = checker;
    if (checker === undefined) this.mirror = undefined;
  }

  ping(): void {
    this.send([4, 0]);
  }

  leave(): void {
    this.send([6]);
    this.line.end();
  }

  move(now: number): void {
    this.walker.step();
    this.inputs += 1;
    this.remember(now);
    scratch.reset();
    const frame = Buffer.allocUnsafe(32);
    let at = CLIENT_HEAD_BYTES;
    frame[at++] = 0x84;
    frame[at++] = 5;
    at = writeUint(frame, at, this.inputs);
    frame[at++] = 0;
    compiled.inputs[0]?.codec.encode(scratch, { x: this.walker.x, y: this.walker.y });
    const payload = scratch.view8();
    frame[at++] = 0x40 | payload.length;
    frame.set(payload, at);
    at += payload.length;
    frame[0] = 0x82;
    frame[1] = 0x80 | (at - CLIENT_HEAD_BYTES);
    frame.writeUInt32LE(0, 2);
    this.line.write(frame.subarray(0, at));
    this.common.sent += 1;
    this.common.sentBytes += at - CLIENT_HEAD_BYTES;
  }

  private remember(now: number): void {
    const slot = this.inputs % HISTORY;
    this.sentX[slot] = this.walker.x;
    this.sentY[slot] = this.walker.y;
    this.sentAt[slot] = now;
  }

  private receive(bytes: Uint8Array, start: number, end: number): void {
    const kind = bytes[start + 1];
    if (kind === CLOSE) {
      const text = Buffer.from(bytes.subarray(start, end)).toString("latin1");
      this.problem = `closed by the server: ${text.replace(/[^ -~]/g, " ").trim()}`;
    }
    if (kind !== STATE && kind !== UPDATES) return;
    const { tally, common } = this;
    const now = performance.now();
    tally.messages += 1;
    tally.bytes += end - start;
    if (tally.lastAt > 0) common.gaps.add(now - tally.lastAt);
    tally.lastAt = now;
    if (this.mirror === undefined) return;
    const packed = bytes.slice(packedStart(bytes, start + 2), end);
    const changes =
      kind === STATE ? this.mirror.apply(packed) : this.mirror.applyUpdates(packed, now);
    common.lastTick = this.mirror.tick;
    if (common.firstTick === 0) common.firstTick = this.mirror.tick;
    this.checker?.state(this, this.mirror, changes, now);
  }
}

/** Where the packed bytes begin behind a CBOR byte string's head. */
function packedStart(bytes: Uint8Array, at: number): number {
  const head = bytes[at] ?? 0;
  if (head < 0x58) return at + 1;
  return head === 0x58 ? at + 2 : at + 3;
}

function writeUint(target: Uint8Array, start: number, n: number): number {
  let at = start;
  if (n < 24) target[at++] = n;
  else if (n < 256) {
    target[at++] = 0x18;
    target[at++] = n;
  } else {
    target[at++] = 0x19;
    target[at++] = n >> 8;
    target[at++] = n & 0xff;
  }
  return at;
}
