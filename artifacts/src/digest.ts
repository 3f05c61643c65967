import { createHash } from "node:crypto";

/** SHA-256 of an artifact, as 64 hexadecimal digits in lower case: its name everywhere. */
export type Digest = string;

const DIGEST = /^[0-9a-f]{64}$/;

export function isDigest(text: string): boolean {
  return DIGEST.test(text);
}

export function digestOf(bytes: Uint8Array): Digest {
  return createHash("sha256").update(bytes).digest("hex");
}

/** As records hold it. @throws RangeError for what is no digest. */
export function digestBytes(digest: Digest): Uint8Array {
  assertDigest(digest);
  return Uint8Array.from(Buffer.from(digest, "hex"));
}

/** @throws RangeError unless there are 32 bytes. */
export function digestText(bytes: Uint8Array): Digest {
  const digest = Buffer.from(bytes).toString("hex");
  assertDigest(digest);
  return digest;
}

/** Digests become names of files: whoever makes one of anything else has made a mistake. */
export function assertDigest(digest: Digest): void {
  if (!isDigest(digest))
    throw new RangeError(
      `a SHA-256 of 64 hexadecimal digits is needed, not "${digest.slice(0, 80)}"`,
    );
}
