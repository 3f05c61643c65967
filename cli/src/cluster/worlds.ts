import { extname, join, resolve } from "node:path";
import { type Config, OperatingError } from "@atlasnet/core";
import { bundleWorld } from "../dev/bundle.ts";
import type { ClusterWorld } from "./node-config.ts";

const TYPESCRIPT = new Set([".ts", ".mts", ".tsx"]);

export interface ModulesOptions {
  readonly config: Pick<Config, "worlds" | "services">;
  readonly workingDir: string;
}

export interface ModulesDependencies {
  /** Finds the file of a module. @throws an error that says where it was looked for. */
  resolveModule(module: string, from: string): string;
}

/**
 * The files of all worlds and services, found before any process starts; worlds in TypeScript are built into
 * `.atlasnet/worlds`, where `atlasnet dev` has its builds, too: packages are found from there.
 * @throws OperatingError when a module is not found or cannot be built.
 */
export async function clusterModules(
  { config, workingDir }: ModulesOptions,
  { resolveModule }: ModulesDependencies,
): Promise<{ worlds: ClusterWorld[]; services: { name: string; file: string }[] }> {
  const worlds = await Promise.all(
    config.worlds.map(async (world): Promise<ClusterWorld> => {
      const { name, config, durability, graceSeconds, sleepAfterSeconds = 0 } = world;
      const found = resolve(resolveModule(world.module, world.from));
      const file = TYPESCRIPT.has(extname(found)) ? await built(name, found, workingDir) : found;
      return { name, file, config, durability, graceSeconds, sleepAfterSeconds };
    }),
  );
  const services = config.services.map(({ name, module, from }) => ({
    name,
    file: resolve(resolveModule(module, from)),
  }));
  return { worlds, services };
}

async function built(name: string, entry: string, workingDir: string): Promise<string> {
  const outFile = join(workingDir, ".atlasnet", "worlds", name, `${name}.cluster.mjs`);
  const build = await bundleWorld({ entry, workingDir }, outFile);
  if (build.ok) return build.file;
  throw new OperatingError(
    "build-failed",
    `world ${name} cannot be built:\n${build.errors.join("\n\n")}`,
  );
}
