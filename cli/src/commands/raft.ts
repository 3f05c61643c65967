import { setTimeout as delay } from "node:timers/promises";
import type { ApiClient } from "@atlasnet/apiserver/client";
import type { Command } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { parseWhole } from "../api/flags.ts";
import { checkNode } from "../api/names.ts";
import { addOutputOption, type OutputOptions, show, understood } from "../api/output.ts";
import { tableText } from "../api/table.ts";
import type { CliIo } from "../cli-io.ts";

interface AddOptions extends ApiOptions {
  readonly address: string;
  readonly timeoutSeconds: string;
}

const memberSchema = v.looseObject({
  node: v.string(),
  state: v.string(),
  leads: v.boolean(),
  address: v.optional(v.string()),
  reachable: v.optional(v.boolean()),
  lag: v.optional(v.number()),
  checkpointBytes: v.optional(v.number()),
  term: v.optional(v.number()),
  applied: v.optional(v.number()),
  logBytes: v.optional(v.number()),
});
type Member = v.InferOutput<typeof memberSchema>;

const groupSchema = v.looseObject({
  node: v.string(),
  leader: v.optional(v.string()),
  term: v.number(),
  commit: v.number(),
  lastIndex: v.number(),
  checkpointIndex: v.number(),
  changing: v.boolean(),
  members: v.array(memberSchema),
});

const DEFAULT_TIMEOUT_SECONDS = "120";
const MAX_TIMEOUT_SECONDS = 86_400;
/** Between two looks at a learner. */
const LOOK_MS = 500;

/** `atlasnet raft`: the group that the apiservers form, and changes of it. */
export function addRaftCommand(program: Command, io: CliIo): void {
  const raft = program
    .command("raft")
    .description("the group that the apiservers form, and changes of it");
  const sub = (usage: string, description: string) =>
    addApiOptions(raft.command(usage).description(description));

  addOutputOption(sub("status", "who leads, who takes part, and how far each is")).action(
    (options: ApiOptions & OutputOptions) =>
      withApi(io, options, async (client) => {
        const answer = await client.request({ method: "GET", path: "/v1/raft" });
        show(io, options.output, answer, () => text(understood(groupSchema, answer)));
      }),
  );

  sub("add <id>", "add an apiserver: it gets the log, and votes once it has caught up")
    .requiredOption("--address <host:port>", "where it takes links")
    .option(
      "--timeout-seconds <n>",
      "how long it may take to catch up; behind that it stays a learner",
      DEFAULT_TIMEOUT_SECONDS,
    )
    .addHelpText(
      "after",
      "\nStart the new apiserver first, with an empty data folder and the others in --peers: it waits until it is added.\nThe same command with another --address says that an apiserver has moved.",
    )
    .action((node: string, options: AddOptions) =>
      withApi(io, options, (client) => add(io, client, node, options)),
    );

  sub("rm <id>", "remove an apiserver from the group: it ends, and its log is of no use any more")
    .addHelpText(
      "after",
      "\nA leader hands leadership over before. Stop the process afterwards if it is supervised, and put its data folder away.",
    )
    .action((node: string, options: ApiOptions) =>
      withApi(io, options, async (client) => {
        const path = `/v1/raft/members/${checkNode("<id>", node)}`;
        await client.request({ method: "DELETE", path, id: client.newId() });
        io.talk(`Removed ${node} from the group.\n`);
      }),
    );

  sub(
    "transfer [id]",
    "hand leadership to another apiserver; without an id to the readiest",
  ).action((node: string | undefined, options: ApiOptions) =>
    withApi(io, options, async (client) => {
      const body = node === undefined ? {} : { node };
      const request = { method: "POST", path: "/v1/raft/transfer", body } as const;
      // Twice without an id would be one transfer too many.
      const id = node === undefined ? {} : { id: client.newId() };
      const answer = await client.request({ ...request, ...id });
      const { leader } = understood(v.looseObject({ leader: v.string() }), answer);
      io.talk(`${leader} leads now.\n`);
    }),
  );
}

async function add(io: CliIo, client: ApiClient, node: string, options: AddOptions): Promise<void> {
  const { address } = options;
  const bounds = { min: 1, max: MAX_TIMEOUT_SECONDS };
  const seconds = parseWhole("--timeout-seconds", options.timeoutSeconds, bounds) ?? 0;
  const deadline = performance.now() + seconds * 1000;
  let told = "";
  for (;;) {
    const answer = await client.request({
      ...{ method: "POST", path: "/v1/raft/members", id: client.newId() },
      body: { node: checkNode("<id>", node), address },
    });
    const member = understood(memberSchema, answer);
    if (member.state === "voter") {
      io.talk(`${node} is a member of the group and votes.\n`);
      return;
    }
    const progress = progressText(member);
    if (progress !== told) io.talk(`${progress}\n`);
    told = progress;
    if (performance.now() >= deadline || io.stop.aborted) throw await notCaughtUp(member, seconds);
    await delay(LOOK_MS);
  }
}

function progressText({ node, lag, reachable, checkpointBytes }: Member): string {
  if (reachable !== true) return `${node} is a learner; the leader has not heard of it yet.`;
  if (checkpointBytes !== undefined)
    return `${node} is a learner; it has ${checkpointBytes} bytes of the checkpoint.`;
  return `${node} is a learner; it lacks ${lag ?? "unknown"} entries.`;
}

async function notCaughtUp({ node, reachable }: Member, seconds: number): Promise<Error> {
  const { ApiError } = await import("@atlasnet/apiserver/client");
  return new ApiError(
    "not-caught-up",
    reachable === true
      ? `${node} has not caught up within ${seconds} s: it stays a learner, and does not vote`
      : `${node} was not heard of within ${seconds} s: it is a learner, and does not vote`,
    reachable === true
      ? "Give the same command again to go on, with more --timeout-seconds."
      : "Look whether it runs with this id, takes links at that address, and has the others in --peers; its log says more. Then give the same command again, or `atlasnet raft rm` it.",
  );
}

function text(group: v.InferOutput<typeof groupSchema>): string {
  const { node, leader, term, commit, lastIndex, checkpointIndex, changing, members } = group;
  const leads =
    leader === undefined
      ? `${node} answers: nobody leads: too few apiservers reach each other`
      : `${leader} leads, term ${term}`;
  const head = `${leads}; committed ${commit} of ${lastIndex} entries, checkpoint at ${checkpointIndex}${changing ? "; a change of the members is under way" : ""}\n\n`;
  const rows = members.map((member) => [
    member.node,
    member.leads ? "leader" : member.state,
    shown(member.term),
    shown(member.applied),
    shown(member.lag),
    shown(member.logBytes),
    member.reachable === undefined ? "-" : member.reachable ? "yes" : "no",
    member.address ?? "-",
  ]);
  return `${head}${tableText(
    ["APISERVER", "ROLE", "TERM", "APPLIED", "LAG", "LOG BYTES", "REACHABLE", "ADDRESS"],
    rows,
  )}`;
}

function shown(value: number | undefined): string {
  return value === undefined ? "-" : String(value);
}
