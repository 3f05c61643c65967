import type { ApiClient } from "@atlasnet/apiserver/client";
import type { Command } from "commander";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { type Node, nodeSchema } from "../api/items.ts";
import { nodePath } from "../api/names.ts";
import { addOutputOption, type OutputOptions, show } from "../api/output.ts";
import { allPages } from "../api/pages.ts";
import { labelsText, tableText } from "../api/table.ts";
import { yamlText } from "../api/yaml.ts";
import type { CliIo } from "../cli-io.ts";
import { addDrainCommand } from "./node-drain.ts";

/** `atlasnet node`: the processes of the cluster. */
export function addNodeCommand(program: Command, io: CliIo): void {
  const node = program
    .command("node")
    .description("the nodes of the cluster: gameservers, proxies, apiservers");
  const sub = (usage: string, description: string) =>
    addApiOptions(node.command(usage).description(description));

  addOutputOption(sub("ls", "list the nodes")).action((options: ApiOptions & OutputOptions) =>
    withApi(io, options, async (client) => {
      const nodes = await allPages(client, "/v1/nodes", { field: "nodes", item: nodeSchema });
      show(io, options.output, nodes, () => table(io, nodes));
    }),
  );

  addOutputOption(sub("show <node>", "show all of a node")).action(
    (name: string, options: ApiOptions & OutputOptions) =>
      withApi(io, options, async (client) => {
        const answer = await client.request({ method: "GET", path: nodePath(name) });
        show(io, options.output, answer, () => yamlText(answer));
      }),
  );

  const change = (
    usage: string,
    description: string,
    done: (name: string) => string,
    ask: (client: ApiClient, name: string) => Promise<unknown>,
  ) =>
    sub(usage, description).action((name: string, options: ApiOptions) =>
      withApi(io, options, async (client) => {
        await ask(client, name);
        io.talk(`${done(name)}\n`);
      }),
    );
  change(
    "cordon <node>",
    "keep new worlds away from a node; what it has stays",
    (name) => `Node ${name} is cordoned: it gets no new worlds.`,
    (client, name) =>
      client.request({ method: "POST", path: `${nodePath(name)}/cordon`, id: client.newId() }),
  );
  change(
    "uncordon <node>",
    "let new worlds come to a node again",
    (name) => `Node ${name} may get new worlds again.`,
    (client, name) =>
      client.request({ method: "POST", path: `${nodePath(name)}/uncordon`, id: client.newId() }),
  );
  addDrainCommand(node, io);
  change(
    "undrain <node>",
    "take a drain back; what has left does not come back by itself",
    (name) => `Node ${name} takes worlds again.`,
    (client, name) =>
      client.request({ method: "POST", path: `${nodePath(name)}/undrain`, id: client.newId() }),
  );
  change(
    "rm <node>",
    "forget a node that is lost or stopped",
    (name) => `Node ${name} is forgotten.`,
    (client, name) =>
      client.request({ method: "DELETE", path: nodePath(name), id: client.newId() }),
  );
}

function table(io: CliIo, nodes: readonly Node[]): string {
  if (nodes.length === 0) {
    io.talk("No node is registered.\n");
    return "";
  }
  return tableText(
    ["NODE", "ROLE", "STATE", "ADDRESS", "LABELS"],
    nodes.map(({ node, role, state, cordoned, address, labels }) => [
      node,
      role,
      cordoned ? `${state}, cordoned` : state,
      address,
      labelsText(labels),
    ]),
  );
}
