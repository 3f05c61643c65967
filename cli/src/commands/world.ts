import { MAX_GRACE_SECONDS, MAX_SLEEP_AFTER_SECONDS, MAX_WORLD_WEIGHT } from "@atlasnet/core";
import { type Command, Option } from "commander";
import * as v from "valibot";
import { type ApiOptions, addApiOptions, withApi } from "../api/connect.ts";
import { collect, moduleOf, parseLabels, parseWhole } from "../api/flags.ts";
import { type Placement, placementSchema, type World, worldSchema } from "../api/items.ts";
import { checkNode, checkWorld, worldPath } from "../api/names.ts";
import { addOutputOption, type OutputOptions, show, understood } from "../api/output.ts";
import { allPages } from "../api/pages.ts";
import { tableText } from "../api/table.ts";
import { yamlText } from "../api/yaml.ts";
import type { CliIo } from "../cli-io.ts";
import { durationOf } from "../duration.ts";
import { UsageError } from "../usage-error.ts";
import { addMigrateCommand } from "./world-migrate.ts";
import { addRestoreCommand } from "./world-restore.ts";
import { addUpgradeCommand } from "./world-upgrade.ts";

interface WorldOptions extends ApiOptions {
  readonly module?: string;
  readonly worldConfig?: string;
  readonly durability?: string;
  readonly graceSeconds?: string;
  readonly sleepAfter?: string;
  readonly label: readonly string[];
  readonly nodeLabel: readonly string[];
  readonly on: readonly string[];
  readonly policy?: string;
  readonly weight?: string;
  readonly failover?: string;
}
interface CreateOptions extends WorldOptions {
  readonly disabled?: boolean;
}
interface UpdateOptions extends WorldOptions {
  readonly enabled?: string;
  readonly anyNode?: boolean;
}

const FAILOVER_HELP = `
Failover: with a snapshot store (snapshot.store on gameservers and apiservers) \`automatic\` is the default: another node
goes on from the newest snapshot. Without one, a world's snapshots and journals are on the disk of the node that had it,
and \`manual\` is the default for worlds with durability journal or snapshot: when the node is lost they wait for it.
\`automatic\` lets such a world begin without its state elsewhere. With durability none it is \`automatic\` always:
another node opens the world anew. A world with durability mirror goes on at its mirror, at once; when that is lost as well,
it waits for \`atlasnet world restore-from-snapshot\` (\`manual\`, the default), or begins again from its newest snapshot
by itself (\`automatic\`), without what players were told since.`;

/** `atlasnet world`: the catalogue of worlds, and where they run. */
export function addWorldCommand(program: Command, io: CliIo): void {
  const world = program
    .command("world")
    .description("the worlds of the cluster, and where they run");
  const sub = (usage: string, description: string) =>
    addApiOptions(world.command(usage).description(description));

  addOutputOption(sub("ls", "list the worlds")).action((options: ApiOptions & OutputOptions) =>
    withApi(io, options, async (client) => {
      const worlds = await allPages(client, "/v1/worlds", { field: "worlds", item: worldSchema });
      const placements = await allPages(client, "/v1/placements", {
        field: "placements",
        item: placementSchema,
        query: { limit: "1000" },
      });
      const of = grouped(placements);
      const both = worlds.map((one) => ({ ...one, placements: of.get(one.world) ?? [] }));
      show(io, options.output, both, () => table(io, both));
    }),
  );

  addOutputOption(sub("show <world>", "show all of a world, and why it does not run")).action(
    (name: string, options: ApiOptions & OutputOptions) =>
      withApi(io, options, async (client) => {
        const record = await client.request({ method: "GET", path: worldPath(name) });
        const placed = await client.request({ method: "GET", path: `/v1/placements/${name}` });
        const { placements } = understood(placementsSchema, placed);
        const both = { ...understood(worldSchema, record), placements };
        show(io, options.output, both, () => yamlText(both));
        tellSleepless(io, both);
      }),
  );

  withSettings(
    sub("create <world>", "make a world; the control plane chooses where it runs").requiredOption(
      "--module <module>",
      "NAME@VERSION of the artifact store, or a path as gameservers have it (see `node show`)",
    ),
  )
    .option("--disabled", "do not run it yet")
    .action((name: string, options: CreateOptions) =>
      withApi(io, options, async (client) => {
        const { disabled = false } = options;
        const body = {
          world: checkWorld("<world>", name),
          ...recordOf(options),
          enabled: !disabled,
        };
        const id = client.newId();
        await client.request({ method: "POST", path: "/v1/worlds", body, id });
        io.talk(`Made the world ${name}. \`atlasnet world show ${name}\` says where it runs.\n`);
        tellSleepless(io, body);
      }),
    );

  withSettings(
    sub("update <world>", "change a world; what is not named stays").option(
      "--module <module>",
      "another NAME@VERSION or path, for when a node opens it next",
    ),
  )
    .addOption(new Option("--enabled <yes>", "whether it is to run").choices(["true", "false"]))
    .option("--any-node", "take the list of nodes back that --on made")
    .action((name: string, options: UpdateOptions) =>
      withApi(io, options, async (client) => {
        const body = changesOf(options);
        if (Object.values(body).every((value) => value === undefined))
          throw new UsageError(
            "world update: nothing to change",
            "Name what is to be another way, as in --enabled false; `--help` lists it.",
          );
        const path = worldPath(name);
        await client.request({ method: "PATCH", path, body, id: client.newId() });
        io.talk(
          `Changed the world ${name}. Where it runs and whether it is mirrored counts at once; module, configuration, other durability and grace when a node opens it next.\n`,
        );
      }),
    );

  addMigrateCommand(world, io);
  addUpgradeCommand(world, io);
  addRestoreCommand(world, io);

  sub("wake <world>", "have a world that sleeps opened, before anybody comes").action(
    (name: string, options: ApiOptions) =>
      withApi(io, options, async (client) => {
        const path = `${worldPath(name)}/wake`;
        await client.request({ method: "POST", path, id: client.newId() });
        io.talk(`The world ${name} is awake, or about to be, if it runs at all.\n`);
      }),
  );

  sub("rm <world>", "remove a world: its node stops it").action(
    (name: string, options: ApiOptions) =>
      withApi(io, options, async (client) => {
        const path = worldPath(name);
        await client.request({ method: "DELETE", path, id: client.newId() });
        io.talk(`Removed the world ${name}.\n`);
      }),
  );
}

/** A wish that is granted to other worlds alone is no error: the durability may be another one tomorrow. */
function tellSleepless(
  io: CliIo,
  {
    durability,
    sleepAfterSeconds = 0,
  }: {
    readonly durability?: string | undefined;
    readonly sleepAfterSeconds?: number | undefined;
  },
): void {
  if (sleepAfterSeconds > 0 && (durability === "none" || durability === "mirror"))
    io.talk(
      `It stays awake without players, too: worlds with durability ${durability} never sleep.\n`,
    );
}

const placementsSchema = v.looseObject({ placements: v.array(placementSchema) });

type Placed = World & { readonly placements: readonly Placement[] };

function grouped(placements: readonly Placement[]): Map<string, Placement[]> {
  const groups = new Map<string, Placement[]>();
  for (const placement of placements) {
    const group = groups.get(placement.world);
    if (group === undefined) groups.set(placement.world, [placement]);
    else group.push(placement);
  }
  return groups;
}

function table(io: CliIo, worlds: readonly Placed[]): string {
  if (worlds.length === 0) {
    io.talk("There are no worlds yet. `atlasnet world create --help` says how to make one.\n");
    return "";
  }
  return tableText(
    ["WORLD", "STATE", "NODE", "DURABILITY", "MODULE"],
    worlds.map(({ world, placements, durability, module }) => {
      const [first] = placements;
      const node = first?.state === "owned" ? first.owner?.node : first?.wanted;
      const { source, path, name, version } = module;
      return [
        world,
        stateText(first),
        node ?? "-",
        durabilityText(durability, first?.mirror),
        source === "node" ? (path ?? "") : `${name}@${version}`,
      ];
    }),
  );
}

function stateText(placement: Placement | undefined): string {
  if (placement === undefined) return "unknown";
  const { state, asleep, migration } = placement;
  if (migration !== undefined) return `${state}, moving to ${migration.to}`;
  return asleep === true ? `${state}, asleep` : state;
}

/** What a crash may cost, and for a mirrored world who follows it. */
function durabilityText(durability: string, mirror: Placement["mirror"]): string {
  if (durability !== "mirror") return durability;
  if (mirror === undefined) return "mirror (none yet)";
  return mirror.state === "in-sync" ? `mirror ${mirror.node}` : `mirror ${mirror.node} (copying)`;
}

function withSettings(command: Command): Command {
  return command
    .option("--world-config <json>", "handed to the world as ctx.config")
    .addOption(
      new Option("--durability <how>", "what a crash may cost").choices([
        "mirror",
        "journal",
        "snapshot",
        "none",
      ]),
    )
    .option("--grace-seconds <n>", "how long a lost player's place is kept")
    .option("--sleep-after <time>", "without players for so long its memory is freed; 0: never")
    .option("--label <name=value>", "a label of the world; may be repeated", collect, [])
    .option("--node-label <name=value>", "only nodes with this label; may be repeated", collect, [])
    .option("--on <node>", "only this node; may be repeated", collect, [])
    .addOption(new Option("--policy <policy>", "where to").choices(["spread", "pack"]))
    .option("--weight <n>", "how much of a node's capacity it takes")
    .addOption(
      new Option("--failover <how>", "when its node is lost; see below").choices([
        "automatic",
        "manual",
      ]),
    )
    .addHelpText("after", FAILOVER_HELP);
}

function recordOf(options: WorldOptions) {
  const { module, worldConfig, label, nodeLabel, on, durability, policy, failover } = options;
  return {
    module: module === undefined ? undefined : moduleOf(module),
    config: worldConfig === undefined ? undefined : parseConfig(worldConfig),
    durability,
    graceSeconds: parseWhole("--grace-seconds", options.graceSeconds, {
      min: 0,
      max: MAX_GRACE_SECONDS,
    }),
    sleepAfterSeconds: sleepAfterOf(options.sleepAfter),
    labels: parseLabels("--label", label),
    constraints: {
      nodeLabels: parseLabels("--node-label", nodeLabel),
      nodes: on.map((node) => checkNode("--on", node)),
    },
    policy,
    weight: parseWhole("--weight", options.weight, { min: 1, max: MAX_WORLD_WEIGHT }),
    failover,
  };
}

function sleepAfterOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return durationOf("--sleep-after", text, { min: 0, max: MAX_SLEEP_AFTER_SECONDS });
}

/** Labels and constraints only where some are named: an empty list would take away what is there. */
function changesOf(options: UpdateOptions) {
  const { labels, constraints, ...rest } = recordOf(options);
  const { on, nodeLabel, anyNode = false, enabled } = options;
  if (anyNode && on.length > 0)
    throw new UsageError("--any-node: --on names nodes", "Leave one of them out.");
  const nodes = anyNode || on.length > 0 ? constraints.nodes : undefined;
  const nodeLabels = nodeLabel.length > 0 ? constraints.nodeLabels : undefined;
  const constrained = nodes !== undefined || nodeLabels !== undefined;
  return {
    ...rest,
    labels: options.label.length > 0 ? labels : undefined,
    constraints: constrained ? { nodes, nodeLabels } : undefined,
    enabled: enabled === undefined ? undefined : enabled === "true",
  };
}

function parseConfig(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new UsageError(`--world-config: found what is not JSON, as in '{"level": 3}'`);
  }
}
