import type { ApiClient } from "@atlasnet/apiserver/client";
import { OperatingError } from "@atlasnet/core";
import type { Command } from "commander";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { type Placement, placementSchema } from "../api/items.ts";
import { nodePath } from "../api/names.ts";
import { allPages } from "../api/pages.ts";
import type { CliIo } from "../cli-io.ts";
import { durationOf } from "../duration.ts";

interface DrainOptions extends ApiOptions {
  readonly deadline?: string;
}

/** How often it is looked at what is left. */
const LOOK_MS = 500;
/** Only the command waits: the drain itself has no end. */
const MAX_WAIT_SECONDS = 86_400;
/** Worlds that are named as left; of more only the number is said. */
const MAX_NAMED = 20;

const HELP = `
Its worlds move to other gameservers, some at a time, and their players stay connected. A world that cannot move while it
runs is released and opened elsewhere if its failover is automatic; one with failover manual stays, and so does one
that no other gameserver can take: they run on until the node stops, which saves them.

With --deadline the command ends once the node is empty; when it is not by then, the exit code is 1 and what is left
is said. The drain goes on all the same; \`atlasnet node undrain\` takes it back.

Examples:
  atlasnet node drain gs-1
  atlasnet node drain gs-1 --deadline 60s && systemctl stop atlasnet-gameserver`;

/** `atlasnet node drain`: a gameserver loses its worlds to others. */
export function addDrainCommand(node: Command, io: CliIo): void {
  const command = node
    .command("drain <node>")
    .description("empty a gameserver: its worlds move to others while people play")
    .option("--deadline <time>", "wait until it is empty, so long at most")
    .addHelpText("after", HELP);
  addApiOptions(command).action((name: string, options: DrainOptions) =>
    withApi(io, options, async (client) => {
      const deadlineMs = deadlineOf(options.deadline);
      const path = `${nodePath(name)}/drain`;
      await client.request({ method: "POST", path, id: client.newId() });
      io.talk(
        `Node ${name} drains: it gets no new worlds, and its own move to other gameservers while people play. What cannot\n` +
          "move live is opened elsewhere; worlds with failover manual stay and run on then, until the node stops.\n",
      );
      if (deadlineMs === undefined)
        io.talk(
          "`atlasnet migration ls` shows what is on its way, `atlasnet world ls` what is left.\n",
        );
      else await emptied(io, client, name, deadlineMs);
    }),
  );
}

/** Resolves once the node has no world any more, or the command is stopped. @throws OperatingError at the deadline */
async function emptied(
  io: CliIo,
  client: ApiClient,
  node: string,
  deadlineMs: number,
): Promise<void> {
  const deadline = client.clock.now() + deadlineMs;
  let last = -1;
  while (!io.stop.aborted) {
    const left = await worldsOf(client, node);
    if (left.length === 0) {
      io.talk(`Node ${node} is empty.\n`);
      return;
    }
    if (client.clock.now() >= deadline) throw notEmpty(node, left, deadlineMs);
    if (left.length !== last) io.talk(`${worldsText(left.length)} left.\n`);
    last = left.length;
    await client.pause(Math.min(LOOK_MS, Math.max(1, deadline - client.clock.now())));
  }
  io.talk(`Node ${node} goes on draining; \`atlasnet node undrain ${node}\` takes it back.\n`);
}

/** Those that it owns. */
async function worldsOf(client: ApiClient, node: string): Promise<readonly Placement[]> {
  const placements = await allPages(client, "/v1/placements", {
    field: "placements",
    item: placementSchema,
    query: { limit: "1000" },
  });
  return placements.filter(({ owner }) => owner?.node === node && owner.state === "owned");
}

function notEmpty(node: string, left: readonly Placement[], deadlineMs: number): OperatingError {
  const named = left.slice(0, MAX_NAMED).map(({ world, why, migration }) => {
    if (migration !== undefined) return `${world} (on its way to ${migration.to})`;
    return why.length === 0 ? world : `${world} (${why.map(withoutStop).join("; ")})`;
  });
  const more = left.length > MAX_NAMED ? ` and ${left.length - MAX_NAMED} more` : "";
  return new OperatingError(
    "not-empty",
    `${node} still has ${worldsText(left.length)} after ${deadlineMs / 1000} s: ${named.join(", ")}${more}`,
    {
      hint: "They run on there, and are saved when the node stops. `atlasnet world show` says why one stays.",
    },
  );
}

function worldsText(count: number): string {
  return count === 1 ? "1 world" : `${count} worlds`;
}

function deadlineOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return durationOf("--deadline", text, { min: 1, max: MAX_WAIT_SECONDS }) * 1000;
}

/** Some of what the API says are sentences. */
function withoutStop(text: string): string {
  return text.replace(/\.$/, "");
}
