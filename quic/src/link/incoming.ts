import type { LinkClosed } from "@atlasnet/core";
import { ControlReader, type ControlSink } from "./control-frames.ts";
import { FrameReader, type FrameSink } from "./frame-reader.ts";
import { MAX_PEER_STREAMS, StreamKind } from "./link-bounds.ts";

export interface IncomingSink extends ControlSink {
  /** A sink for one more stream of channels; may refuse: the link is not open. */
  channels(): FrameSink | LinkClosed;
}

type Reader = { push(bytes: Uint8Array): LinkClosed | undefined };

/** The peer's streams: each says with its first byte what it carries. */
export class Incoming {
  private readonly sink: IncomingSink;
  private readonly readers = new Map<number, Reader>();
  private hasControl = false;

  constructor(sink: IncomingSink) {
    this.sink = sink;
  }

  /** Returns why the link has to end, or undefined. */
  push(stream: number, bytes: Uint8Array): LinkClosed | undefined {
    if (bytes.length === 0) return undefined;
    const known = this.readers.get(stream);
    if (known !== undefined) return known.push(bytes);
    if (this.readers.size >= MAX_PEER_STREAMS)
      return bad(`more than ${MAX_PEER_STREAMS} streams were opened`);
    const reader = this.readerOf(bytes[0] ?? 0);
    if ("code" in reader) return reader;
    this.readers.set(stream, reader);
    return reader.push(bytes.subarray(1));
  }

  end(): void {
    this.readers.clear();
  }

  private readerOf(kind: number): Reader | LinkClosed {
    if (kind === StreamKind.control) {
      if (this.hasControl) return bad("a second control stream was opened");
      this.hasControl = true;
      return new ControlReader(this.sink);
    }
    if (kind !== StreamKind.channels) return bad(`stream kind ${kind} does not exist`);
    const sink = this.sink.channels();
    return "code" in sink ? sink : new FrameReader(sink);
  }
}

function bad(detail: string): LinkClosed {
  return { code: "bad-message", detail };
}
