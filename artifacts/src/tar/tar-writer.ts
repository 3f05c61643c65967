import type { ByteStream } from "../artifact-store.ts";
import { encodePaxPath } from "./pax.ts";
import { BLOCK, encodeHeader, fitsName } from "./tar-header.ts";

export interface TarFile {
  readonly path: string;
  readonly size: number;
  readonly content: ByteStream;
}

/**
 * A tar archive of files; the same files make the same bytes everywhere.
 * @throws RangeError when a file's content is not of the length it was said to have; errors of contents.
 */
export async function* writeTar(files: AsyncIterable<TarFile> | Iterable<TarFile>): ByteStream {
  for await (const { path, size, content } of files) {
    if (!fitsName(path)) {
      const attributes = encodePaxPath(path);
      yield encodeHeader({ path: "PaxHeader/path", size: attributes.length, type: "x" });
      yield attributes;
      yield zeros(attributes.length);
    }
    yield encodeHeader({ path: fitsName(path) ? path : "long", size, type: "0" });
    let written = 0;
    for await (const piece of content) {
      written += piece.length;
      if (written > size) break;
      yield piece;
    }
    if (written !== size) throw new RangeError(`${path} changed while it was packed`);
    yield zeros(size);
  }
  yield new Uint8Array(2 * BLOCK);
}

function zeros(size: number): Uint8Array {
  return new Uint8Array((BLOCK - (size % BLOCK)) % BLOCK);
}
