import { OperatingError } from "@atlasnet/core";
import { type Command, Option } from "commander";
import * as v from "valibot";
import type { CliIo } from "../cli-io.ts";
import { yamlText } from "./yaml.ts";

export type OutputForm = "table" | "json" | "yaml";
export interface OutputOptions {
  readonly output: OutputForm;
}

export function addOutputOption(command: Command): Command {
  return command.addOption(
    new Option("-o, --output <form>", "form of the output")
      .choices(["table", "json", "yaml"])
      .default("table"),
  );
}

/** What an apiserver answered, whole for programs, as `table` for people. */
export function show(io: CliIo, form: OutputForm, answer: unknown, table: () => string): void {
  if (form === "json") io.out(`${JSON.stringify(answer, undefined, 2)}\n`);
  else if (form === "yaml") io.out(yamlText(answer));
  else io.out(table());
}

/** One of several that come one after the other: a line for people, a line of JSON, a document of YAML. */
export function showNext(io: CliIo, form: OutputForm, value: unknown, line: () => string): void {
  if (form === "json") io.out(`${JSON.stringify(value)}\n`);
  else if (form === "yaml") io.out(`---\n${yamlText(value)}`);
  else io.out(line());
}

/** The fields that a table needs; what else an apiserver of a later version sends is left alone. */
export function understood<T>(schema: v.GenericSchema<unknown, T>, answer: unknown): T {
  const parsed = v.safeParse(schema, answer);
  if (parsed.success) return parsed.output;
  const [issue] = parsed.issues;
  throw new OperatingError(
    "bad-answer",
    `an apiserver answered in a way that is not understood: ${v.getDotPath(issue) ?? ""}: ${issue.message}`,
    { hint: "Use the CLI of the apiserver's version." },
  );
}
