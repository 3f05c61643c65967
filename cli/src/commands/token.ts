import { MAX_TOKEN_SECONDS } from "@atlasnet/core";
import { type Command, Option } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { addOutputOption, type OutputOptions, show, understood } from "../api/output.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";
import { durationOf } from "../duration.ts";

interface CreateOptions extends ApiOptions {
  readonly name: string;
  readonly role: string;
  readonly ttl?: string;
}

const tokensSchema = v.looseObject({
  tokens: v.array(
    v.looseObject({
      id: v.string(),
      name: v.string(),
      role: v.string(),
      created: v.string(),
      expires: v.optional(v.string()),
    }),
  ),
});
const createdSchema = v.looseObject({ id: v.string(), token: v.string() });

/** `atlasnet token`: who may do what over the HTTP API. */
export function addTokenCommand(program: Command, io: CliIo): void {
  const token = program.command("token").description("tokens of the HTTP API, and their roles");
  const sub = (usage: string, description: string) =>
    addApiOptions(token.command(usage).description(description));

  addOutputOption(sub("ls", "list the tokens, without their secrets")).action(
    (options: ApiOptions & OutputOptions) =>
      withApi(io, options, async (client) => {
        const answer = await client.request({ method: "GET", path: "/v1/tokens" });
        const { tokens } = understood(tokensSchema, answer);
        show(io, options.output, tokens, () =>
          tableText(
            ["ID", "ROLE", "CREATED", "EXPIRES", "NAME"],
            tokens.map(({ id, role, created, expires, name }) => [
              id,
              role,
              created,
              expires ?? "never",
              name,
            ]),
          ),
        );
      }),
  );

  sub("create", "make a token; it is printed once, and kept nowhere")
    .requiredOption("--name <name>", "whose it is, for the audit log")
    .addOption(
      new Option("--role <role>", "what it allows; each role includes those before it")
        .choices(["read", "operate", "admin"])
        .makeOptionMandatory(),
    )
    .option("--ttl <duration>", "how long it is good, as in 90d; default: until it is removed")
    .action((options: CreateOptions) =>
      withApi(io, options, async (client) => {
        const { name, role, ttl } = options;
        const bounds = { min: 1, max: MAX_TOKEN_SECONDS };
        const ttlSeconds = ttl === undefined ? undefined : durationOf("--ttl", ttl, bounds);
        const body = { name, role, ttlSeconds };
        const answer = await client.request({ method: "POST", path: "/v1/tokens", body });
        const made = understood(createdSchema, answer);
        io.talk(`Made the token ${made.id} for ${name}, role ${role}.\n`);
        io.out(`${made.token}\n`);
      }),
    );

  sub("rm <id>", "revoke a token").action((id: string, options: ApiOptions) =>
    withApi(io, options, async (client) => {
      const path = `/v1/tokens/${encodeURIComponent(id)}`;
      await client.request({ method: "DELETE", path, id: client.newId() });
      io.talk(`Revoked the token ${id}.\n`);
    }),
  );
}
