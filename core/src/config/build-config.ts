import { ConfigError, foundText } from "./config-error.ts";
import { didYouMean } from "./did-you-mean.ts";
import {
  type ConfigFile,
  type ConfigFlag,
  type ConfigSources,
  type Gathering,
  take,
} from "./gathering.ts";
import { readModules } from "./module-config.ts";
import type { Origin } from "./origin.ts";
import {
  checkSetting,
  envName,
  type HostFacts,
  isComputed,
  parseSetting,
  type Setting,
  type SettingTable,
  type SettingValue,
} from "./setting.ts";
import { settingRules } from "./setting-rules.ts";
import { type SettingValues, settings } from "./settings.ts";
import { isTable, type ServiceConfig, type WorldConfig } from "./world-settings.ts";

/** The whole configuration: deeply frozen, read once, handed down. */
export type Config = SettingValues & {
  readonly worlds: readonly WorldConfig[];
  readonly services: readonly ServiceConfig[];
};

export interface LoadedConfig {
  readonly config: Config;
  /** Where each value came from; worlds have paths such as `worlds.arena.module`. */
  readonly origins: ReadonlyMap<string, Origin>;
}

const table: SettingTable = settings;
const paths = Object.keys(table);
const MODULE_TABLES = ["worlds", "services"];

/** Environment variables that name no setting but have a meaning. */
const OTHER_ENV = [
  "ATLASNET_CONFIG",
  "ATLASNET_WORLDS",
  "ATLASNET_SERVICES",
  "ATLASNET_API",
  "ATLASNET_TOKEN",
  "ATLASNET_CONTEXT",
  "ATLASNET_CONTEXTS",
];
/** What Docker and Kubernetes set in the containers beside a service called `atlasnet`. */
const SERVICE_LINK = /_SERVICE_(HOST|PORT)(_|$)|_PORT_\d+_(TCP|UDP)(_|$)/;
const SERVICE_LINK_VALUE = /^(tcp|udp):\/\//;

/**
 * Merges file, environment and flags over the defaults and checks all of it.
 * @throws ConfigError with every problem there is.
 */
export function buildConfig(sources: ConfigSources, host: HostFacts): LoadedConfig {
  const gathering: Gathering = { host, found: new Map(), problems: [] };
  if (sources.file !== undefined) readTable(gathering, sources.file, sources.file.table, "");
  readEnv(gathering, sources.env);
  readFlags(gathering, sources.flags);
  const { values, origins } = settle(gathering);
  const modules = readModules(gathering, sources, {
    graceSeconds: values.gameserver.graceSeconds,
    journal: values.journal.enabled,
  });
  for (const rule of settingRules) {
    const broken = rule(values);
    if (broken === undefined) continue;
    const origin = origins.get(broken.path);
    gathering.problems.push({ origin, field: broken.path, problem: broken.problem });
  }
  const [world] = modules.worlds;
  if (world !== undefined && values.cluster.apiservers.length > 0) {
    const field = `worlds.${world.name}`;
    const origin = modules.origins.get(`${field}.module`);
    const problem = `found together with cluster.apiservers, which places the worlds: remove it, and make the world with \`atlasnet world create ${world.name}\``;
    gathering.problems.push({ origin, field, problem });
  }
  if (gathering.problems.length > 0) throw new ConfigError(gathering.problems);
  for (const [path, origin] of modules.origins) origins.set(path, origin);
  const config = deepFreeze({ ...values, worlds: modules.worlds, services: modules.services });
  return { config, origins };
}

/** Reads the settings in one table of the file; `prefix` is its path. */
function readTable(
  gathering: Gathering,
  file: ConfigFile,
  values: { readonly [key: string]: unknown },
  prefix: string,
): void {
  for (const [key, value] of Object.entries(values)) {
    const path = prefix === "" ? key : `${prefix}.${key}`;
    if (MODULE_TABLES.includes(path)) continue;
    const origin: Origin = { kind: "file", file: file.name, line: file.line(path) };
    const setting = table[path];
    if (setting !== undefined) {
      take(gathering, path, setting, value, checkSetting(setting, value), origin, file.folder);
    } else if (paths.some((known) => known.startsWith(`${path}.`))) {
      if (isTable(value)) readTable(gathering, file, value, path);
      else
        gathering.problems.push({
          origin,
          field: path,
          problem: `found ${foundText(value)}, allowed: a table, as in [${path}]`,
        });
    } else {
      const problem = `no such setting${suggestion(path)}`;
      gathering.problems.push({ origin, field: path, problem });
    }
  }
}

/** What an unknown path in the file may have meant: a near path, or the same word elsewhere. */
function suggestion(path: string): string {
  const sections = new Set(paths.map((known) => known.slice(0, known.lastIndexOf("."))));
  const near = didYouMean(path, [...paths, ...sections, ...MODULE_TABLES]);
  if (near !== "") return near;
  const word = path.slice(path.lastIndexOf(".") + 1);
  return didYouMean(
    path,
    paths.filter((known) => known.endsWith(`.${word}`)),
  );
}

function readEnv(gathering: Gathering, env: ConfigSources["env"]): void {
  const byName = new Map(paths.map((path) => [envName(path), path]));
  for (const [name, text] of Object.entries(env)) {
    // Compose files and shells pass variables on as empty that nobody has set.
    if (!name.startsWith("ATLASNET_") || text === undefined || text === "") continue;
    if (OTHER_ENV.includes(name)) continue;
    const path = byName.get(name);
    const setting = path === undefined ? undefined : table[path];
    const linked = SERVICE_LINK.test(name) || SERVICE_LINK_VALUE.test(text);
    const origin: Origin = { kind: "env", name };
    if (path !== undefined && setting !== undefined) {
      const { workingDir } = gathering.host;
      take(gathering, path, setting, text, parseSetting(setting, text), origin, workingDir);
    } else if (!linked) {
      const problem = `no such setting${didYouMean(name, [...byName.keys(), ...OTHER_ENV])}`;
      gathering.problems.push({ origin, field: "", problem });
    }
  }
}

/** Flags of a list add up, as worlds do: `--peer gs-1=… --peer gs-2=…`. Of others the last one counts. */
function readFlags(gathering: Gathering, flags: readonly ConfigFlag[]): void {
  const lists = new Map<string, string>();
  for (const { name, path, text } of flags) {
    if (MODULE_TABLES.includes(path)) continue;
    const origin: Origin = { kind: "flag", name };
    const setting = table[path];
    if (setting === undefined) {
      const problem = `no such setting${didYouMean(path, paths)}`;
      gathering.problems.push({ origin, field: path, problem });
    } else {
      const { workingDir } = gathering.host;
      const whole = setting.type === "list" ? `${lists.get(path) ?? ""} ${text}`.trim() : text;
      lists.set(path, whole);
      take(gathering, path, setting, whole, parseSetting(setting, whole), origin, workingDir);
    }
  }
}

/** The settings' values with defaults filled in, as a tree. */
function settle({ host, found }: Gathering): {
  values: SettingValues;
  origins: Map<string, Origin>;
} {
  const origins = new Map<string, Origin>();
  const tree: { [key: string]: unknown } = {};
  const absolute = (setting: Setting, value: SettingValue, folder: string) =>
    setting.type === "path" && setting.address?.test(String(value)) !== true
      ? host.resolvePath(folder, String(value))
      : value;
  const finalValue = (path: string, setting: Setting, dataDir: string) => {
    const given = found.get(path);
    origins.set(path, given?.origin ?? { kind: "default" });
    if (given !== undefined) return absolute(setting, given.value, given.folder);
    const preset = setting.default;
    if (preset === undefined) return undefined;
    const value = isComputed<SettingValue>(preset) ? preset.of(host, dataDir) : preset;
    return absolute(setting, value, host.workingDir);
  };
  const dataDir = String(finalValue("data.dir", settings["data.dir"], ""));
  for (const [path, setting] of Object.entries(table)) {
    setAt(tree, path.split("."), finalValue(path, setting, dataDir));
  }
  // The table gives both the paths set here and the type, so they agree.
  return { values: tree as SettingValues, origins };
}

function setAt(tree: { [key: string]: unknown }, keys: readonly string[], value: unknown): void {
  const [key = "", ...rest] = keys;
  if (rest.length === 0) {
    tree[key] = value;
    return;
  }
  const below = tree[key] ?? {};
  tree[key] = below;
  setAt(below as { [key: string]: unknown }, rest, value);
}

function deepFreeze<T>(value: T): T {
  if (typeof value === "object" && value !== null) {
    for (const item of Object.values(value)) deepFreeze(item);
    Object.freeze(value);
  }
  return value;
}
