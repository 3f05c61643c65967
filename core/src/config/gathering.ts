import { type ConfigProblem, foundText } from "./config-error.ts";
import type { Origin } from "./origin.ts";
import {
  allowedIn,
  type Checked,
  type HostFacts,
  type Setting,
  type SettingValue,
} from "./setting.ts";

/** A parsed configuration file. */
export interface ConfigFile {
  /** As people know it: it stands in errors and origins. */
  readonly name: string;
  /** Absolute folder that the file's relative paths start from. */
  readonly folder: string;
  readonly table: { readonly [key: string]: unknown };
  line(path: string): number | undefined;
}

/** A flag of the command line: `{name: "--port", path: "proxy.port", text: "2555"}`. */
export interface ConfigFlag {
  readonly name: string;
  /** A setting's path, or `worlds` or `services` with `name=module` as text. */
  readonly path: string;
  readonly text: string;
}

export interface ConfigSources {
  readonly file?: ConfigFile;
  readonly env: { readonly [name: string]: string | undefined };
  readonly flags: readonly ConfigFlag[];
}

/** What a setting, a world or a service was given, by rising precedence. */
export interface Found {
  readonly value: SettingValue;
  readonly origin: Origin;
  /** Where relative paths start. */
  readonly folder: string;
}

/** Collects what was found and what is wrong, layer after layer. */
export interface Gathering {
  readonly host: HostFacts;
  readonly found: Map<string, Found>;
  readonly problems: ConfigProblem[];
}

/** Keeps a checked value, or notes what is wrong with it. */
export function take(
  gathering: Gathering,
  path: string,
  setting: Setting,
  given: unknown,
  checked: Checked,
  origin: Origin,
  folder: string,
): void {
  if (checked.ok) {
    gathering.found.set(path, { value: checked.value, origin, folder });
  } else {
    const problem = `found ${foundText(given)}, allowed: ${allowedIn(setting)}`;
    gathering.problems.push({ origin, field: path, problem });
  }
}
