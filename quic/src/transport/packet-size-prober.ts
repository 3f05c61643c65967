import type { ConnectionHost } from "./connection-host.ts";
import { PacketSizeSearch, type SizeEffect } from "./packet-size-search.ts";
import { ANSWER_BYTES, NONCE_BYTES, readProbe, writeAnswer, writeAsk } from "./size-probe.ts";

interface PacketSizeProberOptions {
  /** UDP payload to begin with. */
  readonly base: number;
  readonly limit: number;
  /** The id by which the peer knows the connection. */
  readonly peerId: Uint8Array;
}

interface PacketSizeProberDependencies {
  readonly host: Pick<ConnectionHost, "clock" | "outgoing" | "random">;
  /** Sends what was written to `host.outgoing`. */
  readonly transmit: (length: number, done: (error: Error | null) => void) => void;
  /** The size in use is another. */
  readonly use: (bytes: number) => void;
}

/** Performs the search for the packet size of one established connection, and answers the peer's. */
export class PacketSizeProber {
  private readonly search: PacketSizeSearch;
  private readonly peerId: Uint8Array;
  private readonly nonce: Buffer;
  private readonly dependencies: PacketSizeProberDependencies;

  constructor(
    { base, limit, peerId }: PacketSizeProberOptions,
    dependencies: PacketSizeProberDependencies,
  ) {
    this.search = new PacketSizeSearch({ base, limit });
    this.peerId = peerId;
    this.nonce = Buffer.from(dependencies.host.random(NONCE_BYTES));
    this.dependencies = dependencies;
  }

  tick(): void {
    this.perform(this.search.tick(this.dependencies.host.clock.now()));
  }

  /** Packets got lost. */
  doubt(): void {
    this.perform(this.search.doubt());
  }

  /** What became of a packet of this size. */
  sent(bytes: number, error: Error): void {
    if ("code" in error && error.code === "EMSGSIZE") this.perform(this.search.refused(bytes));
  }

  /** A packet that is none of QUIC's; false: nor is it one of ours. */
  receive(packet: Buffer): boolean {
    const probe = readProbe(packet);
    if (probe === undefined) return false;
    const { host, transmit } = this.dependencies;
    if (probe.type === "ask") {
      const out = host.outgoing(ANSWER_BYTES);
      writeAnswer(out, this.peerId, probe.nonce, probe.bytes);
      transmit(ANSWER_BYTES, ignore);
      return true;
    }
    if (!this.nonce.equals(probe.nonce)) return false;
    this.perform(this.search.answered(probe.bytes));
    return true;
  }

  private perform(effects: readonly SizeEffect[]): void {
    for (const effect of effects) {
      if (effect.type === "use") this.dependencies.use(effect.bytes);
      else this.ask(effect.bytes);
    }
  }

  private ask(bytes: number): void {
    const { host, transmit } = this.dependencies;
    writeAsk(host.outgoing(bytes), this.peerId, this.nonce);
    transmit(bytes, (error) => {
      if (error !== null) this.sent(bytes, error);
    });
  }
}

/** An answer that is lost is asked for again. */
function ignore(): void {}
