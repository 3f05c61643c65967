import { createHash, hkdfSync } from "node:crypto";
import { KEY_BYTES } from "../handshake/packets.ts";
import { TAG_BYTES } from "../packet-keys.ts";
import { decrypt, encrypt, FIRST_NONCE } from "./aes-gcm.ts";
import { importPublicKey, type KeyPair, sharedSecret } from "./x25519.ts";

/**
 * Noise_NX_25519_AESGCM_SHA256 (revision 34): `-> e`, `<- e, ee, s, es`. The responder proves itself with
 * its static key, the initiator is nobody.
 *
 * A state is never changed but followed by the next, so a message that turns out forged leaves no trace.
 */

const PROTOCOL = "Noise_NX_25519_AESGCM_SHA256";
/** Fits into a hash, so the first `h` is the name itself, filled up with zeros. */
const INITIAL = new Uint8Array(32);
INITIAL.set(Buffer.from(PROTOCOL));
const NOTHING = new Uint8Array(0);
const SEALED_KEY_BYTES = KEY_BYTES + TAG_BYTES;

/** The symmetric state: chaining key and handshake hash. */
interface State {
  readonly ck: Uint8Array;
  readonly h: Uint8Array;
}

/** After a key agreement there is a key, too. It seals one block, so the nonce is always the first. */
interface KeyedState extends State {
  readonly k: Uint8Array;
}

/** Keys of both directions after the handshake. */
export interface SplitKeys {
  /** Of what the initiator sends. */
  readonly initiator: Uint8Array;
  readonly responder: Uint8Array;
}

/** What both sides know after the first message. */
export type NoiseStart = State;

/** Both sides: prologue and first message, which is the initiator's `e` and a payload in the clear. */
export function noiseStart(prologue: Uint8Array, e: Uint8Array, payload = NOTHING): NoiseStart {
  const named = { ck: INITIAL, h: INITIAL };
  return mixHash(mixHash(mixHash(named, prologue), e), payload);
}

/**
 * Responder: the second message and the keys. Undefined when the initiator's key is of low order.
 */
export function noiseRespond(
  start: NoiseStart,
  own: { readonly s: KeyPair; readonly e: KeyPair },
  initiatorE: Uint8Array,
  payload: Uint8Array,
): { message: Uint8Array; keys: SplitKeys } | undefined {
  const theirE = importPublicKey(initiatorE);
  const ee = sharedSecret(own.e, theirE);
  const es = sharedSecret(own.s, theirE);
  if (ee === undefined || es === undefined) return undefined;
  let state = mixKey(mixHash(start, own.e.publicKey), ee);
  const sealedS = sealed(state, own.s.publicKey);
  state = mixKey(mixHash(state, sealedS), es);
  const sealedPayload = sealed(state, payload);
  return {
    message: Buffer.concat([own.e.publicKey, sealedS, sealedPayload]),
    keys: split(state),
  };
}

/** Initiator: what the second message says. Undefined when it is not genuine. */
export function noiseFinish(
  start: NoiseStart,
  own: KeyPair,
  message: Uint8Array,
): { s: Uint8Array; payload: Uint8Array; keys: SplitKeys } | undefined {
  const sealedAt = KEY_BYTES + SEALED_KEY_BYTES;
  if (message.length < sealedAt + TAG_BYTES) return undefined;
  const e = message.subarray(0, KEY_BYTES);
  const ee = sharedSecret(own, importPublicKey(e));
  if (ee === undefined) return undefined;
  let state = mixKey(mixHash(start, e), ee);
  const sealedS = message.subarray(KEY_BYTES, sealedAt);
  const s = opened(state, sealedS);
  const es = s === undefined ? undefined : sharedSecret(own, importPublicKey(s));
  if (s === undefined || es === undefined) return undefined;
  state = mixKey(mixHash(state, sealedS), es);
  const payload = opened(state, message.subarray(sealedAt));
  return payload === undefined ? undefined : { s, payload, keys: split(state) };
}

function mixHash<S extends State>(state: S, data: Uint8Array): S {
  return { ...state, h: createHash("sha256").update(state.h).update(data).digest() };
}

function mixKey({ ck: before, h }: State, input: Uint8Array): KeyedState {
  const [ck, k] = hkdf(before, input);
  return { ck, h, k };
}

function sealed({ k, h }: KeyedState, plain: Uint8Array): Uint8Array {
  return encrypt(k, FIRST_NONCE, h, plain);
}

function opened({ k, h }: KeyedState, block: Uint8Array): Uint8Array | undefined {
  return decrypt(k, FIRST_NONCE, h, block);
}

function split({ ck }: State): SplitKeys {
  const [initiator, responder] = hkdf(ck, NOTHING);
  return { initiator, responder };
}

/** Noise's HKDF with two outputs: RFC 5869's, with the chaining key as salt and without info. */
function hkdf(ck: Uint8Array, input: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const both = new Uint8Array(hkdfSync("sha256", input, ck, "", 64));
  return [both.subarray(0, 32), both.subarray(32)];
}
