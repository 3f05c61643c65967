import {
  connectionIdOf,
  encodeAcceptPayload,
  type Initiate,
  readInitiate,
  writeAccept,
  writeReset,
  writeRetry,
} from "../handshake/packets.ts";
import type { PacketKeys } from "../packet-keys.ts";
import { AesPacketKeys } from "./aes-packet-keys.ts";
import { Cookies } from "./cookies.ts";
import { noiseRespond, noiseStart } from "./noise.ts";
import { resetTokenOf, type ServerIdentity } from "./server-identity.ts";
import { type KeyPair, newKeyPair } from "./x25519.ts";

/** What the caller makes of an attempt whose cookie is good. */
export type Admission =
  | {
      readonly type: "new" /** 48 bits, in use by no other connection. */;
      readonly connectionId: number;
    }
  /** The attempt was answered before, with this packet: it is sent again. */
  | { readonly type: "repeat"; readonly accept: Uint8Array }
  /** The attempt was answered before, and the client was heard since: it has the answer. */
  | { readonly type: "late" }
  | { readonly type: "too-busy" };

export type DoorAnswer =
  | {
      readonly type: "drop";
      readonly why: "malformed" | "version" | "bad-cookie" | "too-busy" | "late";
    }
  | { readonly type: "retry"; readonly packet: Uint8Array }
  | { readonly type: "repeat"; readonly packet: Uint8Array }
  | {
      readonly type: "accept";
      readonly packet: Uint8Array;
      /** As `admit` was asked: the key under which the caller keeps `packet` for repeats. */
      readonly attempt: string;
      readonly connectionId: number;
      readonly keys: PacketKeys;
    };

export interface HandshakeDoorOptions {
  /** What accepts tell the client, in ms. */
  readonly idleTimeoutMs: number;
  /** This server's name among those with the same key. */
  readonly node?: string;
}

export interface HandshakeDoorDependencies {
  readonly identity: ServerIdentity;
  readonly randomBytes: (count: number) => Uint8Array;
  /** Ephemeral keys. */
  readonly newKeyPair?: () => KeyPair;
}

/**
 * Answers strangers, and keeps nothing of them. Without a good cookie an initiate costs one HMAC and is
 * answered with a packet of a fraction of its size; only with one does it cost key agreements.
 */
export class HandshakeDoor {
  private readonly idleTimeoutMs: number;
  private readonly node: string;
  private readonly identity: ServerIdentity;
  private readonly newKeyPair: () => KeyPair;
  private readonly cookies: Cookies;

  constructor(options: HandshakeDoorOptions, dependencies: HandshakeDoorDependencies) {
    this.idleTimeoutMs = options.idleTimeoutMs;
    this.node = options.node ?? "";
    this.identity = dependencies.identity;
    this.newKeyPair = dependencies.newKeyPair ?? newKeyPair;
    this.cookies = new Cookies(dependencies);
  }

  /**
   * The answer to any packet that is not a sealed one. `path` says where it came from, `now` is in ms of
   * a monotonic clock. `admit` is asked once the cookie was found good and before any key is computed;
   * `attempt` is the same text for each repeat of an initiate from one path.
   */
  answer(
    packet: Uint8Array,
    path: string,
    now: number,
    admit: (attempt: string) => Admission,
  ): DoorAnswer {
    const initiate = readInitiate(packet);
    if (typeof initiate === "string") return { type: "drop", why: initiate };
    const { clientId, e, cookie } = initiate;
    if (cookie === undefined) {
      const fresh = this.cookies.make(clientId, e, path, now);
      return { type: "retry", packet: writeRetry(clientId, fresh) };
    }
    if (!this.cookies.isGood(cookie, clientId, e, path, now))
      return { type: "drop", why: "bad-cookie" };
    const attempt = `${path} ${hexOf(clientId)} ${hexOf(e)}`;
    const admission = admit(attempt);
    switch (admission.type) {
      case "too-busy":
      case "late":
        return { type: "drop", why: admission.type };
      case "repeat":
        return { type: "repeat", packet: admission.accept };
      case "new":
        return this.accept(initiate, attempt, admission.connectionId);
    }
  }

  private accept(
    { prologue, clientId, e }: Initiate,
    attempt: string,
    connectionId: number,
  ): DoorAnswer {
    const payload = encodeAcceptPayload({
      connectionId,
      resetToken: resetTokenOf(this.identity, this.node, connectionId),
      idleTimeoutMs: this.idleTimeoutMs,
    });
    const own = { s: this.identity.keyPair, e: this.newKeyPair() };
    const done = noiseRespond(noiseStart(prologue, e), own, e, payload);
    if (done === undefined) return { type: "drop", why: "malformed" };
    const { initiator, responder } = done.keys;
    return {
      type: "accept",
      packet: writeAccept(clientId, done.message),
      attempt,
      connectionId,
      keys: new AesPacketKeys({ outgoing: responder, incoming: initiator }),
    };
  }

  /**
   * The reset for a sealed packet of a connection that this server does not know; undefined when the
   * packet is none. It is always shorter than the packet.
   */
  reset(packet: Uint8Array): Uint8Array | undefined {
    const connectionId = connectionIdOf(packet);
    if (connectionId === undefined) return undefined;
    return writeReset(resetTokenOf(this.identity, this.node, connectionId));
  }
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}
