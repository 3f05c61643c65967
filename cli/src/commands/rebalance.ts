import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { addOutputOption, type OutputOptions, show, understood } from "../api/output.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";

interface RebalanceOptions extends ApiOptions, OutputOptions {
  readonly plan?: boolean;
}

const loadsSchema = v.looseObject({ before: v.number(), after: v.number() });

const planSchema = v.looseObject({
  enabled: v.boolean(),
  liveMoves: v.boolean(),
  moves: v.array(
    v.looseObject({
      world: v.string(),
      from: v.string(),
      to: v.string(),
      live: v.boolean(),
      fromLoad: loadsSchema,
      toLoad: loadsSchema,
      reason: v.string(),
    }),
  ),
  stay: v.array(v.looseObject({ node: v.string(), load: v.number(), why: v.string() })),
  more: v.number(),
});
type Plan = v.InferOutput<typeof planSchema>;

const roundSchema = v.looseObject({
  begun: v.array(v.looseObject({ shard: v.string(), from: v.string(), to: v.string() })),
  refused: v.array(v.looseObject({ shard: v.string(), message: v.string() })),
});
type Round = v.InferOutput<typeof roundSchema>;

const EXAMPLES = `
Examples:
  atlasnet rebalance --plan            what would move, and why the others stay
  atlasnet rebalance --plan -o json    the same for programs
  atlasnet rebalance                   begin these moves now; \`atlasnet migration ls\` shows them

The leader rebalances by itself unless placement.rebalance is off. Loads are shares of what a node said that it can carry.`;

/** `atlasnet rebalance`: moves worlds away from nodes that stay overloaded. */
export function addRebalanceCommand(program: Command, io: CliIo): void {
  const command = program
    .command("rebalance")
    .description("move worlds away from gameservers that stay overloaded, one round")
    .option("--plan", "only show what would be moved, and why not")
    .addHelpText("after", EXAMPLES);
  addOutputOption(addApiOptions(command)).action((options: RebalanceOptions) =>
    withApi(io, options, async (client) => {
      const path = "/v1/rebalance";
      if (options.plan === true) {
        const answer = await client.request({ method: "GET", path });
        show(io, options.output, answer, () => planText(io, understood(planSchema, answer)));
        return;
      }
      const answer = await client.request({ method: "POST", path, id: client.newId() });
      show(io, options.output, answer, () => roundText(io, understood(roundSchema, answer)));
    }),
  );
}

function planText(io: CliIo, { enabled, liveMoves, moves, stay, more }: Plan): string {
  if (!liveMoves)
    io.talk("Running worlds are not moved for balance: placement.liveMoves is off.\n");
  if (!enabled) io.talk("The leader does not rebalance by itself: placement.rebalance is off.\n");
  if (moves.length === 0) io.talk("Nothing would be moved now.\n");
  const moving =
    moves.length === 0
      ? []
      : [
          tableText(
            ["WORLD", "FROM", "LOAD", "TO", "LOAD", "REASON"],
            moves.map(({ world, from, fromLoad, to, toLoad, live, reason }) => [
              world,
              from,
              changeText(fromLoad),
              to,
              changeText(toLoad),
              live ? reason : `${reason}; not while it runs`,
            ]),
          ),
        ];
  const staying =
    stay.length === 0
      ? []
      : [
          tableText(
            ["NODE", "LOAD", "NOTHING LEAVES IT, FOR"],
            stay.map(({ node, load, why }) => [node, percent(load), why]),
          ),
        ];
  if (more > 0) io.talk(`${more} more nodes that nothing leaves are not shown.\n`);
  return [...moving, ...staying].join("\n");
}

function roundText(io: CliIo, { begun, refused }: Round): string {
  for (const { shard, message } of refused) io.talk(`${shard} was not moved: ${message}\n`);
  if (begun.length === 0) {
    io.talk("Nothing is moved. `atlasnet rebalance --plan` says why.\n");
    return "";
  }
  return tableText(
    ["SHARD", "FROM", "TO"],
    begun.map(({ shard, from, to }) => [shard, from, to]),
  );
}

function changeText({ before, after }: { readonly before: number; readonly after: number }) {
  return `${percent(before)} → ${percent(after)}`;
}

function percent(load: number): string {
  return `${Math.round(load * 100)} %`;
}
