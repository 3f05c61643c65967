import type { Arena } from "./arena.ts";
import type { NativeConnection } from "./binding.ts";

/** Bytes of one stream handed on in one turn; the rest waits for the next, so that others have theirs. */
export const STREAM_TURN_BYTES = 262_144;

/** One-way streams have ids four apart; the lowest bits say which side opened them. */
const ID_STEP = 4;

interface PeerStreamsOptions {
  /** 2: the client's, 3: the server's. */
  readonly firstId: number;
  readonly maxStreams: number;
}

interface PeerStreamsSink {
  bytes(stream: number, bytes: Uint8Array): void;
  ended(stream: number): void;
  /** The peer opened more than it may. */
  tooMany(): void;
  /** False as soon as nothing more is to be handed on. */
  open(): boolean;
}

/**
 * The streams of the peer, which come in sequence. Asking quiche which ones are readable costs 70 µs a
 * call, asking about one id 0.3 µs: so known ids and the next one are asked, and the list only when
 * something is readable that is none of those (a later stream's first packet overtook).
 */
export class PeerStreams {
  private readonly options: PeerStreamsOptions;
  private readonly arena: Arena;
  private readonly sink: PeerStreamsSink;
  private readonly live: number[] = [];
  private opened = 0;

  constructor(options: PeerStreamsOptions, dependencies: { arena: Arena; sink: PeerStreamsSink }) {
    this.options = options;
    this.arena = dependencies.arena;
    this.sink = dependencies.sink;
  }

  /** Hands on what has come; true when some of it was left for the next turn. */
  read(native: NativeConnection): boolean {
    if (!native.isReadable()) return false;
    while (native.streamReadable(this.nextId())) if (!this.admit(this.nextId())) return false;
    const left = this.readLive(native);
    if (left || !this.sink.open() || !native.isReadable()) return left;
    for (const id of native.readable()) if (!this.admit(id)) return false;
    return this.readLive(native);
  }

  private nextId(): number {
    return this.options.firstId + this.opened * ID_STEP;
  }

  /** Takes note of a stream and those before it. */
  private admit(id: number): boolean {
    while (this.nextId() <= id) {
      if (this.opened === this.options.maxStreams) {
        this.sink.tooMany();
        return false;
      }
      this.live.push(this.nextId());
      this.opened += 1;
    }
    return true;
  }

  private readLive(native: NativeConnection): boolean {
    let left = false;
    for (let index = 0; index < this.live.length; ) {
      const id = this.live[index];
      if (id === undefined || !this.sink.open()) break;
      const state = native.streamReadable(id) ? this.drain(native, id) : "drained";
      if (state === "ended") {
        this.live.splice(index, 1);
        if (this.sink.open()) this.sink.ended(id);
        continue;
      }
      left ||= state === "left";
      index += 1;
    }
    return left;
  }

  private drain(native: NativeConnection, id: number): "drained" | "left" | "ended" {
    for (let read = 0; read < STREAM_TURN_BYTES; ) {
      const room = this.arena.room();
      const got = receive(native, id, room);
      if (got === "ended") return "ended";
      if (got === null) return "drained";
      const [count, fin] = got;
      if (count > 0) this.sink.bytes(id, this.arena.take(count));
      if (fin) return "ended";
      if (count < room.length || !this.sink.open()) return "drained";
      read += count;
    }
    return "left";
  }
}

function receive(
  native: NativeConnection,
  id: number,
  room: Buffer,
): [number, boolean] | null | "ended" {
  try {
    return native.streamRecv(id, room);
  } catch {
    // `StreamReset` and `InvalidStreamState`: the peer gave the stream up.
    return "ended";
  }
}
