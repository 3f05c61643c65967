import type { NativeConnection } from "./binding.ts";

/** A stream that was full is offered again when it takes so much. */
const WRITABLE_BYTES = 1024;

const ID_STEP = 4;

/** The one-way streams this side opened. */
export class OwnStreams {
  private readonly firstId: number;
  private readonly blocked = new Set<number>();
  private opened = 0;

  /** 2: the client's, 3: the server's. */
  constructor(options: { readonly firstId: number }) {
    this.firstId = options.firstId;
  }

  /** @throws RangeError when the peer takes no more. */
  open(native: NativeConnection, urgency: number): number {
    if (native.peerStreamsLeftUni() === 0)
      throw new RangeError(`the peer takes no more than ${this.opened} streams`);
    const id = this.firstId + ID_STEP * this.opened;
    native.streamPriority(id, urgency, true);
    this.opened += 1;
    return id;
  }

  /** How many bytes were taken. @throws RangeError for a stream that is not ours; Error when the peer wants no more. */
  write(native: NativeConnection, id: number, bytes: Uint8Array): number {
    const index = (id - this.firstId) / ID_STEP;
    if (!(Number.isInteger(index) && index >= 0 && index < this.opened))
      throw new RangeError(`stream ${id} is not ours`);
    const taken = native.streamSend(id, bytes, false) ?? 0;
    if (taken < bytes.length) this.blocked.add(id);
    return taken;
  }

  /** True when one that had refused bytes takes some again. */
  freed(native: NativeConnection): boolean {
    let freed = false;
    for (const id of this.blocked) {
      if (!hasRoom(native, id)) continue;
      this.blocked.delete(id);
      freed = true;
    }
    return freed;
  }
}

function hasRoom(native: NativeConnection, id: number): boolean {
  try {
    return native.streamCapacity(id) >= WRITABLE_BYTES;
  } catch {
    // The peer wants no more: the next write tells.
    return true;
  }
}
