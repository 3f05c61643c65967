import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import type { ByteStream } from "../artifact-store.ts";
import { badModule } from "../bad-module.ts";
import { readTar, type TarEntry } from "../tar/tar-reader.ts";
import { MODULE_LIMITS, type ModuleLimits } from "./module-limits.ts";
import { pathProblem, samePlace } from "./module-path.ts";

export interface ModuleFile {
  /** Checked: relative, with slashes, below the module. */
  readonly path: string;
  readonly size: number;
  /** To be read, or left, before the visit ends. */
  readonly content: ByteStream;
}

/** What headers and paddings add at most to each file. */
const OVERHEAD_BYTES = 4096;

/**
 * Reads a tarball from its first to its last byte and shows its files one after another, with paths as they
 * are below the one folder that npm puts everything in.
 * @throws ArtifactError "bad-module"; errors of `tgz` and of `visit` as they are.
 */
export async function readModuleTarball(
  tgz: ByteStream,
  visit: (file: ModuleFile) => Promise<void>,
  limits: ModuleLimits = MODULE_LIMITS,
): Promise<void> {
  const source = new Guarded(tgz);
  let failure: unknown;
  try {
    await pipeline(Readable.from(source.read()), createGunzip(), async (tar: ByteStream) => {
      try {
        await readFiles(tar, visit, limits);
      } catch (error) {
        failure = error;
        throw error;
      }
    });
  } catch (error) {
    // A pipeline may tell of the abort that followed from the first error, instead of that one.
    const first = source.error ?? failure ?? error;
    throw isZlibError(first) ? badModule("it is no sound gzip file", { cause: first }) : first;
  }
  // Zlib may stop at the end of what it understands; the digest of the source counts all of it.
  if (!source.ended) throw badModule("there is something behind the gzip file");
}

async function readFiles(
  tar: ByteStream,
  visit: (file: ModuleFile) => Promise<void>,
  limits: ModuleLimits,
): Promise<void> {
  const places = new Places(limits);
  const most = limits.maxBytes + limits.maxFiles * OVERHEAD_BYTES;
  for await (const entry of readTar(bounded(tar, most))) {
    const path = places.take(entry);
    if (path !== undefined) await visit({ path, size: entry.size, content: entry.content });
  }
  places.finish();
}

/** A stream that remembers how it ended. */
class Guarded {
  ended = false;
  error: unknown;
  private readonly content: ByteStream;

  constructor(content: ByteStream) {
    this.content = content;
  }

  async *read(): ByteStream {
    try {
      yield* this.content;
      this.ended = true;
    } catch (error) {
      this.error = error;
      throw error;
    }
  }
}

async function* bounded(stream: ByteStream, most: number): ByteStream {
  let bytes = 0;
  for await (const piece of stream) {
    bytes += piece.length;
    if (bytes > most) throw tooLarge(most);
    yield piece;
  }
}

/** Every place within the module that is taken, by a file or as a folder. */
class Places {
  private readonly limits: ModuleLimits;
  private readonly files = new Set<string>();
  private readonly folders = new Map<string, string>();
  private entries = 0;
  private bytes = 0;
  /** The folder that everything lies in. */
  private root: string | undefined;

  constructor(limits: ModuleLimits) {
    this.limits = limits;
  }

  /** The path of a file; undefined for a folder. */
  take({ type, path: given, size }: TarEntry): string | undefined {
    const { maxFiles, maxBytes } = this.limits;
    this.entries += 1;
    if (this.entries > maxFiles) throw badModule(`more than ${maxFiles} files and folders`);
    const path = type === "folder" ? given.replace(/\/$/, "") : given;
    const problem = pathProblem(path);
    if (problem !== undefined) throw badModule(problem, { path: given });
    const [root = "", ...parts] = path.split("/");
    this.root ??= root;
    if (root !== this.root)
      throw badModule(`not all files are in one folder: there is ${this.root} too`, { path });
    if (type === "folder") {
      this.takeFolders(parts, given);
      return undefined;
    }
    if (parts.length === 0) throw badModule("a file outside of the package's folder", { path });
    this.bytes += size;
    if (this.bytes > maxBytes) throw tooLarge(maxBytes);
    const file = parts.join("/");
    this.takeFolders(parts.slice(0, -1), given);
    const place = samePlace(file);
    if (this.files.has(place) || this.folders.has(place))
      throw badModule("stands there twice (case and accents do not count)", { path });
    this.files.add(place);
    return file;
  }

  finish(): void {
    if (this.files.size === 0) throw badModule("there is no file in it");
  }

  private takeFolders(parts: readonly string[], path: string): void {
    for (let depth = 1; depth <= parts.length; depth++) {
      const folder = parts.slice(0, depth).join("/");
      const place = samePlace(folder);
      if (this.files.has(place)) throw badModule("lies below a file", { path });
      const spelt = this.folders.get(place);
      if (spelt !== undefined && spelt !== folder)
        throw badModule(`its folder is spelt ${spelt} elsewhere`, { path });
      this.folders.set(place, folder);
    }
  }
}

function tooLarge(most: number) {
  return badModule(`it unpacks to more than ${most} bytes`, {
    hint: "Leave out of the module what it does not need to run.",
  });
}

function isZlibError(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    typeof error.code === "string" &&
    error.code.startsWith("Z_")
  );
}
