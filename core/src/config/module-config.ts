import { foundText } from "./config-error.ts";
import { didYouMean } from "./did-you-mean.ts";
import { type ConfigSources, type Gathering, take } from "./gathering.ts";
import type { Origin } from "./origin.ts";
import { checkSetting, type Setting, type SettingValue } from "./setting.ts";
import {
  isTable,
  plainConfig,
  type ServiceConfig,
  serviceSettings,
  WORLD_NAME,
  WORLD_NAME_ALLOWED,
  type WorldConfig,
  worldSettings,
} from "./world-settings.ts";

type Kind = "worlds" | "services";

interface Inherited {
  readonly graceSeconds: number;
  /** Whether journals are written at all. */
  readonly journal: boolean;
}

interface Modules {
  readonly worlds: WorldConfig[];
  readonly services: ServiceConfig[];
  readonly origins: Map<string, Origin>;
}

/** One named module while its layers are read; `config` only of worlds. */
interface Draft {
  config: WorldConfig["config"];
  configOrigin?: Origin;
}

/**
 * Worlds and services: `[worlds.NAME]` of the file, `ATLASNET_WORLDS=name=module,…`, `--world
 * name=module`. A later layer replaces the module of a world and keeps the rest of it.
 */
export function readModules(
  gathering: Gathering,
  sources: ConfigSources,
  inherited: Inherited,
): Modules {
  const origins = new Map<string, Origin>();
  const drafts = { worlds: new Map<string, Draft>(), services: new Map<string, Draft>() };
  for (const kind of ["worlds", "services"] as const) {
    const known = drafts[kind];
    readFile(gathering, sources, kind, known);
    const envName = kind === "worlds" ? "ATLASNET_WORLDS" : "ATLASNET_SERVICES";
    for (const text of (sources.env[envName] ?? "").split(",").filter((item) => item !== ""))
      readPair(gathering, kind, known, text.trim(), { kind: "env", name: envName });
    for (const flag of sources.flags)
      if (flag.path === kind)
        readPair(gathering, kind, known, flag.text, { kind: "flag", name: flag.name });
  }
  const given = (path: string): SettingValue | undefined => {
    const found = gathering.found.get(path);
    origins.set(path, found?.origin ?? { kind: "default" });
    return found?.value;
  };
  const moduleOf = (kind: Kind, name: string) => {
    const module = gathering.found.get(`${kind}.${name}.module`);
    if (module === undefined) return undefined;
    origins.set(`${kind}.${name}.module`, module.origin);
    return { name, module: String(module.value), from: module.folder };
  };
  const worlds: WorldConfig[] = [];
  for (const [name, { config, configOrigin }] of drafts.worlds) {
    const module = moduleOf("worlds", name);
    if (module === undefined) continue;
    if (configOrigin !== undefined) origins.set(`worlds.${name}.config`, configOrigin);
    const graceSeconds = given(`worlds.${name}.graceSeconds`);
    const sleepAfterSeconds = given(`worlds.${name}.sleepAfterSeconds`);
    worlds.push({
      ...module,
      config,
      durability: durabilityOf(given(`worlds.${name}.durability`), inherited.journal),
      graceSeconds: typeof graceSeconds === "number" ? graceSeconds : inherited.graceSeconds,
      ...(typeof sleepAfterSeconds === "number" && { sleepAfterSeconds }),
    });
  }
  const services: ServiceConfig[] = [];
  for (const name of drafts.services.keys()) {
    const module = moduleOf("services", name);
    if (module !== undefined) services.push(module);
  }
  return { worlds, services, origins };
}

function durabilityOf(
  given: SettingValue | undefined,
  journal: boolean,
): WorldConfig["durability"] {
  if (given === "none" || given === "snapshot" || given === "mirror") return given;
  return journal ? "journal" : "snapshot";
}

function readFile(
  gathering: Gathering,
  { file }: ConfigSources,
  kind: Kind,
  drafts: Map<string, Draft>,
): void {
  const all = file?.table[kind];
  if (file === undefined || all === undefined) return;
  const originOf = (path: string): Origin => ({
    kind: "file",
    file: file.name,
    line: file.line(path),
  });
  const refuse = (path: string, problem: string) =>
    gathering.problems.push({ origin: originOf(path), field: path, problem });
  if (!isTable(all)) {
    refuse(kind, `found ${foundText(all)}, allowed: tables, as in [${kind}.NAME]`);
    return;
  }
  const known: { readonly [key: string]: Setting } =
    kind === "worlds" ? worldSettings : serviceSettings;
  for (const [name, values] of Object.entries(all)) {
    const path = `${kind}.${name}`;
    if (!WORLD_NAME.test(name)) refuse(path, `a name is ${WORLD_NAME_ALLOWED}`);
    if (!isTable(values)) {
      refuse(path, `found ${foundText(values)}, allowed: a table, as in [${path}]`);
      continue;
    }
    const draft: Draft = { config: Object.freeze({}) };
    drafts.set(name, draft);
    for (const [key, value] of Object.entries(values)) {
      const at = `${path}.${key}`;
      const setting = known[key];
      if (setting !== undefined) {
        const checked = checkSetting(setting, value);
        take(gathering, at, setting, value, checked, originOf(at), file.folder);
      } else if (kind === "worlds" && key === "config") {
        draft.configOrigin = originOf(at);
        readConfig(value, at, draft, refuse);
      } else {
        const keys = kind === "worlds" ? [...Object.keys(known), "config"] : Object.keys(known);
        const meant = didYouMean(key, keys) || `; allowed: ${keys.join(", ")}`;
        refuse(at, `no such setting${meant}`);
      }
    }
    if (values["module"] === undefined)
      refuse(path, 'has no module; say which code it runs, as in module = "./world.ts"');
  }
}

function readConfig(
  value: unknown,
  path: string,
  draft: Draft,
  refuse: (path: string, problem: string) => void,
): void {
  if (!isTable(value)) {
    refuse(path, `found ${foundText(value)}, allowed: a table`);
    return;
  }
  const config: [string, WorldConfig["config"][string]][] = [];
  for (const [key, item] of Object.entries(value)) {
    const plain = plainConfig(item, `${path}.${key}`);
    if (plain.ok) config.push([key, plain.value]);
    else
      refuse(
        plain.path,
        `found ${foundText(plain.value)}, allowed: text, finite numbers, true and false, lists and tables`,
      );
  }
  draft.config = Object.freeze(Object.fromEntries(config));
}

/** `name=module` of a flag or of the environment. */
function readPair(
  gathering: Gathering,
  kind: Kind,
  drafts: Map<string, Draft>,
  text: string,
  origin: Origin,
): void {
  const equals = text.indexOf("=");
  const name = text.slice(0, equals);
  const module = text.slice(equals + 1);
  if (equals < 0 || module === "") {
    const problem = `found ${foundText(text)}, allowed: name=module, as in arena=./arena.ts`;
    gathering.problems.push({ origin, field: "", problem });
  } else if (!WORLD_NAME.test(name)) {
    const problem = `found the name ${foundText(name)}, allowed: ${WORLD_NAME_ALLOWED}`;
    gathering.problems.push({ origin, field: "", problem });
  } else {
    if (!drafts.has(name)) drafts.set(name, { config: Object.freeze({}) });
    const setting = kind === "worlds" ? worldSettings.module : serviceSettings.module;
    const path = `${kind}.${name}.module`;
    const { workingDir } = gathering.host;
    take(gathering, path, setting, module, checkSetting(setting, module), origin, workingDir);
  }
}
