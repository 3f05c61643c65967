import type { HostPort } from "./address.ts";
import type { NativeHeader, Quiche } from "./binding.ts";
import { CONNECTION_ID_BYTES } from "./connection-id.ts";
import type { DropReason, EndpointCounters } from "./endpoint-stats.ts";
import { RetryTokens } from "./retry-tokens.ts";

/** A client pads its first packets to this, so that no answer is larger than what asked for it. */
const MIN_INITIAL_BYTES = 1200;

/** The QUIC version a header of version negotiation bears. */
const VERSION_NEGOTIATION = 0;

export type GateStep =
  | { readonly type: "drop"; readonly reason: DropReason }
  /** Written to the given buffer; smaller than the packet it answers. */
  | { readonly type: "answer"; readonly length: number }
  /** The address is validated: `id` is the connection's from now on. */
  | { readonly type: "accept"; readonly id: Uint8Array; readonly originalId: Uint8Array };

interface InitialGateDependencies {
  readonly quiche: Quiche;
  readonly now: () => number;
  readonly random: (count: number) => Uint8Array;
}

/**
 * Judges packets that begin a connection and keeps nothing: who comes without a token gets one by Retry,
 * sent to where the packet says it is from; who comes back with it does receive there. One answer at most
 * to a packet, never larger than it.
 */
export class InitialGate {
  private readonly counters: EndpointCounters;
  private readonly quiche: Quiche;
  private readonly random: (count: number) => Uint8Array;
  private readonly tokens: RetryTokens;

  constructor(
    options: { readonly counters: EndpointCounters },
    dependencies: InitialGateDependencies,
  ) {
    this.counters = options.counters;
    this.quiche = dependencies.quiche;
    this.random = dependencies.random;
    this.tokens = new RetryTokens(dependencies);
  }

  step(packet: Buffer, from: HostPort, out: Buffer): GateStep {
    const header = this.readHeader(packet);
    if (header === undefined) return { type: "drop", reason: "malformed" };
    // Only what is padded is answered.
    if (packet.length < MIN_INITIAL_BYTES) return { type: "drop", reason: "unknown-connection" };
    const { version } = header;
    if (version === VERSION_NEGOTIATION) return { type: "drop", reason: "unknown-connection" };
    if (!this.quiche.versionIsSupported(version)) return this.offerVersions(header, out);
    if (header.ty !== this.quiche.Type.Initial)
      return { type: "drop", reason: "unknown-connection" };
    const token = header.token;
    if (token === undefined || token.length === 0) return this.retry(header, from, out);
    const originalId = this.tokens.verify(from, token, header.dcid);
    if (originalId === undefined || header.dcid.length !== CONNECTION_ID_BYTES)
      return { type: "drop", reason: "bad-token" };
    return { type: "accept", id: header.dcid, originalId };
  }

  private readHeader(packet: Buffer): NativeHeader | undefined {
    try {
      return this.quiche.Header.fromSlice(packet, CONNECTION_ID_BYTES);
    } catch {
      // Anybody may send anything; it is counted by who asked.
      return undefined;
    }
  }

  private offerVersions({ scid, dcid }: NativeHeader, out: Buffer): GateStep {
    try {
      const length = this.quiche.negotiateVersion(scid, dcid, out);
      this.counters.versionAnswersSent += 1;
      return { type: "answer", length };
    } catch {
      return { type: "drop", reason: "malformed" };
    }
  }

  private retry({ scid, dcid, version }: NativeHeader, from: HostPort, out: Buffer): GateStep {
    try {
      const id = this.random(CONNECTION_ID_BYTES);
      const token = this.tokens.issue(from, dcid, id);
      const length = this.quiche.retry(scid, dcid, id, token, version, out);
      this.counters.retriesSent += 1;
      return { type: "answer", length };
    } catch {
      return { type: "drop", reason: "malformed" };
    }
  }
}
