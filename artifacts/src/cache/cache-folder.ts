import { createHash, randomBytes } from "node:crypto";
import { createReadStream } from "node:fs";
import {
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { dirname, join, relative, sep } from "node:path";
import type { ByteStream } from "../artifact-store.ts";
import { type Digest, isDigest } from "../digest.ts";
import { inspectModule } from "../modules/inspect-module.ts";
import type { ModuleLimits } from "../modules/module-limits.ts";
import type { ModuleFile } from "../modules/module-tarball.ts";
import { type CachedFile, type CacheIndex, decodeIndex, encodeIndex } from "./cache-index.ts";

/** An index is small; anything longer is none. */
const MAX_INDEX_BYTES = 8 * 1024 * 1024;
const INDEX = "index.json";
const MODULE = "module";
const DRAFT = ".draft";

/** A module that was unpacked beside its place. */
export interface Draft {
  readonly index: CacheIndex;
  readonly folder: string;
}

export interface StoredModule {
  readonly index: CacheIndex;
  /** When it was last used, in ms since 1970. */
  readonly usedAt: number;
}

/**
 * The files of the module cache: `<digest>/module/…` and `<digest>/index.json`, which come into their place
 * together by one rename. Nothing is synced: what a power loss spoils is found by `isSound`.
 */
export class CacheFolder {
  private readonly dir: string;

  constructor(dir: string) {
    this.dir = dir;
  }

  /** Makes the folder, removes what was left half done, and tells what is there. */
  async open(): Promise<ReadonlyMap<Digest, StoredModule>> {
    await mkdir(this.dir, { recursive: true });
    const found = new Map<Digest, StoredModule>();
    for (const name of await readdir(this.dir)) {
      if (name.endsWith(DRAFT)) await this.discard(join(this.dir, name));
      if (!isDigest(name)) continue;
      const stored = await this.stored(name);
      if (stored === undefined) await this.discard(join(this.dir, name));
      else found.set(name, stored);
    }
    return found;
  }

  /** Makes `import "name"` within modules find the package at `target`. */
  async provide(name: string, target: string): Promise<void> {
    const link = join(this.dir, "node_modules", ...name.split("/"));
    await mkdir(dirname(link), { recursive: true });
    await rm(link, { recursive: true, force: true });
    // On Windows a junction needs no special right.
    await symlink(target, link, "junction");
  }

  path(digest: Digest, file: string): string {
    return join(this.dir, digest, MODULE, ...file.split("/"));
  }

  /**
   * Unpacks a tarball beside its place.
   * @throws ArtifactError "bad-module"; errors of `tgz` and of the file system as they are.
   */
  async unpack(digest: Digest, tgz: ByteStream, limits: ModuleLimits): Promise<Draft> {
    const folder = this.draftPath(digest);
    const files: CachedFile[] = [];
    try {
      const keep = async (file: ModuleFile) => {
        const path = join(folder, MODULE, ...file.path.split("/"));
        files.push(await writeModuleFile(path, file));
      };
      const { entry } = await inspectModule(tgz, keep, limits);
      const index = { digest, entry, files };
      await writeFile(join(folder, INDEX), encodeIndex(index), { flag: "wx" });
      return { index, folder };
    } catch (error) {
      await this.discard(folder);
      throw error;
    }
  }

  /** Moves a draft into its place; what was there goes. */
  async place({ index, folder }: Draft): Promise<void> {
    await this.remove(index.digest);
    await rename(folder, join(this.dir, index.digest));
  }

  /** Takes it away in one step, then removes it. */
  async remove(digest: Digest): Promise<void> {
    const trash = this.draftPath(digest);
    try {
      await rename(join(this.dir, digest), trash);
    } catch (error) {
      if (isMissing(error)) return;
      throw error;
    }
    await this.discard(trash);
  }

  async discard(folder: string): Promise<void> {
    await rm(folder, { recursive: true, force: true, maxRetries: 3 });
  }

  async touch(digest: Digest, when: number): Promise<void> {
    await utimes(join(this.dir, digest, INDEX), when / 1000, when / 1000);
  }

  /** True when the files are those of the index, byte by byte, and there are no others. */
  async isSound(index: CacheIndex): Promise<boolean> {
    const root = join(this.dir, index.digest, MODULE);
    const wanted = new Map(index.files.map((file) => [file.path, file]));
    try {
      const entries = await readdir(root, { recursive: true, withFileTypes: true });
      for (const entry of entries) {
        if (entry.isDirectory()) continue;
        const file = join(entry.parentPath, entry.name);
        const known = wanted.get(relative(root, file).split(sep).join("/"));
        if (known === undefined || !entry.isFile() || !(await isUnchanged(file, known)))
          return false;
        wanted.delete(known.path);
      }
    } catch (error) {
      if (isMissing(error)) return false;
      throw error;
    }
    return wanted.size === 0;
  }

  private async stored(digest: Digest): Promise<StoredModule | undefined> {
    const file = join(this.dir, digest, INDEX);
    try {
      const { mtimeMs, size } = await stat(file);
      if (size > MAX_INDEX_BYTES) return undefined;
      const index = decodeIndex(await readFile(file, "utf8"), digest);
      return index === undefined ? undefined : { index, usedAt: mtimeMs };
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw error;
    }
  }

  private draftPath(digest: Digest): string {
    return join(this.dir, `${digest}.${randomBytes(6).toString("hex")}${DRAFT}`);
  }
}

async function writeModuleFile(file: string, { path, content }: ModuleFile): Promise<CachedFile> {
  await mkdir(dirname(file), { recursive: true });
  const hash = createHash("sha256");
  let size = 0;
  const handle = await open(file, "wx", 0o644);
  try {
    for await (const piece of content) {
      hash.update(piece);
      size += piece.length;
      await handle.writeFile(piece);
    }
  } finally {
    await handle.close();
  }
  return { path, size, sha256: hash.digest("hex") };
}

async function isUnchanged(file: string, { size, sha256 }: CachedFile): Promise<boolean> {
  if ((await stat(file)).size !== size) return false;
  const hash = createHash("sha256");
  for await (const piece of createReadStream(file)) hash.update(piece);
  return hash.digest("hex") === sha256;
}

function isMissing(error: unknown): boolean {
  return (
    error instanceof Error &&
    "code" in error &&
    (error.code === "ENOENT" || error.code === "ENOTDIR")
  );
}
