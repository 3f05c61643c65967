import {
  type ControlStore,
  decodeRecord,
  encodeRecord,
  isModuleName,
  isModuleVersion,
  MODULES,
  type ModuleRecord,
  modifiedIs,
  moduleKey,
  parseRecordKey,
  readAll,
  WORLDS,
  worldKey,
} from "@atlasnet/core";
import { ArtifactError } from "../artifact-error.ts";
import type { ArtifactStore } from "../artifact-store.ts";
import { badModule } from "../bad-module.ts";
import { type Digest, digestBytes, digestText } from "../digest.ts";
import { type InspectedModule, inspectModule } from "./inspect-module.ts";
import type { TarballSource } from "./tarball-source.ts";

/** A module of the library. */
export interface StoredModule {
  readonly name: string;
  readonly version: string;
  readonly digest: Digest;
  readonly entry: string;
  /** Length of the tarball. */
  readonly bytes: number;
}

export interface ModuleName {
  readonly name: string;
  readonly version: string;
}

export interface PushedModule extends StoredModule {
  /** False: exactly this module was there already. */
  readonly added: boolean;
  /** Install scripts that it has and that are never run. */
  readonly scripts: readonly string[];
}

/** The world modules of a cluster. Only administrators change it: whoever stands before it sees to that. */
export interface ModuleLibrary {
  /**
   * Checks a tarball and keeps it under its name and version. The same one again is content, and mends a store
   * that has lost it.
   * `as`: what it has to call itself.
   * @throws ArtifactError "bad-module", "module-exists", those of the store; ControlError
   */
  push(source: TarballSource, as?: ModuleName): Promise<PushedModule>;
  /** Sorted by name, the newest version last. @throws ControlError */
  list(): Promise<readonly StoredModule[]>;
  /** @throws ArtifactError "module-not-found", "module-in-use", those of the store; ControlError */
  remove(name: string, version: string): Promise<StoredModule>;
}

export interface ModuleLibraryDependencies {
  readonly artifacts: ArtifactStore;
  readonly control: Pick<ControlStore, "range" | "txn">;
}

/** Changes that are tried anew because somebody else was quicker. */
const MAX_TRIES = 5;

/**
 * Tarballs in the artifact store, records in the control store.
 *
 * 1. A record is written only once its artifact is stored, and goes before it.
 * 2. A record goes before its artifact, and comes back when a world was written that names it in that moment.
 * 3. A name and version stand for one content forever; `remove` and `push` may give it another, which is why
 *    worlds name the digest, too.
 */
export class StoreLibrary implements ModuleLibrary {
  private readonly artifacts: ArtifactStore;
  private readonly control: Pick<ControlStore, "range" | "txn">;

  constructor({ artifacts, control }: ModuleLibraryDependencies) {
    this.artifacts = artifacts;
    this.control = control;
  }

  async push(source: TarballSource, as?: ModuleName): Promise<PushedModule> {
    const { digest, bytes } = source;
    const module = await inspectModule(source.open());
    if (as !== undefined && (module.name !== as.name || module.version !== as.version))
      throw badModule(
        `it calls itself ${module.name} ${module.version}, and was pushed as ${as.name} ${as.version}`,
        { path: "package.json" },
      );
    checkDependencies(module);
    const { name, version, entry, scripts } = module;
    const stored: StoredModule = { name, version, digest, entry, bytes };
    for (let tries = 1; ; tries++) {
      const before = await this.read(name, version);
      if (before !== undefined && before.module.digest !== digest) {
        // Somebody was quicker with this version, after this one's tarball was stored.
        if (tries > 1) await this.dropUnused(digest);
        throw exists(before.module, stored);
      }
      // Also when there is a record: a store that was emptied gets it back.
      if (before === undefined || !(await this.artifacts.has(digest)))
        await this.artifacts.put(source.open(), { digest, bytes });
      const added = before === undefined;
      if (!added || (await this.add(stored))) {
        // A removal at the same time may have taken the artifact away again.
        if (await this.artifacts.has(digest)) return { ...stored, added, scripts };
      }
      if (tries >= MAX_TRIES) throw busy(name, version);
    }
  }

  list(): Promise<readonly StoredModule[]> {
    return listModules(this.control);
  }

  async remove(name: string, version: string): Promise<StoredModule> {
    for (let tries = 1; ; tries++) {
      const before = await this.read(name, version);
      if (before === undefined) throw notFound(name, version);
      const { module, modified } = before;
      const worlds = await this.worldsWith(name, version);
      if (worlds.length > 0) throw inUse(module, worlds);
      const key = moduleKey(name, version);
      const { succeeded } = await this.control.txn({
        compare: [modifiedIs(key, modified)],
        then: [{ type: "delete", key }],
      });
      if (succeeded) {
        await this.keepIfNamed(module);
        await this.dropUnused(module.digest);
        return module;
      }
      if (tries >= MAX_TRIES) throw busy(name, version);
    }
  }

  /**
   * Whoever writes a world compares that its module is there. So none begins to name this one any more, and
   * those that did in the last moment are seen now: it comes back. @throws ArtifactError "module-in-use"
   */
  private async keepIfNamed(module: StoredModule): Promise<void> {
    const worlds = await this.worldsWith(module.name, module.version);
    if (worlds.length === 0) return;
    // When that does nothing, somebody has pushed the version meanwhile.
    await this.add(module);
    throw inUse(module, worlds);
  }

  private async read(name: string, version: string) {
    if (!isModuleName(name) || !isModuleVersion(version)) return undefined;
    const key = moduleKey(name, version);
    const [item] = (await this.control.range({ key })).items;
    const module = item === undefined ? undefined : moduleOf(key, item.value);
    return item === undefined || module === undefined
      ? undefined
      : { module, modified: item.modified };
  }

  private async add({ name, version, digest, entry, bytes }: StoredModule): Promise<boolean> {
    const key = moduleKey(name, version);
    const record: ModuleRecord = { digest: digestBytes(digest), entry, bytes };
    const value = encodeRecord("module", record);
    const put = { type: "put", key, value } as const;
    return (await this.control.txn({ compare: [modifiedIs(key, 0)], then: [put] })).succeeded;
  }

  private async dropUnused(unused: Digest): Promise<void> {
    const used = (await this.list()).some(({ digest }) => digest === unused);
    if (!used) await this.artifacts.remove(unused);
  }

  private async worldsWith(name: string, version: string): Promise<readonly string[]> {
    const { items } = await readAll(this.control, WORLDS);
    return items.flatMap(({ key, value }) => {
      const decoded = decodeRecord("world", value);
      if (!decoded.ok || decoded.record.module.source !== "store") return [];
      const { module } = decoded.record;
      return module.name === name && module.version === version
        ? [key.slice(worldKey("").length)]
        : [];
    });
  }
}

/** The modules that the control store knows, sorted by name, the newest version last. @throws ControlError */
export async function listModules(
  control: Pick<ControlStore, "range">,
): Promise<readonly StoredModule[]> {
  const { items } = await readAll(control, MODULES);
  return items
    .flatMap(({ key, value }) => moduleOf(key, value) ?? [])
    .sort((a, b) => compareText(a.name, b.name) || compareVersions(a.version, b.version));
}

/** Undefined for a record of another version of the server, which is nobody's here to judge. */
function moduleOf(key: string, value: Uint8Array): StoredModule | undefined {
  const parsed = parseRecordKey(key);
  const decoded = decodeRecord("module", value);
  if (parsed?.kind !== "module" || !decoded.ok) return undefined;
  const { digest, entry, bytes } = decoded.record;
  const { name, version } = parsed;
  return { name, version, digest: digestText(digest), entry, bytes };
}

function checkDependencies({ name, dependencies }: InspectedModule): void {
  if (dependencies.length === 0) return;
  throw new ArtifactError(
    "bad-module",
    `module ${name} needs packages that it does not bring: ${dependencies.slice(0, 10).join(", ")}`,
    {
      hint: "Bundle them into the module's file, or name them under bundleDependencies; @atlasnet/world is there already.",
    },
  );
}

function exists(before: StoredModule, { name, version, digest }: StoredModule): ArtifactError {
  return new ArtifactError(
    "module-exists",
    `${name} ${version} exists with another content: ${before.digest}, not ${digest}`,
    {
      facts: { name, version, digest },
      hint: "Raise the version in its package.json and push again: worlds may run the one that is there.",
    },
  );
}

function notFound(name: string, version: string): ArtifactError {
  return new ArtifactError("module-not-found", `there is no module ${name} ${version}`, {
    facts: { name, version },
    hint: "`atlasnet module ls` shows what there is.",
  });
}

/** Worlds that a message names. */
const MAX_NAMED = 10;

function inUse({ name, version }: StoredModule, worlds: readonly string[]): ArtifactError {
  const named = worlds.slice(0, MAX_NAMED).join(", ");
  const more = worlds.length > MAX_NAMED ? ` and ${worlds.length - MAX_NAMED} more` : "";
  return new ArtifactError("module-in-use", `${name} ${version} is used by ${named}${more}`, {
    facts: { name, version, worlds: worlds.length },
    hint: "Give these worlds another module, or remove them first.",
  });
}

function busy(name: string, version: string): ArtifactError {
  return new ArtifactError(
    "module-in-use",
    `somebody else changes ${name} ${version} at the same time`,
    { facts: { name, version }, hint: "Try again in a moment." },
  );
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** As semver has it for numbers; a pre-release comes before its release, others by their letters. */
function compareVersions(a: string, b: string): number {
  const [numbersA, restA] = partsOf(a);
  const [numbersB, restB] = partsOf(b);
  for (let i = 0; i < 3; i++) {
    const difference = (numbersA[i] ?? 0) - (numbersB[i] ?? 0);
    if (difference !== 0) return difference;
  }
  if ((restA === "") !== (restB === "")) return restA === "" ? 1 : -1;
  return compareText(restA, restB);
}

function partsOf(version: string): [readonly number[], string] {
  const [, numbers = "", rest = ""] = /^([\d.]+)(?:-([^+]*))?/.exec(version) ?? [];
  return [numbers.split(".").map(Number), rest];
}
