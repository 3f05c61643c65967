import { LOG_LEVELS } from "@atlasnet/core";
import { Argument, type Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withEachApi } from "../api/connect.ts";
import { addOutputOption, type OutputOptions, show, understood } from "../api/output.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";

const levelSchema = v.looseObject({ level: v.string() });

/** `atlasnet log-level`: how much the apiservers write. Each has its own, until it restarts. */
export function addLogLevelCommand(program: Command, io: CliIo): void {
  const command = program
    .command("log-level")
    .description("show or set the level of the apiservers' logs, of each that is addressed")
    .addArgument(new Argument("[level]", "until they restart").choices(LOG_LEVELS));
  addOutputOption(addApiOptions(command)).action(
    async (level: string | undefined, options: ApiOptions & OutputOptions) => {
      const levels: { apiserver: string; level: string }[] = [];
      await withEachApi(io, options, async (client, apiserver) => {
        const path = "/v1/log-level";
        const answer = await client.request(
          level === undefined
            ? { method: "GET", path }
            : { method: "PUT", path, body: { level }, id: client.newId() },
        );
        levels.push({ apiserver, level: understood(levelSchema, answer).level });
      });
      show(io, options.output, levels, () =>
        tableText(
          ["APISERVER", "LEVEL"],
          levels.map(({ apiserver, level: now }) => [apiserver, now]),
        ),
      );
    },
  );
}
