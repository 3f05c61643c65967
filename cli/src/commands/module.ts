import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { ApiClient } from "@atlasnet/apiserver/client";
import type {
  ModuleLibrary,
  StoredModule,
  TarballSource,
  TemporaryTarball,
} from "@atlasnet/artifacts";
import type { Command } from "commander";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { addOutputOption, type OutputOptions, show } from "../api/output.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";

interface StoreOptions extends ApiOptions {
  readonly store?: string;
}

/** Loading what reads tarballs is left until it is needed. */
const loadArtifacts = () => import("@atlasnet/artifacts");

/** `atlasnet module`: the world modules that gameservers fetch. An administrator's token is needed. */
export function addModuleCommand(program: Command, io: CliIo): void {
  const module = program
    .command("module")
    .description("world modules that gameservers fetch from the artifact store");
  const sub = (usage: string, description: string) =>
    addApiOptions(module.command(usage).description(description));
  const withStore = (command: Command) =>
    command.option(
      "--store <place>",
      "the artifact store: a folder or s3://bucket/prefix?region=… (or ATLASNET_ARTIFACTS)",
    );

  addOutputOption(
    withStore(
      sub("push <package>", "store a module: the folder of a package, or a .tgz of npm pack"),
    ),
  ).action((path: string, options: StoreOptions & OutputOptions) =>
    withLibrary(io, options, async (library) => {
      const source = await sourceOf(resolve(io.workingDir, path));
      try {
        const pushed = await library.push(source);
        if (pushed.scripts.length > 0)
          io.talk(`Its scripts ${pushed.scripts.join(", ")} are not run anywhere.\n`);
        if (!pushed.added) io.talk("It was there already.\n");
        show(io, options.output, pushed, () => table([pushed]));
      } finally {
        if ("remove" in source) await source.remove();
      }
    }),
  );

  addOutputOption(sub("ls", "list modules")).action((options: ApiOptions & OutputOptions) =>
    withApi(io, options, async (client) => {
      const { listModules } = await loadArtifacts();
      const modules = await listModules(await controlOf(client));
      show(io, options.output, modules, () => {
        if (modules.length > 0) return table(modules);
        io.talk("There are no modules.\n");
        return "";
      });
    }),
  );

  withStore(sub("rm <module>", "remove a module that no world uses: NAME@VERSION")).action(
    (text: string, options: StoreOptions) =>
      withLibrary(io, options, async (library) => {
        const { name, version } = namedModule(text);
        await library.remove(name, version);
        io.talk(`Removed ${name} ${version}. Nodes that have it in their cache keep it a while.\n`);
      }),
  );
}

function withLibrary(
  io: CliIo,
  options: StoreOptions,
  work: (library: ModuleLibrary) => Promise<void>,
): Promise<void> {
  const place = options.store ?? (io.env["ATLASNET_ARTIFACTS"] || undefined);
  if (place === undefined)
    throw new UsageError(
      "--store: the artifact store is needed",
      "Give --store or ATLASNET_ARTIFACTS: the same place as for the gameservers.",
    );
  return withApi(io, options, async (client) => work(await libraryOf(io, client, place)));
}

async function libraryOf(io: CliIo, client: ApiClient, place: string): Promise<ModuleLibrary> {
  const { openArtifactStore, parseStoreLocation, StoreLibrary } = await loadArtifacts();
  const artifacts = openArtifactStore(parseStoreLocation(place, io));
  return new StoreLibrary({ artifacts, control: await controlOf(client) });
}

async function controlOf(client: ApiClient) {
  const { ControlClient } = await import("@atlasnet/apiserver/client");
  return new ControlClient({ client });
}

async function sourceOf(path: string): Promise<TarballSource | TemporaryTarball> {
  const { packModule, tarballFile } = await loadArtifacts();
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    throw new UsageError(`there is no ${path}`, "Give the folder of a package, or a .tgz file.");
  return found.isDirectory() ? await packModule(path) : await tarballFile(path);
}

function namedModule(text: string): { name: string; version: string } {
  const at = text.lastIndexOf("@");
  const [name, version] = [text.slice(0, Math.max(0, at)), text.slice(at + 1)];
  if (name === "" || version === "")
    throw new UsageError(`found "${text}", allowed: NAME@VERSION, as in arena@1.0.0`);
  return { name, version };
}

function table(modules: readonly StoredModule[]): string {
  return tableText(
    ["NAME", "VERSION", "BYTES", "ENTRY", "SHA-256"],
    modules.map(({ name, version, bytes, entry, digest }) => [
      name,
      version,
      String(bytes),
      entry,
      digest,
    ]),
  );
}
