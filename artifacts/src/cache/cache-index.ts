import * as v from "valibot";
import type { Digest } from "../digest.ts";
import { MAX_MODULE_FILES } from "../modules/module-limits.ts";

/**
 * What lies in the cache under one digest, written beside it: it shows damage (a power loss, a disk, a hand),
 * and no forgery, for who can write there could as well change the server.
 */
export interface CacheIndex {
  readonly digest: Digest;
  readonly entry: string;
  readonly files: readonly CachedFile[];
}

export interface CachedFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** A file of another form is of another version of the server, and as good as damaged. */
const FORMAT = 1;

const hash = v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/));
const schema = v.strictObject({
  format: v.literal(FORMAT),
  digest: hash,
  entry: v.string(),
  files: v.pipe(
    v.array(
      v.strictObject({
        path: v.string(),
        size: v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
        sha256: hash,
      }),
    ),
    v.maxLength(MAX_MODULE_FILES),
  ),
});

export function encodeIndex({ digest, entry, files }: CacheIndex): string {
  return JSON.stringify({ format: FORMAT, digest, entry, files });
}

/** Undefined for anything else than an index of this digest. */
export function decodeIndex(text: string, digest: Digest): CacheIndex | undefined {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return undefined;
  }
  const parsed = v.safeParse(schema, json);
  if (!parsed.success || parsed.output.digest !== digest) return undefined;
  const { entry, files } = parsed.output;
  return files.some(({ path }) => path === entry) ? { digest, entry, files } : undefined;
}

export function indexBytes({ files }: CacheIndex): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}
