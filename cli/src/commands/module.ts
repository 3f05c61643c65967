import { statSync } from "node:fs";
import { resolve } from "node:path";
import type { ApiClient } from "@atlasnet/apiserver/client";
import type { TarballSource, TemporaryTarball } from "@atlasnet/artifacts";
import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { addOutputOption, type OutputOptions, show, understood } from "../api/output.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";
import { PushProgress } from "./push-progress.ts";

/** The apiserver says nothing while it checks the module and hands it to the artifact store. */
const CHECKING_MS = 120_000;

/** Loading what reads tarballs is left until it is needed. */
const loadArtifacts = () => import("@atlasnet/artifacts");

const moduleSchema = v.looseObject({
  name: v.string(),
  version: v.string(),
  digest: v.string(),
  entry: v.string(),
  bytes: v.number(),
});
type StoredModule = v.InferOutput<typeof moduleSchema>;

/** `atlasnet module`: the world modules that gameservers fetch. An administrator's token is needed. */
export function addModuleCommand(program: Command, io: CliIo): void {
  const module = program
    .command("module")
    .description("world modules that gameservers fetch from the artifact store");
  const sub = (usage: string, description: string) =>
    addApiOptions(module.command(usage).description(description));

  addOutputOption(
    sub("push <package>", "store a module: the folder of a package, or a .tgz of npm pack"),
  ).action(async (path: string, options: ApiOptions & OutputOptions) => {
    const source = await sourceOf(resolve(io.workingDir, path));
    try {
      await withApi(io, options, async (client) => {
        const pushed = await push(io, client, source);
        if (pushed.scripts.length > 0)
          io.talk(`Its scripts ${pushed.scripts.join(", ")} are not run anywhere.\n`);
        if (!pushed.added) io.talk("It was there already.\n");
        show(io, options.output, pushed, () => table([pushed]));
      });
    } finally {
      if ("remove" in source) await source.remove();
    }
  });

  addOutputOption(sub("ls", "list modules")).action((options: ApiOptions & OutputOptions) =>
    withApi(io, options, async (client) => {
      const answer = await client.request({ method: "GET", path: "/v1/modules" });
      const { modules } = understood(v.looseObject({ modules: v.array(moduleSchema) }), answer);
      show(io, options.output, modules, () => {
        if (modules.length > 0) return table(modules);
        io.talk("There are no modules.\n");
        return "";
      });
    }),
  );

  sub("rm <module>", "remove a module that no world uses: NAME@VERSION").action(
    (text: string, options: ApiOptions) => {
      const { name, version } = namedModule(text);
      return withApi(io, options, async (client) => {
        await client.request({ method: "DELETE", path: pathOf(name, version) });
        io.talk(`Removed ${name} ${version}. Nodes that have it in their cache keep it a while.\n`);
      });
    },
  );
}

const pushedSchema = v.looseObject({
  ...moduleSchema.entries,
  added: v.boolean(),
  scripts: v.array(v.string()),
});

/** What is wrong with it is said before anything is sent. */
async function push(io: CliIo, client: ApiClient, source: TarballSource) {
  const { inspectModule } = await loadArtifacts();
  const { name, version } = await inspectModule(source.open());
  const { digest, bytes } = source;
  const progress = new PushProgress(io, bytes);
  try {
    const answer = await client.upload(
      {
        method: "PUT",
        path: pathOf(name, version),
        query: { digest, bytes },
        body: () => progress.count(source.open()),
        id: client.newId(),
      },
      { idleMs: CHECKING_MS },
    );
    return understood(pushedSchema, answer);
  } finally {
    progress.end();
  }
}

function pathOf(name: string, version: string): string {
  return `/v1/modules/${encodeURIComponent(name)}/${encodeURIComponent(version)}`;
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
