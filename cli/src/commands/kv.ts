import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { parseRevision } from "../api/flags.ts";
import { followStream } from "../api/follow.ts";
import { changedSchema, type Item, itemSchema, valueText } from "../api/items.ts";
import { addOutputOption, type OutputOptions, show, showNext, understood } from "../api/output.ts";
import { allPages } from "../api/pages.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";
import { UsageError } from "../usage-error.ts";

interface KvOptions extends ApiOptions {
  readonly node?: string;
}
interface PutOptions extends KvOptions {
  readonly file?: string;
  readonly revision?: string;
}
interface WatchOptions extends KvOptions, OutputOptions {
  readonly after?: string;
  readonly exact?: boolean;
}

const ITEM = "/v1/kv/item";

/** `atlasnet kv`: the key-value store of the cluster, or of one node. */
export function addKvCommand(program: Command, io: CliIo): void {
  const kv = program
    .command("kv")
    .description("the cluster's key-value store, which worlds reach, too");
  const sub = (usage: string, description: string) =>
    addApiOptions(
      kv
        .command(usage)
        .description(description)
        .option("--node <node>", "the store of that node instead of the cluster's"),
    );

  addOutputOption(sub("get <key>", "print the value of a key")).action(
    (key: string, options: KvOptions & OutputOptions) =>
      withApi(io, options, async (client) => {
        const query = { key, node: options.node };
        const answer = await client.request({ method: "GET", path: ITEM, query });
        show(io, options.output, answer, () => {
          const item = understood(itemSchema, answer);
          if (item.text === undefined) io.talk("The value is not text: it is shown as base64.\n");
          return `${item.text ?? item.base64 ?? ""}\n`;
        });
      }),
  );

  sub("put <key> [value]", "set a key")
    .option("--file <file>", "take the value from a file, byte by byte")
    .option("--revision <n>", "only when it was last changed there; 0: only when it is not there")
    .action((key: string, value: string | undefined, options: PutOptions) =>
      withApi(io, options, async (client) => {
        const revision = parseRevision("--revision", options.revision);
        const body = { ...(await givenValue(io, value, options)), revision };
        const query = { key, node: options.node };
        const id = client.newId();
        const answer = await client.request({ method: "PUT", path: ITEM, query, body, id });
        io.talk(`Set ${key} at revision ${understood(changedSchema, answer).revision}.\n`);
      }),
    );

  sub("rm <key>", "delete a key")
    .option("--revision <n>", "only when it was last changed there")
    .action((key: string, options: PutOptions) =>
      withApi(io, options, async (client) => {
        const revision = parseRevision("--revision", options.revision);
        const query = { key, node: options.node, revision };
        const id = client.newId();
        await client.request({ method: "DELETE", path: ITEM, query, id });
        io.talk(`Deleted ${key}.\n`);
      }),
    );

  addOutputOption(sub("ls [prefix]", "list keys with their values")).action(
    (prefix: string | undefined, options: KvOptions & OutputOptions) =>
      withApi(io, options, async (client) => {
        const items = await allPages(client, "/v1/kv", {
          field: "items",
          item: itemSchema,
          query: { prefix, node: options.node },
          last: ({ key }) => key,
        });
        show(io, options.output, items, () => table(io, items));
      }),
  );

  addOutputOption(sub("watch [prefix]", "print changes as they come, until it is stopped"))
    .option("--exact", "the key itself, and not what begins with it")
    .option("--after <revision>", "begin with the changes behind this revision")
    .action((prefix: string | undefined, options: WatchOptions) =>
      withApi(io, options, (client) => {
        const after = parseRevision("--after", options.after);
        if (options.exact === true && prefix === undefined)
          throw new UsageError("--exact: a key is needed", "Write it behind `watch`.");
        const what = options.exact === true ? { key: prefix } : { prefix: prefix ?? "" };
        return followStream(io, client, {
          path: "/v1/kv/watch",
          query: { ...what, node: options.node },
          after,
          change: changeSchema,
          changed: (change) => showNext(io, options.output, change, () => changeText(change)),
        });
      }),
    );
}

const changeSchema = v.variant("type", [
  v.looseObject({ type: v.literal("put"), item: itemSchema }),
  v.looseObject({ type: v.literal("delete"), key: v.string(), modified: v.number() }),
]);

function changeText(change: v.InferOutput<typeof changeSchema>): string {
  return change.type === "put"
    ? `${change.item.modified} put ${change.item.key} ${valueText(change.item)}\n`
    : `${change.modified} delete ${change.key}\n`;
}

function table(io: CliIo, items: readonly Item[]): string {
  if (items.length === 0) {
    io.talk("There are no such keys.\n");
    return "";
  }
  return tableText(
    ["KEY", "MODIFIED", "VERSION", "VALUE"],
    items.map((item) => [item.key, String(item.modified), String(item.version), valueText(item)]),
  );
}

async function givenValue(
  io: CliIo,
  value: string | undefined,
  { file }: PutOptions,
): Promise<{ text: string } | { base64: string }> {
  if (value !== undefined && file === undefined) return { text: value };
  if (value !== undefined || file === undefined)
    throw new UsageError(
      "kv put: either a value or --file is needed",
      "As in: atlasnet kv put motd 'Welcome!'",
    );
  const bytes = await readFile(resolve(io.workingDir, file)).catch((error: unknown) => {
    throw new UsageError(`--file: ${error instanceof Error ? error.message : String(error)}`);
  });
  return { base64: bytes.toString("base64") };
}
