import { createPrivateKey, randomBytes } from "node:crypto";
import { KeyFileError } from "./key-file.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";

/** Largest key file. */
const MAX_FILE_BYTES = 4096;
const KEY_BYTES = 32;
/** What stands before the raw bytes of a private X25519 key in PKCS #8. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");

const REPAIR =
  "Put a good copy back, or move the file away: a new key is made then, and clients that have the old one from a ticket or their configuration cannot come over UDP.";
const MAKE_READABLE =
  "Make it readable for this user, name another file in proxy.udp.keyFile, or set proxy.udp.enabled to false.";
const MAKE_WRITABLE =
  "Make the folder writable for this user, name another file in proxy.udp.keyFile, or set proxy.udp.enabled to false.";

/** The X25519 key that servers prove themselves with over UDP, as raw bytes: 32 each. */
export interface UdpKey {
  readonly privateKey: Uint8Array;
  readonly publicKey: Uint8Array;
}

/**
 * The key of a JWK file (OKP, X25519); when there is none yet, it is made with a new one, for this
 * user's eyes only where the system has such a thing.
 * @throws KeyFileError when the file is damaged, or cannot be read or written.
 */
export async function loadOrCreateUdpKey(file: string): Promise<{ key: UdpKey; created: boolean }> {
  const found = await readUdpKey(file);
  if (found !== undefined) return { key: found, created: false };
  const created = await writeNew(file);
  const key = await readUdpKey(file);
  if (key === undefined)
    throw new KeyFileError(file, "is gone right after it was made", REPAIR, undefined);
  return { key, created };
}

/**
 * The key of a file, or undefined when there is no such file.
 * @throws KeyFileError when the file is damaged or cannot be read.
 */
export async function readUdpKey(file: string): Promise<UdpKey | undefined> {
  let text: string | undefined;
  try {
    text = await readSecretFile(file);
  } catch (error) {
    throw new KeyFileError(file, "cannot be read", MAKE_READABLE, error);
  }
  return text === undefined ? undefined : parseKey(file, text);
}

function parseKey(file: string, text: string): UdpKey {
  const damaged = (problem: string, cause?: unknown) =>
    new KeyFileError(file, problem, REPAIR, cause);
  if (text.length > MAX_FILE_BYTES) throw damaged(`is longer than ${MAX_FILE_BYTES} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw damaged("is not JSON", error);
  }
  const parts = new Map<string, unknown>(Object.entries(Object(value)));
  const d = parts.get("d");
  const x = parts.get("x");
  if (
    parts.get("kty") !== "OKP" ||
    parts.get("crv") !== "X25519" ||
    typeof d !== "string" ||
    typeof x !== "string"
  )
    throw damaged('is not a private X25519 key: {"kty": "OKP", "crv": "X25519", "d": …, "x": …}');
  const privateKey = new Uint8Array(Buffer.from(d, "base64url"));
  if (privateKey.length !== KEY_BYTES)
    throw damaged(`holds a part d of ${privateKey.length} bytes, allowed: ${KEY_BYTES}`);
  // The public part follows from the private one, so a slip of the hand in either shows.
  if (publicTextOf(privateKey) !== x)
    throw damaged("holds parts d and x that do not belong together");
  return { privateKey, publicKey: new Uint8Array(Buffer.from(x, "base64url")) };
}

function publicTextOf(privateKey: Uint8Array): string | undefined {
  const key = Buffer.concat([PKCS8_PREFIX, privateKey]);
  return createPrivateKey({ key, format: "der", type: "pkcs8" }).export({ format: "jwk" }).x;
}

/** False when another process was first. */
async function writeNew(file: string): Promise<boolean> {
  // Any bytes are a key: X25519 sets the bits that have to be set.
  const privateKey = randomBytes(KEY_BYTES);
  const d = privateKey.toString("base64url");
  const jwk = { kty: "OKP", crv: "X25519", x: publicTextOf(privateKey), d };
  try {
    return await writeSecretFile(file, `${JSON.stringify(jwk, undefined, 2)}\n`);
  } catch (error) {
    throw new KeyFileError(file, "cannot be written", MAKE_WRITABLE, error);
  }
}
