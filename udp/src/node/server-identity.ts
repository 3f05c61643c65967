import { createHmac, createSecretKey, hkdfSync, type KeyObject } from "node:crypto";
import { connectionIdBytes, RESET_TOKEN_BYTES } from "../handshake/packets.ts";
import { type KeyPair, keyPairOf } from "./x25519.ts";

/** What a server proves itself with. */
export interface ServerIdentity {
  /** 32 bytes: what clients pin. */
  readonly publicKey: Uint8Array;
  readonly keyPair: KeyPair;
  /** Key of the reset tokens. */
  readonly resetKey: KeyObject;
}

/**
 * From a private key of 32 raw bytes; makes the key objects once. The reset key follows from it, so
 * tokens outlive a restart of the server.
 * @throws RangeError when it has another length.
 */
export function createServerIdentity(privateKey: Uint8Array): ServerIdentity {
  const keyPair = keyPairOf(privateKey);
  const resetKey = hkdfSync("sha256", privateKey, "", "atlasnet udp reset", 32);
  return {
    publicKey: new Uint8Array(keyPair.publicKey),
    keyPair,
    resetKey: createSecretKey(new Uint8Array(resetKey)),
  };
}

/**
 * The token that ends a connection the server has lost. `node` is in it, because servers of a cluster
 * share one key: else any other of them could be asked for the token of a connection that is well.
 */
export function resetTokenOf(
  identity: ServerIdentity,
  node: string,
  connectionId: number,
): Uint8Array {
  return createHmac("sha256", identity.resetKey)
    .update(connectionIdBytes(connectionId))
    .update(node)
    .digest()
    .subarray(0, RESET_TOKEN_BYTES);
}
