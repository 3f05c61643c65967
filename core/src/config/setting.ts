/**
 * What one setting may be. The kinds are data, so that parsing, checking, the help, `config print`
 * and the example file are all made from the same table (settings.ts).
 */

interface Common {
  /** One or two sentences for the help and the example file. */
  readonly meaning: string;
  /** A shorter flag: `port` for `--port`. */
  readonly alias?: string;
  /** What the example file shows where the default is nothing that could be written down. */
  readonly example?: string | number | readonly string[];
}

/** An integer, a text or a path without a default may be left out. */
export interface IntegerSetting extends Common {
  readonly type: "integer";
  readonly min: number;
  readonly max: number;
  /** `ms`, `bytes`, `connections`…: stands in the help beside the range. */
  readonly unit?: string;
  readonly default?: number | Computed<number>;
}

export interface BoolSetting extends Common {
  readonly type: "bool";
  readonly default: boolean;
}

export interface WordSetting extends Common {
  readonly type: "word";
  readonly values: readonly string[];
  readonly default: string;
}

export interface TextSetting extends Common {
  readonly type: "text";
  readonly pattern: RegExp;
  /** The pattern in words. */
  readonly allowed: string;
  readonly default?: string | Computed<string>;
}

/** A file or folder. What a file says is relative to that file, everything else to the working folder. */
export interface PathSetting extends Common {
  readonly type: "path";
  /** A text like this is an address, and taken as it is. */
  readonly address?: RegExp;
  /** In words, where there is `address`. */
  readonly allowed?: string;
  readonly default?: string | Computed<string>;
}

/** A list of words. In flags and the environment, white space stands between them, or commas where `commas` says so. */
export interface ListSetting extends Common {
  readonly type: "list";
  /** What each item must be, and the same in words. */
  readonly pattern: RegExp;
  readonly allowed: string;
  readonly maxItems: number;
  readonly commas?: boolean;
  readonly default: readonly string[];
}

export type Setting =
  | IntegerSetting
  | BoolSetting
  | WordSetting
  | TextSetting
  | PathSetting
  | ListSetting;
export type SettingTable = { readonly [path: string]: Setting };

/** A default that depends on the machine or on another setting; `says` is what the help shows. */
export interface Computed<T> {
  readonly says: string;
  readonly of: (host: HostFacts, dataDir: string) => T;
}

/** Tells a computed default from one that stands in the table. */
export function isComputed<T>(preset: T | Computed<T>): preset is Computed<T> {
  return typeof preset === "object" && preset !== null && "says" in preset;
}

/** What the configuration needs to know of the machine. */
export interface HostFacts {
  readonly hostname: string;
  /** Processor cores this process may use. */
  readonly cores: number;
  /** Absolute; relative paths of flags, environment and defaults start here. */
  readonly workingDir: string;
  /** `path.resolve` of the host. */
  resolvePath(from: string, path: string): string;
}

export type ValueOfSetting<S> = S extends { type: "integer" }
  ? S extends { default: unknown }
    ? number
    : number | undefined
  : S extends { type: "bool" }
    ? boolean
    : S extends { type: "word"; values: readonly (infer V)[] }
      ? V
      : S extends { type: "list" }
        ? readonly string[]
        : S extends { default: unknown }
          ? string
          : string | undefined;

export type SettingValue = number | boolean | string | readonly string[];
export type Checked = { ok: true; value: SettingValue } | { ok: false };

const REFUSED: Checked = { ok: false };
const INTEGER = /^-?\d+$/;
const TEXT_BOOLS = new Map([
  ["true", true],
  ["1", true],
  ["false", false],
  ["0", false],
]);

/** A value as a TOML file has it. */
export function checkSetting(setting: Setting, value: unknown): Checked {
  switch (setting.type) {
    case "integer":
      return typeof value === "number" &&
        Number.isInteger(value) &&
        value >= setting.min &&
        value <= setting.max
        ? { ok: true, value }
        : REFUSED;
    case "bool":
      return typeof value === "boolean" ? { ok: true, value } : REFUSED;
    case "word":
      return typeof value === "string" && setting.values.includes(value)
        ? { ok: true, value }
        : REFUSED;
    case "text":
      return typeof value === "string" && setting.pattern.test(value)
        ? { ok: true, value }
        : REFUSED;
    case "path":
      return typeof value === "string" && value !== "" && !value.includes("\0")
        ? { ok: true, value }
        : REFUSED;
    case "list":
      return checkList(setting, value);
  }
}

function checkList({ pattern, maxItems }: ListSetting, value: unknown): Checked {
  if (!Array.isArray(value) || value.length > maxItems) return REFUSED;
  const items: string[] = [];
  for (const item of value) {
    if (typeof item !== "string" || !pattern.test(item)) return REFUSED;
    items.push(item);
  }
  return { ok: true, value: items };
}

/** A value as a flag or an environment variable has it. */
export function parseSetting(setting: Setting, text: string): Checked {
  switch (setting.type) {
    case "integer":
      return INTEGER.test(text) ? checkSetting(setting, Number(text)) : REFUSED;
    case "bool":
      return checkSetting(setting, TEXT_BOOLS.get(text.toLowerCase()));
    case "list":
      return checkSetting(
        setting,
        text.split(setting.commas === true ? /[\s,]+/ : /\s+/).filter((item) => item !== ""),
      );
    default:
      return checkSetting(setting, text);
  }
}

/** What is allowed, for people: `an integer from 0 to 65535`. */
export function allowedIn(setting: Setting): string {
  switch (setting.type) {
    case "integer": {
      const unit = setting.unit === undefined ? "" : ` (${setting.unit})`;
      return `an integer from ${setting.min} to ${setting.max}${unit}`;
    }
    case "bool":
      return "true or false";
    case "word":
      return `one of ${setting.values.join(", ")}`;
    case "text":
      return setting.allowed;
    case "path":
      return setting.allowed ?? "a path";
    case "list":
      return `a list of at most ${setting.maxItems}, each ${setting.allowed}`;
  }
}

/** The default as the help shows it. */
export function defaultText(setting: Setting): string {
  const given = setting.default;
  if (given === undefined) return "none";
  if (isComputed(given)) return given.says;
  return String(given) || "none";
}

/** `proxy.allowGuests` as `ATLASNET_PROXY_ALLOW_GUESTS`. */
export function envName(path: string): string {
  const words = path.replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2").replaceAll(".", "_");
  return `ATLASNET_${words.toUpperCase()}`;
}
