import { isDeepStrictEqual } from "node:util";
import type { ModuleSource } from "@atlasnet/core";
import type { WorldModules } from "./world-modules.ts";

/** A module as a world's record names it, and the file that is run for it. */
interface ModuleFile {
  readonly module: ModuleSource;
  readonly file: string;
}

/** Which file a shard is to run: its record's module, or what was swapped in for that while it ran. */
export class PreparedModules {
  private readonly modules: Pick<WorldModules, "fileOf">;
  /** Of the shards that are about to be opened: what was made ready for them. */
  private readonly ready = new Map<string, ModuleFile>();
  /** Modules that took the place of a world's, which its record does not know of. */
  private readonly swapped = new Map<string, ModuleFile>();

  constructor({ modules }: { readonly modules: Pick<WorldModules, "fileOf"> }) {
    this.modules = modules;
  }

  /** The shard runs `file` in the place of `module`, until its record names another one. */
  swap(shard: string, module: ModuleSource, file: string): void {
    this.swapped.set(shard, { module, file });
  }

  /** The file that a shard is to run whose record names `module`. @throws OperatingError */
  async fileOf(shard: string, module: ModuleSource): Promise<string> {
    const file = await this.modules.fileOf(shard, module);
    const swapped = this.swapped.get(shard);
    const stays = swapped !== undefined && isDeepStrictEqual(swapped.module, module);
    if (!stays) this.swapped.delete(shard);
    return stays ? swapped.file : file;
  }

  /** Has the file there for `take`. @throws OperatingError */
  async prepare(shard: string, module: ModuleSource): Promise<void> {
    this.ready.set(shard, { module, file: await this.fileOf(shard, module) });
  }

  /**
   * What was prepared for the shard, once; undefined: nothing was. Its record may name another module since, which is
   * fetched then. @throws OperatingError
   */
  async take(shard: string, module: ModuleSource): Promise<string | undefined> {
    const ready = this.ready.get(shard);
    this.ready.delete(shard);
    if (ready === undefined) return undefined;
    return isDeepStrictEqual(ready.module, module) ? ready.file : this.fileOf(shard, module);
  }
}
