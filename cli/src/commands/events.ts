import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { parseRevision } from "../api/flags.ts";
import { followStream } from "../api/follow.ts";
import { addOutputOption, type OutputOptions, showNext } from "../api/output.ts";
import type { CliIo } from "../cli-io.ts";

interface EventsOptions extends ApiOptions, OutputOptions {
  readonly after?: string;
}

const eventSchema = v.looseObject({
  kind: v.string(),
  name: v.string(),
  change: v.string(),
  modified: v.number(),
  record: v.optional(v.looseObject({})),
});
type Event = v.InferOutput<typeof eventSchema>;

/** `atlasnet events`: what happens to nodes, worlds, shards and apiservers. */
export function addEventsCommand(program: Command, io: CliIo): void {
  const command = program
    .command("events")
    .description("print what happens to nodes, worlds, shards and apiservers, until it is stopped")
    .option("--after <revision>", "begin with what happened behind this revision");
  addOutputOption(addApiOptions(command)).action((options: EventsOptions) =>
    withApi(io, options, (client) =>
      followStream(io, client, {
        path: "/v1/events",
        query: {},
        after: parseRevision("--after", options.after),
        change: eventSchema,
        changed: (event) => showNext(io, options.output, event, () => eventText(event)),
      }),
    ),
  );
}

function eventText({ kind, name, change, modified, record = {} }: Event): string {
  const state = "state" in record ? ` ${String(record["state"])}` : "";
  const isHeld = kind === "owner" || kind === "mirror";
  const node = isHeld && "node" in record ? ` by ${String(record["node"])}` : "";
  const way =
    kind === "migration" && "to" in record
      ? ` from ${String(record["from"])} to ${String(record["to"])}`
      : "";
  const end = kind === "moved" && "outcome" in record ? ` ${endText(record)}` : "";
  const wanted = "wanted" in record ? ` wanted on ${String(record["wanted"])}` : "";
  const reason = kind === "shard" && "reason" in record ? ` (${String(record["reason"])})` : "";
  return `${modified} ${kind} ${name}${change === "delete" ? " removed" : `${state}${node}${way}${end}${wanted}${reason}`}\n`;
}

function endText(record: NonNullable<Event["record"]>): string {
  const of = (field: string) => String(record[field]);
  if (record["outcome"] !== "moved")
    return `${of("outcome")}, not moved from ${of("from")} to ${of("to")}: ${of("problem")}`;
  const gap = "gapMs" in record ? `, stood still for ${of("gapMs")} ms` : "";
  return `moved from ${of("from")} to ${of("to")}${gap}`;
}
