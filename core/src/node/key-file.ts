import type { JWK } from "jose";
import { OperatingError } from "../errors.ts";
import { createTicketKeys, type KeySet, KeySetError } from "../tickets/jose-ticket-keys.ts";
import type { TicketKeys } from "../tickets/tickets.ts";
import { readSecretFile, writeSecretFile } from "./secret-file.ts";

/** Largest key file. */
const MAX_FILE_BYTES = 262_144;

/** The key file cannot be used. The message names it, the hint is the way out. */
export class KeyFileError extends OperatingError {
  constructor(file: string, problem: string, hint: string, cause: unknown) {
    super("bad-key-file", `${file} ${problem}`, { facts: { file }, hint, cause });
  }
}

const REPAIR =
  "Put a good copy back, or move the file away: a new key is made then, and every ticket and every session to resume of before is refused.";
const MAKE_READABLE = "Make it readable for this user, or name another file in tickets.keyFile.";
const MAKE_WRITABLE =
  "Make the folder writable for this user, or name another file in tickets.keyFile.";

/**
 * The ticket keys of a JWKS file; when there is none yet, it is made with one new Ed25519 key, for this
 * user's eyes only where the system has such a thing.
 * @throws KeyFileError when the file is damaged, or cannot be read or written.
 */
export async function loadOrCreateKeyFile(
  file: string,
): Promise<{ keys: TicketKeys; created: boolean }> {
  const found = await readKeyFile(file);
  if (found !== undefined) return { keys: found, created: false };
  const created = await writeNew(file, await newKeySet());
  const keys = await readKeyFile(file);
  if (keys === undefined)
    throw new KeyFileError(file, "is gone right after it was made", REPAIR, undefined);
  return { keys, created };
}

/**
 * The keys of a file, or undefined when there is no such file.
 * @throws KeyFileError when it is damaged or cannot be read.
 */
export async function readKeyFile(file: string): Promise<TicketKeys | undefined> {
  let text: string | undefined;
  try {
    text = await readSecretFile(file);
  } catch (error) {
    throw new KeyFileError(file, "cannot be read", MAKE_READABLE, error);
  }
  if (text === undefined) return undefined;
  try {
    return await createTicketKeys(parseKeySet(text));
  } catch (error) {
    if (!(error instanceof KeySetError)) throw error;
    throw new KeyFileError(file, error.message, REPAIR, error.cause);
  }
}

function parseKeySet(text: string): KeySet {
  if (text.length > MAX_FILE_BYTES)
    throw new KeySetError(`is longer than ${MAX_FILE_BYTES} characters`);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new KeySetError("is not JSON", { cause: error });
  }
  const keys: unknown =
    typeof value === "object" && value !== null && "keys" in value ? value.keys : undefined;
  if (!Array.isArray(keys) || !keys.every(isJwk))
    throw new KeySetError('is not a key set: {"keys": [{"kty": …}, …]}');
  return { keys };
}

function isJwk(value: unknown): value is JWK {
  if (typeof value !== "object" || value === null) return false;
  const parts = new Map<string, unknown>(Object.entries(value));
  const textOrNone = ["alg", "kid"].every((name) =>
    ["string", "undefined"].includes(typeof parts.get(name)),
  );
  return typeof parts.get("kty") === "string" && textOrNone;
}

async function newKeySet(): Promise<KeySet> {
  const { calculateJwkThumbprint, exportJWK, generateKeyPair } = await import("jose");
  const { privateKey } = await generateKeyPair("EdDSA", { crv: "Ed25519", extractable: true });
  const jwk = await exportJWK(privateKey);
  return { keys: [{ ...jwk, alg: "EdDSA", use: "sig", kid: await calculateJwkThumbprint(jwk) }] };
}

/** False when another process was first. */
async function writeNew(file: string, set: KeySet): Promise<boolean> {
  try {
    return await writeSecretFile(file, `${JSON.stringify(set, undefined, 2)}\n`);
  } catch (error) {
    throw new KeyFileError(file, "cannot be written", MAKE_WRITABLE, error);
  }
}
