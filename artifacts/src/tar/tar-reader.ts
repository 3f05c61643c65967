import type { ByteStream } from "../artifact-store.ts";
import { badModule } from "../bad-module.ts";
import { ByteReader } from "./byte-reader.ts";
import { type PaxAttributes, parsePax } from "./pax.ts";
import { BLOCK, decodeText, isZeroBlock, parseHeader, type TarHeader } from "./tar-header.ts";

export interface TarEntry {
  readonly type: "file" | "folder";
  /** As it stands there: not checked. */
  readonly path: string;
  /** Of a file, in bytes. */
  readonly size: number;
  /** To be read before the next entry is asked for; what is left is passed over. */
  readonly content: ByteStream;
}

/** Of the headers that belong to one entry: long paths, times. */
const MAX_ATTRIBUTE_BYTES = 64 * 1024;
/** Such headers before one entry; more are a way to keep a reader busy. */
const MAX_ATTRIBUTE_HEADERS = 4;

const REFUSED: { readonly [type: string]: string } = {
  "1": "a hard link",
  "2": "a symbolic link",
  "3": "a character device",
  "4": "a block device",
  "6": "a pipe",
  S: "a sparse file",
  K: "a link",
};

/**
 * The entries of a tar archive: POSIX, with pax headers or GNU's long names, files and folders only. It is strict,
 * for what two readers may understand in two ways is what attacks are made of. Reads the stream to its end.
 * @throws ArtifactError "bad-module"; errors of the stream as they are.
 */
export async function* readTar(stream: ByteStream): AsyncGenerator<TarEntry> {
  const reader = new ByteReader(stream);
  let attributes: PaxAttributes = {};
  let headers = 0;
  for (;;) {
    const block = await reader.exactly(BLOCK);
    if (block === undefined) throw badModule("it ends before its end mark: it was cut off");
    if (isZeroBlock(block)) break;
    const header = parseHeader(block);
    if ("xgL".includes(header.type)) {
      headers += 1;
      if (headers > MAX_ATTRIBUTE_HEADERS) throw badModule("too many headers before one entry");
      attributes = { ...attributes, ...(await readAttributes(reader, header)) };
      continue;
    }
    const path = attributes.path ?? header.path;
    const size = attributes.size ?? header.size;
    attributes = {};
    headers = 0;
    const type = typeOf(header, path, size);
    const content = new Content(reader, path, size);
    yield { type, path, size, content: content.read() };
    await content.skip();
  }
  await expectEnd(reader);
}

function typeOf({ type }: TarHeader, path: string, size: number): "file" | "folder" {
  if (type === "5") {
    if (size !== 0) throw badModule("a folder with content", { path });
    return "folder";
  }
  if (type === "0") return "file";
  const what = REFUSED[type] ?? "an entry of an unknown type";
  throw badModule(`is ${what}; only files and folders are allowed`, { path });
}

async function readAttributes(reader: ByteReader, header: TarHeader): Promise<PaxAttributes> {
  if (header.size > MAX_ATTRIBUTE_BYTES)
    throw badModule(`a header of ${header.size} bytes; at most ${MAX_ATTRIBUTE_BYTES} are allowed`);
  const bytes = await reader.exactly(header.size);
  if (bytes === undefined || (await reader.exactly(padding(header.size))) === undefined)
    throw badModule("it ends within a header: it was cut off");
  if (header.type === "L") {
    const end = bytes.indexOf(0);
    return { path: decodeText(end < 0 ? bytes : bytes.subarray(0, end)) };
  }
  const attributes = parsePax(bytes);
  // A global header says something of all entries; git writes one with a comment.
  if (header.type === "g" && Object.keys(attributes).length > 0)
    throw badModule("a path or size for all entries");
  return attributes;
}

class Content {
  private readonly reader: ByteReader;
  private readonly path: string;
  private readonly size: number;
  private left: number;
  private padded = false;

  constructor(reader: ByteReader, path: string, size: number) {
    this.reader = reader;
    this.path = path;
    this.size = size;
    this.left = size;
  }

  async *read(): ByteStream {
    while (this.left > 0) {
      const piece = await this.reader.some(this.left);
      if (piece === undefined) throw this.cutOff();
      this.left -= piece.length;
      yield piece;
    }
  }

  /** Goes to the end of the entry. */
  async skip(): Promise<void> {
    if (this.padded) return;
    for await (const _ of this.read());
    this.padded = true;
    if ((await this.reader.exactly(padding(this.size))) === undefined) throw this.cutOff();
  }

  private cutOff() {
    return badModule("it ends within this file: it was cut off", { path: this.path });
  }
}

/** Behind the first block of zeros there is nothing but zeros. */
async function expectEnd(reader: ByteReader): Promise<void> {
  for (;;) {
    const piece = await reader.some(64 * 1024);
    if (piece === undefined) return;
    if (!isZeroBlock(piece)) throw badModule("there is something behind its end mark");
  }
}

function padding(size: number): number {
  return (BLOCK - (size % BLOCK)) % BLOCK;
}
