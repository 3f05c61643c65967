import { join } from "node:path";
import { configEntries, type LoadedConfig, type WorldConfig } from "@atlasnet/core";
import type { NodePlan } from "./layout.ts";

/** Where links are taken and health is asked for: the cluster is on one machine. */
export const LOOPBACK = "127.0.0.1";

/** What the cluster decides by itself, so that a flag for it would do nothing. */
export const OWN_SETTINGS: ReadonlySet<string> = new Set([
  "node.id",
  "data.dir",
  "health.host",
  "health.port",
  "proxy.udp.port",
  "links.host",
  "links.port",
  "links.peers",
  "cluster.apiservers",
  "apiserver.peers",
  "apiserver.dataDir",
  "apiserver.host",
  "apiserver.port",
  "apiserver.adminToken",
  "identity.dir",
  "identity.ca",
  "identity.join",
]);

/** Set by the cluster, too, and yet with a meaning of their own on its command line. */
const TRANSLATED = new Set([
  "data.fresh",
  "log.format",
  "proxy.port",
  "proxy.endpoints",
  "http.enabled",
  "http.host",
  "http.port",
  "http.staticDir",
]);

/** The files of a cluster. All below one folder, kept between runs. */
export interface ClusterFolder {
  readonly dir: string;
}

export function caFolder({ dir }: ClusterFolder): string {
  return join(dir, "ca");
}

const INTERVAL = "snapshot.intervalMs";

/** Between snapshots of a world, unless the user says otherwise: what its players lose when its gameserver is killed. */
export const SNAPSHOT_INTERVAL_MS = 5_000;

/** The configuration file of a node, as somebody would write it for a machine of its own. */
export function nodeConfigFile({ dir }: ClusterFolder, node: string): string {
  return join(dir, node, "atlasnet.toml");
}

/** The token of the cluster's administrator, made by the first apiserver that starts. */
export function adminTokenFile({ dir }: ClusterFolder): string {
  return join(dir, "admin.token");
}

/** Snapshots of worlds, which all gameservers reach. */
export function snapshotStore({ dir }: ClusterFolder): string {
  return join(dir, "snapshots");
}

/** Where the HTTP APIs of a layout are; empty without apiservers. */
export function apiAddresses(plans: readonly NodePlan[]): string[] {
  return plans.flatMap(({ ports: { api } }) =>
    api === undefined ? [] : [`http://${LOOPBACK}:${api}`],
  );
}

/** A world, its module found (and built, where it was TypeScript). */
export interface ClusterWorld
  extends Pick<
    WorldConfig,
    "name" | "config" | "durability" | "graceSeconds" | "sleepAfterSeconds"
  > {
  /** Absolute path of the JavaScript file. */
  readonly file: string;
}

export interface NodeConfigOptions {
  readonly plan: NodePlan;
  /** All of the cluster. */
  readonly plans: readonly NodePlan[];
  readonly folder: ClusterFolder;
  /** What the user set: it holds for every node, but for what the cluster decides. */
  readonly loaded: LoadedConfig;
  readonly worlds: readonly ClusterWorld[];
  /** Services by name, with the absolute paths of their files. */
  readonly services: readonly { readonly name: string; readonly file: string }[];
  /** Worlds take their state along from one gameserver to another, where there are apiservers to record it. */
  readonly keepsSnapshots?: boolean;
}

/**
 * The configuration of a node as TOML: what the user set, and over it what makes this node one of the cluster.
 * Defaults are left out: some settings mean something else when they are set.
 */
export function nodeConfig(options: NodeConfigOptions): string {
  const { plan, loaded } = options;
  const lines = [
    `# ${plan.node} of a cluster on this machine. Written by \`atlasnet dev cluster\` at every start: changes are lost.`,
    `# By hand: atlasnet ${plan.role} --config <this file>`,
  ];
  const line = (path: string, value: unknown) => lines.push(`${path} = ${toml(value)}`);
  for (const { path, value, origin } of configEntries(loaded)) {
    if (origin.kind === "default" || value === undefined) continue;
    if (OWN_SETTINGS.has(path) || TRANSLATED.has(path)) continue;
    if (path.startsWith("worlds.") || path.startsWith("services.")) continue;
    line(path, path === "gameserver.multicast.topics" ? topicsOf(plan, value) : value);
  }
  for (const [path, value] of ownSettings(options)) line(path, value);
  if (plan.role === "gameserver") {
    // Apiservers have a catalogue: no gameserver is given worlds then.
    for (const world of options.worlds.filter(({ name }) => plan.worlds.includes(name))) {
      line(`worlds.${world.name}.module`, world.file);
      line(`worlds.${world.name}.durability`, world.durability);
      line(`worlds.${world.name}.graceSeconds`, world.graceSeconds);
      line(`worlds.${world.name}.sleepAfterSeconds`, world.sleepAfterSeconds ?? 0);
      if (Object.keys(world.config).length > 0) line(`worlds.${world.name}.config`, world.config);
    }
    for (const { name, file } of options.services) line(`services.${name}.module`, file);
  }
  return `${lines.join("\n")}\n`;
}

function ownSettings(options: NodeConfigOptions): [string, unknown][] {
  const { plan, plans, folder, loaded, keepsSnapshots = false } = options;
  const { node, ports } = plan;
  const settings: [string, unknown][] = [
    ["node.id", node],
    ["data.dir", join(folder.dir, node, "data")],
    ["log.format", "json"],
    ["health.host", LOOPBACK],
    ["health.port", ports.health],
    ["http.enabled", false],
    ["identity.dir", join(folder.dir, node, "identity")],
    ["identity.ca", caFolder(folder)],
  ];
  if (ports.links !== undefined)
    settings.push(["links.host", LOOPBACK], ["links.port", ports.links]);
  if (ports.players !== undefined)
    settings.push(["proxy.port", ports.players], ["proxy.endpoints", endpoints(plans, loaded)]);
  const apis = apiAddresses(plans);
  // The user's own counts, if there is one.
  const hasOwn = loaded.config.snapshot.store !== undefined;
  if (keepsSnapshots && !hasOwn && apis.length > 0 && plan.role !== "proxy")
    settings.push(["snapshot.store", snapshotStore(folder)]);
  // A gameserver is killed here to see what becomes of its players: they are in the snapshot that another one goes on from.
  if (keepsSnapshots && apis.length > 0 && plan.role === "gameserver" && !isSet(loaded, INTERVAL))
    settings.push([INTERVAL, SNAPSHOT_INTERVAL_MS]);
  if (ports.api !== undefined)
    settings.push(
      ["apiserver.host", LOOPBACK],
      ["apiserver.port", ports.api],
      ["apiserver.peers", plans.filter(({ role }) => role === "apiserver").flatMap(peerOf)],
      ["apiserver.adminToken", adminTokenFile(folder)],
    );
  else if (apis.length > 0) settings.push(["cluster.apiservers", apis]);
  else if (plan.role === "proxy") settings.push(["links.peers", plans.flatMap(peerOf)]);
  return settings;
}

function isSet(loaded: LoadedConfig, path: string): boolean {
  return configEntries(loaded).some(
    (entry) => entry.path === path && entry.origin.kind !== "default",
  );
}

/** Where players reach the proxies: as the user says, or on this machine. */
function endpoints(plans: readonly NodePlan[], { config }: LoadedConfig): readonly string[] {
  if (config.proxy.endpoints.length > 0) return config.proxy.endpoints;
  return plans.flatMap(({ ports: { players } }) =>
    players === undefined ? [] : [`localhost:${players}`],
  );
}

function peerOf({ node, ports: { links } }: NodePlan): string[] {
  return links === undefined ? [] : [`${node}=${LOOPBACK}:${links}`];
}

/** A gameserver is asked for topics of its own worlds only. */
function topicsOf({ worlds }: NodePlan, topics: unknown): unknown {
  if (!Array.isArray(topics)) return topics;
  return topics.filter((topic) => worlds.includes(String(topic).split("/")[0] ?? ""));
}

/** A value as TOML. JSON's texts, numbers, bools and lists are TOML's; tables are not. */
function toml(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(toml).join(", ")}]`;
  if (typeof value === "object" && value !== null)
    return `{ ${Object.entries(value)
      .map(([key, item]) => `${JSON.stringify(key)} = ${toml(item)}`)
      .join(", ")} }`;
  return JSON.stringify(value).replaceAll("\u007f", "\\u007f");
}
