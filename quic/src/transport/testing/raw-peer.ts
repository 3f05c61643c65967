import { randomBytes } from "node:crypto";
import type { HostPort } from "../address.ts";
import { loadBinding, type NativeConfig, type NativeConnection, type Quiche } from "../binding.ts";
import type { PacketPort } from "../packet-port.ts";
import { createConfig } from "../quic-config.ts";
import { LOOPBACK } from "./endpoints.ts";
import type { MemoryNetwork } from "./memory-network.ts";
import { foreignCredentials } from "./test-credentials.ts";

interface RawPeerOptions {
  readonly config?: (quiche: Quiche) => NativeConfig;
  /** From `session()` of an earlier connection. */
  readonly session?: Uint8Array;
}

/** A client that does with the native connection whatever a test asks for, and reads no stream. */
export class RawPeer {
  readonly native: NativeConnection;
  private readonly port: PacketPort;
  private readonly to: HostPort;
  private readonly waiting: { ready: () => boolean; resolve: () => void }[] = [];
  private heard: ((packet: Buffer) => void) | undefined;
  private pumping: NodeJS.Immediate | undefined;

  static async open(
    network: MemoryNetwork,
    to: HostPort,
    options: RawPeerOptions = {},
  ): Promise<RawPeer> {
    const quiche = await loadBinding();
    let peer: RawPeer | undefined;
    const port = await network.openPort(
      { host: LOOPBACK, port: 0 },
      { packet: (packet) => peer?.receive(packet), error: () => undefined },
    );
    const config = options.config?.(quiche) ?? rawConfig(quiche);
    const id = randomBytes(8);
    const native = quiche.Connection.connect(null, id, port.address, to, config);
    if (options.session !== undefined) native.setSession(options.session);
    peer = new RawPeer(native, port, to);
    peer.pump();
    return peer;
  }

  private constructor(native: NativeConnection, port: PacketPort, to: HostPort) {
    this.native = native;
    this.port = port;
    this.to = to;
  }

  get address(): HostPort {
    return this.port.address;
  }

  receive(packet: Buffer): void {
    this.heard?.(packet);
    try {
      this.native.recv(packet, { from: this.to, to: this.port.address });
    } catch (error) {
      // What the other side sends besides QUIC, and after the end, is of no interest here.
      if (!(error instanceof Error)) throw error;
    }
    this.pumping ??= setImmediate(() => this.pump());
  }

  /** Sends what the native side has to send. */
  pump(): void {
    this.pumping = undefined;
    const out = Buffer.alloc(1350);
    for (;;) {
      const sent = this.native.send(out);
      if (sent === null) break;
      this.send(out.subarray(0, sent[0]));
    }
    for (const waiting of this.waiting.splice(0)) {
      if (waiting.ready()) waiting.resolve();
      else this.waiting.push(waiting);
    }
  }

  send(bytes: Buffer): void {
    this.port.send(bytes, bytes.length, this.to, () => undefined);
  }

  onPacket(heard: (packet: Buffer) => void): void {
    this.heard = heard;
  }

  async until(ready: (native: NativeConnection) => boolean): Promise<void> {
    if (ready(this.native)) return;
    await new Promise<void>((resolve) =>
      this.waiting.push({ ready: () => ready(this.native), resolve }),
    );
  }
}

export function rawConfig(quiche: Quiche): NativeConfig {
  const options = { idleTimeoutMs: 5000, maxPacketBytes: 1350, maxStreams: 16 };
  return createConfig(quiche, foreignCredentials, options);
}
