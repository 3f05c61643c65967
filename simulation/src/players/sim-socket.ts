import type { SimProcess } from "@atlasnet/apiserver/sim";
import type { Transport, TransportHandlers } from "@atlasnet/client";
import { type Clock, encodeClose } from "@atlasnet/core";
import {
  type CarriedConnection,
  type ClientEvents,
  FrameSplitter,
  frame,
} from "@atlasnet/proxy/sim";
import { Pipe } from "./pipe.ts";
import type { ProxyHost } from "./public-net.ts";

export interface SimSocketOptions {
  readonly client: string;
  readonly proxy: string;
  readonly remoteAddress: string;
}

export interface SimSocketDependencies {
  readonly clock: Clock;
  readonly clientProcess: SimProcess;
  readonly handlers: TransportHandlers;
  delay(): number;
  isCut(): boolean;
  /** Nothing more happens here. */
  ended(): void;
}

/** As of a stream socket: what a piece costs beside its bytes. */
const OVERHEAD_BYTES = 8;
const MAX_FRAME_BYTES = 16 * 1024 * 1024;

/** A client's connection to a proxy: the `Transport` of the one and the `ClientConnection` of the other, and what is between. */
export class SimSocket {
  readonly client: string;
  readonly proxy: string;
  readonly transport: Transport;
  private readonly options: SimSocketOptions;
  private readonly deps: SimSocketDependencies;
  private readonly up: Pipe;
  private readonly down: Pipe;
  private readonly splitter = new FrameSplitter(MAX_FRAME_BYTES);
  private host: ProxyHost | undefined;
  private events: ClientEvents | undefined;
  private leave = () => {};
  private bytesRead = 0;
  /** The client wants nothing any more, or was told that this is over. */
  private clientOver = false;
  private proxyOver = false;

  constructor(options: SimSocketOptions, dependencies: SimSocketDependencies) {
    this.options = options;
    this.deps = dependencies;
    this.client = options.client;
    this.proxy = options.proxy;
    this.up = new Pipe(dependencies);
    this.down = new Pipe(dependencies);
    this.transport = {
      send: (message) => this.sendUp(message),
      close: () => this.clientCloses(),
      host: options.proxy,
    };
  }

  /** The most bytes that waited when the proxy added to them. */
  fullestBytes = 0;

  revive(): void {
    this.up.revive();
    this.down.revive();
  }

  refuse(reason: string): void {
    this.atClient(() => this.clientHears(reason));
  }

  /** In the proxy's process. */
  accept(host: ProxyHost): void {
    if (this.clientOver) return this.finish();
    this.host = host;
    const place = host.proxy.accept(this.connection());
    if (place === undefined) return this.refuse("reset");
    this.events = place.events;
    this.leave = () => place.leave();
    this.down.write(OVERHEAD_BYTES, () =>
      this.atClient(() => {
        if (!this.clientOver) this.deps.handlers.opened();
      }),
    );
  }

  proxyDied(isSilent: boolean): void {
    this.proxyOver = true;
    this.host = undefined;
    this.up.end();
    this.down.end();
    if (isSilent) return;
    this.deps.clock.setTimer(this.deps.delay(), () => this.refuse("reset by the server's machine"));
  }

  clientDied(): void {
    this.clientOver = true;
    this.down.end();
    this.up.end();
    this.deps.clock.setTimer(this.deps.delay(), () => this.atProxy(() => this.proxyHears()));
  }

  private sendUp(message: Uint8Array): void {
    if (this.clientOver) return;
    const bytes = new Uint8Array(message);
    this.up.write(bytes.length + OVERHEAD_BYTES, () =>
      this.atProxy(() => {
        this.bytesRead += bytes.length;
        if (!this.proxyOver && !this.isClosing) this.events?.message(bytes);
      }),
    );
  }

  private clientCloses(): void {
    if (this.clientOver) return;
    this.clientOver = true;
    this.down.end();
    this.up.write(OVERHEAD_BYTES, () => this.atProxy(() => this.proxyHears()));
  }

  private clientHears(reason: string): void {
    if (!this.clientOver) {
      this.clientOver = true;
      this.deps.handlers.closed(undefined, reason);
    }
    this.down.end();
    this.finish();
  }

  private proxyHears(): void {
    if (this.proxyOver) return;
    this.proxyOver = true;
    this.up.end();
    this.events?.closed();
    this.leave();
    this.finish();
  }

  private finish(): void {
    if (this.clientOver && (this.proxyOver || this.host === undefined)) this.deps.ended();
  }

  private isClosing = false;

  private connection(): CarriedConnection {
    const socket = this;
    return {
      transport: "framed",
      framing: "length",
      remoteAddress: this.options.remoteAddress,
      get closing() {
        return socket.isClosing;
      },
      get backlogBytes() {
        return socket.down.backlogBytes;
      },
      get bytesRead() {
        return socket.bytesRead;
      },
      get writable() {
        return !socket.proxyOver && !socket.isClosing;
      },
      send: (item) => socket.sendDown(frame("length", item)),
      sendFrames: (bytes) => socket.sendDown(bytes),
      close: (code, reason) => socket.proxyCloses(encodeClose(code, reason)),
      destroy: () => socket.proxyEnds(),
      pause: () => socket.up.read(false),
      resume: () => socket.up.read(true),
    };
  }

  private sendDown(frames: Uint8Array): void {
    if (this.proxyOver || this.isClosing) return;
    this.fullestBytes = Math.max(this.fullestBytes, this.down.backlogBytes);
    // Frames of many clients share memory.
    const bytes = new Uint8Array(frames);
    this.down.write(bytes.length, () => this.atClient(() => this.receive(bytes)));
  }

  private receive(bytes: Uint8Array): void {
    this.splitter.push(bytes, (item) => {
      // Messages are their receiver's to keep, and a splitter's are not.
      if (!this.clientOver) this.deps.handlers.received(new Uint8Array(item));
      return !this.clientOver;
    });
  }

  private proxyCloses(goodbye: Uint8Array): void {
    if (this.isClosing) return;
    this.sendDown(frame("length", goodbye));
    this.isClosing = true;
    this.up.read(true);
    this.down.write(OVERHEAD_BYTES, () => {
      this.atClient(() => this.clientHears("the connection was closed"));
      this.deps.clock.setTimer(this.deps.delay(), () => this.atProxy(() => this.proxyHears()));
    });
  }

  /** Cut without a word; the proxy hears of it as of any end. */
  private proxyEnds(): void {
    if (this.proxyOver) return;
    this.down.end();
    this.deps.clock.setTimer(this.deps.delay(), () => this.refuse("reset by the server"));
    this.deps.clock.setTimer(0, () => this.atProxy(() => this.proxyHears()));
  }

  private atClient(run: () => void): void {
    this.deps.clientProcess.run(run);
  }

  private atProxy(run: () => void): void {
    this.host?.process.run(run);
  }
}
