import { ByteReader, DecodeError } from "@atlasnet/world";
import { InputIntake } from "./channels/input-intake.ts";
import { HELLO_NUMBER, messageNumber, WELCOME_NUMBER } from "./channels/message-number.ts";
import { UpdatesIntake } from "./channels/updates-intake.ts";
import type { DatagramStats } from "./datagram-stats.ts";
import { MAX_PACKET_BYTES } from "./limits.ts";
import {
  AckFrame,
  CHALLENGE_BYTES,
  FRAME_ACK,
  FRAME_CHALLENGE,
  FRAME_CLOSE,
  FRAME_INPUTS,
  FRAME_PING,
  FRAME_RESPONSE,
  FRAME_STATE,
  FRAME_STREAM,
} from "./packet/frames.ts";
import { FrameSplitter } from "./stream/frame-splitter.ts";
import { ReceiveStream } from "./stream/receive-stream.ts";
import type { StreamMemory } from "./stream/stream-memory.ts";

/** What a packet says, to whom it concerns. Any of these may end the connection; reading stops then. */
export interface PacketSink {
  /** Whether the connection still takes anything in. */
  isOpen(): boolean;
  item(item: Uint8Array): void;
  /** @throws DecodeError for an ack of what was never sent. */
  acknowledged(ack: AckFrame): void;
  /** Client: a view that is valid during the call, as in `responded`. */
  challenged(challenge: Uint8Array): void;
  /** Server. */
  responded(response: Uint8Array): void;
  closed(code: number, reason: string): void;
  failed(code: "bad-message" | "too-large", reason: string): void;
}

export interface PacketReaderOptions {
  role: "client" | "server";
  maxItemBytes: number;
}

export interface PacketReaderDependencies {
  sink: PacketSink;
  stats: DatagramStats;
  streamMemory?: StreamMemory | undefined;
}

const NOTHING = new Uint8Array(0);

/** What it takes to read a packet; a connection needs none of it while nothing comes. */
class Tools {
  readonly reader = new ByteReader(NOTHING);
  readonly ack = new AckFrame();
}

/** Those not in use: as many as there were packets read within the reading of others, mostly one. */
const spareTools: Tools[] = [];

/** Reads the frames of genuine packets, and holds what cannot be handed out yet. */
export class PacketReader {
  /** Of the last packet: whether it asks for an ack, and whether there was room for all of it. */
  asks = false;
  kept = true;

  private readonly maxItemBytes: number;
  private readonly sink: PacketSink;
  /** Whether the packet that is read held an ack already: each is work, so it may hold one. */
  private acknowledges = false;
  private readonly stream: ReceiveStream;
  private readonly splitter: FrameSplitter;
  /** A server's. */
  private readonly inputs: InputIntake | undefined;
  /** A client's. */
  private readonly updates: UpdatesIntake | undefined;
  private paused = false;

  constructor(options: PacketReaderOptions, dependencies: PacketReaderDependencies) {
    const { sink, stats, streamMemory } = dependencies;
    this.maxItemBytes = options.maxItemBytes;
    this.sink = sink;
    this.splitter = new FrameSplitter(options.maxItemBytes, (item) => this.streamItem(item));
    this.stream = new ReceiveStream(this.splitter, streamMemory);
    if (options.role === "server")
      this.inputs = new InputIntake((item) => this.inputItem(item), stats);
    else this.updates = new UpdatesIntake((item) => this.updatesItem(item), stats);
  }

  /** Reads one packet; `asks` and `kept` tell of it afterwards. */
  read(plain: Uint8Array): void {
    this.asks = false;
    this.kept = true;
    this.acknowledges = false;
    const tools = spareTools.pop() ?? new Tools();
    const { reader } = tools;
    try {
      reader.reset(plain);
      while (reader.remaining > 0 && this.sink.isOpen()) this.readFrame(tools);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.sink.failed("bad-message", `a malformed packet: ${error.message}`);
    } finally {
      reader.reset(NOTHING);
      spareTools.push(tools);
    }
  }

  /** Server: a welcome was sent, so inputs may come. */
  welcomed(): void {
    this.inputs?.welcome();
  }

  /** Gives up what was kept. Nothing is read any more. */
  end(): void {
    this.stream.end();
  }

  pause(): void {
    this.paused = true;
    this.stream.hold();
  }

  /** Hands out what was kept. */
  resume(): void {
    this.paused = false;
    this.stream.release();
    this.checkStream();
  }

  private readFrame({ reader, ack }: Tools): void {
    const type = reader.u8();
    switch (type) {
      case FRAME_PING:
        this.asks = true;
        break;
      case FRAME_ACK:
        if (this.acknowledges) throw new DecodeError("a second ack in one packet");
        this.acknowledges = true;
        ack.read(reader);
        this.sink.acknowledged(ack);
        break;
      case FRAME_STREAM: {
        this.asks = true;
        const offset = reader.varint();
        if (!this.stream.receive(offset, reader.raw(reader.varint()))) this.kept = false;
        this.checkStream();
        break;
      }
      case FRAME_CLOSE: {
        const code = reader.varint();
        this.sink.closed(code, reader.text(MAX_PACKET_BYTES));
        break;
      }
      default:
        if (this.inputs !== undefined) this.readOfClient(type, reader, this.inputs);
        else if (this.updates !== undefined) this.readOfServer(type, reader, this.updates);
    }
  }

  private readOfClient(type: number, reader: ByteReader, inputs: InputIntake): void {
    if (type === FRAME_INPUTS) inputs.read(reader, !this.paused);
    else if (type === FRAME_RESPONSE) this.sink.responded(reader.raw(CHALLENGE_BYTES));
    else throw new DecodeError(`frame type ${type}, which no client sends`);
  }

  private readOfServer(type: number, reader: ByteReader, updates: UpdatesIntake): void {
    if (type === FRAME_STATE) {
      this.asks = true;
      const generation = reader.varint();
      const packed = reader.raw(reader.varint());
      if (this.paused) this.kept = false;
      else updates.take(generation, packed);
    } else if (type === FRAME_CHALLENGE) {
      this.asks = true;
      this.sink.challenged(reader.raw(CHALLENGE_BYTES));
    } else throw new DecodeError(`frame type ${type}, which no server sends`);
  }

  /** An item of the stream. Returns whether the next one may follow. */
  private streamItem(item: Uint8Array): boolean {
    const number = messageNumber(item);
    if (number === HELLO_NUMBER) this.inputs?.hello();
    // The item may be gone afterwards, so its number was read before.
    this.sink.item(item);
    if (!this.sink.isOpen()) return false;
    if (number === WELCOME_NUMBER) this.updates?.welcome();
    return !this.paused && this.sink.isOpen();
  }

  private inputItem(item: Uint8Array): boolean {
    if (item.length > this.maxItemBytes) {
      this.sink.failed(
        "too-large",
        `an input of ${item.length} bytes, at most ${this.maxItemBytes}`,
      );
      return false;
    }
    this.sink.item(item);
    return !this.paused && this.sink.isOpen();
  }

  /** Those that waited for their welcome follow it even when it had the connection paused. */
  private updatesItem(item: Uint8Array): boolean {
    this.sink.item(item);
    return this.sink.isOpen();
  }

  private checkStream(): void {
    const { problem } = this.splitter;
    if (problem !== undefined) this.sink.failed(problem.code, problem.reason);
  }
}
