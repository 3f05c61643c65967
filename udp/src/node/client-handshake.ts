import { sameBytes } from "@atlasnet/world";
import {
  CLIENT_ID_BYTES,
  decodeAcceptPayload,
  prologueOf,
  readAccept,
  readRetry,
  writeInitiate,
} from "../handshake/packets.ts";
import { INITIATE_TRIES } from "../handshake/times.ts";
import type { PacketKeys } from "../packet-keys.ts";
import { AesPacketKeys } from "./aes-packet-keys.ts";
import { type NoiseStart, noiseFinish, noiseStart } from "./noise.ts";
import { type KeyPair, newKeyPair } from "./x25519.ts";

export interface ClientHandshakeOptions {
  /** The key the server must have: 32 bytes. Undefined: any is taken. */
  readonly serverKey: Uint8Array | undefined;
}

export interface ClientHandshakeDependencies {
  readonly randomBytes: (count: number) => Uint8Array;
  /** The ephemeral key. */
  readonly newKeyPair?: () => KeyPair;
}

export type HandshakeStep =
  /** Not for this handshake, or not genuine. */
  | { readonly type: "ignored" }
  /** A cookie came: `packet` is to be sent at once, its tries begin anew. */
  | { readonly type: "again" }
  | {
      readonly type: "done";
      readonly keys: PacketKeys;
      readonly connectionId: number;
      readonly resetToken: Uint8Array;
      readonly idleTimeoutMs: number;
      readonly serverKey: Uint8Array;
    }
  /** The server, or somebody in its place, has another key than it must have: this one. */
  | { readonly type: "wrong-key"; readonly serverKey: Uint8Array };

const IGNORED: HandshakeStep = { type: "ignored" };

/** The client's side of one handshake. Sending, and sending again, is the owner's. */
export class ClientHandshake {
  private readonly serverKey: Uint8Array | undefined;
  private readonly clientId: Uint8Array;
  private readonly e: KeyPair;
  private readonly start: NoiseStart;
  private initiate: Uint8Array;
  /** Cookies taken: as many as initiates may have asked for. A stranger who makes them up is not served for ever. */
  private cookies = 0;
  private cookie: Uint8Array | undefined;
  private over = false;

  constructor(options: ClientHandshakeOptions, dependencies: ClientHandshakeDependencies) {
    this.serverKey = options.serverKey;
    this.clientId = dependencies.randomBytes(CLIENT_ID_BYTES);
    this.e = (dependencies.newKeyPair ?? newKeyPair)();
    this.initiate = writeInitiate(this.clientId, this.e.publicKey, undefined);
    this.start = noiseStart(prologueOf(this.initiate), this.e.publicKey);
  }

  /** The initiate to send now. */
  get packet(): Uint8Array {
    return this.initiate;
  }

  receive(packet: Uint8Array): HandshakeStep {
    if (this.over) return IGNORED;
    const cookie = readRetry(packet, this.clientId);
    if (cookie !== undefined) return this.retried(cookie);
    const message = readAccept(packet, this.clientId);
    return message === undefined ? IGNORED : this.accepted(message);
  }

  private retried(cookie: Uint8Array): HandshakeStep {
    const known = this.cookie !== undefined && sameBytes(this.cookie, cookie);
    if (known || this.cookies === INITIATE_TRIES) return IGNORED;
    this.cookies += 1;
    this.cookie = cookie.slice();
    this.initiate = writeInitiate(this.clientId, this.e.publicKey, this.cookie);
    return { type: "again" };
  }

  private accepted(message: Uint8Array): HandshakeStep {
    const finished = noiseFinish(this.start, this.e, message);
    if (finished === undefined) return IGNORED;
    const { s: serverKey, keys } = finished;
    if (this.serverKey !== undefined && !sameBytes(this.serverKey, serverKey)) {
      this.over = true;
      return { type: "wrong-key", serverKey };
    }
    const payload = decodeAcceptPayload(finished.payload);
    if (payload === undefined) return IGNORED;
    this.over = true;
    return {
      type: "done",
      ...payload,
      serverKey,
      keys: new AesPacketKeys({ outgoing: keys.initiator, incoming: keys.responder }),
    };
  }
}
