import { gzipSync } from "node:zlib";
import { encodeHeader } from "../tar/tar-header.ts";
import { writeTar } from "../tar/tar-writer.ts";
import { pieces, readAll } from "./store-acceptance.ts";

/** An entry as it is written, however wrong. */
export interface RawEntry {
  readonly path: string;
  readonly type?: string;
  readonly content?: string | Uint8Array;
  /** What the header says, where it differs from the content's. */
  readonly size?: number;
}

export const WORLD_SOURCE = "export const world = { definition: {}, behaviour: {} };\n";

/** The files of a small module. */
export function moduleFiles(
  name: string,
  version: string,
  source: string | Uint8Array = WORLD_SOURCE,
): { readonly [path: string]: string | Uint8Array } {
  const manifest = { name, version, type: "module", exports: "./dist/world.js" };
  return { "package.json": JSON.stringify(manifest), "dist/world.js": source };
}

/** A tarball as npm makes it. */
export async function tarballOf(files: {
  readonly [path: string]: string | Uint8Array;
}): Promise<Uint8Array> {
  const entries = Object.entries(files).map(([path, text]) => {
    const content = bytesOfText(text);
    return { path: `package/${path}`, size: content.length, content: pieces(content, 1000) };
  });
  return gzipSync(await readAll(writeTar(entries)));
}

/** A tar archive of whatever is given, with its end mark. */
export function rawTar(entries: readonly RawEntry[]): Uint8Array {
  return Buffer.concat([...entries.flatMap(rawBlocks), new Uint8Array(1024)]);
}

export function rawTarball(entries: readonly RawEntry[]): Uint8Array {
  return gzipSync(rawTar(entries));
}

export function rawBlocks({ path, type = "0", content = "", size }: RawEntry): Uint8Array[] {
  const bytes = bytesOfText(content);
  const padding = new Uint8Array((512 - (bytes.length % 512)) % 512);
  return [encodeHeader({ path, type, size: size ?? bytes.length }), bytes, padding];
}

function bytesOfText(text: string | Uint8Array): Uint8Array {
  return typeof text === "string" ? Buffer.from(text) : text;
}
