import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { addOutputOption, type OutputOptions, show, understood } from "../api/output.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";

const statusSchema = v.looseObject({
  node: v.string(),
  version: v.string(),
  leader: v.optional(v.looseObject({ node: v.string(), term: v.number() })),
  revision: v.number(),
  members: v.array(
    v.looseObject({
      node: v.string(),
      voter: v.boolean(),
      address: v.optional(v.string()),
      reachable: v.optional(v.boolean()),
    }),
  ),
});

/** `atlasnet status`: the apiservers, as the one that answers sees them. */
export function addStatusCommand(program: Command, io: CliIo): void {
  const command = program
    .command("status")
    .description("who leads, and which apiservers there are");
  addOutputOption(addApiOptions(command)).action((options: ApiOptions & OutputOptions) =>
    withApi(io, options, async (client) => {
      const answer = await client.request({ method: "GET", path: "/v1/status" });
      show(io, options.output, answer, () => text(understood(statusSchema, answer)));
    }),
  );
}

function text({
  node,
  version,
  leader,
  revision,
  members,
}: v.InferOutput<typeof statusSchema>): string {
  const leads =
    leader === undefined
      ? "nobody leads: too few apiservers reach each other"
      : `${leader.node} leads, term ${leader.term}`;
  const rows = members.map((member) => [
    member.node,
    member.node === leader?.node ? "leader" : member.voter ? "follower" : "learner",
    member.reachable === undefined ? "-" : member.reachable ? "yes" : "no",
    member.address ?? "-",
  ]);
  return `${node} (${version}) answers: ${leads}; revision ${revision}\n\n${tableText(
    ["APISERVER", "ROLE", "REACHABLE", "ADDRESS"],
    rows,
  )}`;
}
