import { type ConfigFlag, type LoadedConfig, settingFlags, settingsHelp } from "@atlasnet/core";
import { loadConfig } from "@atlasnet/core/node";
import { type Command, Option } from "commander";
import type { CliIo } from "./cli-io.ts";

/** A command's settings: its flags are on it, `load` reads the configuration they belong to. */
export interface SettingOptions {
  load(extra?: readonly ConfigFlag[]): Promise<LoadedConfig>;
}

export interface SettingOptionsOptions {
  /** False: neither `--world` nor `--service` is a setting. Default true. */
  readonly modules?: boolean;
  /** The sections of settings that the command uses; they come first in its help. Default: all. */
  readonly used?: readonly string[];
}

/**
 * Puts `--config`, `--world`, `--service` and a flag for every setting on a command. The settings stand at
 * the end of its help.
 */
export function addSettingOptions(
  command: Command,
  io: CliIo,
  { modules = true, used }: SettingOptionsOptions = {},
): SettingOptions {
  // In the order they were given, so that of a setting's flag and its alias the later one wins.
  const flags: ConfigFlag[] = [];
  const collect = (name: string, path: string) => (text: string) => {
    flags.push({ name, path, text });
    return text;
  };
  let file: string | undefined;
  command.addOption(
    new Option("-c, --config <file>", "TOML file (or ATLASNET_CONFIG)").argParser((text) => {
      file = text;
      return text;
    }),
  );
  if (modules) {
    command
      .addOption(
        new Option("--world <name=module>", "a world to run; may be repeated").argParser(
          collect("--world", "worlds"),
        ),
      )
      .addOption(
        new Option("--service <name=module>", "a service for worlds; may be repeated").argParser(
          collect("--service", "services"),
        ),
      );
  }
  for (const { path, flag, alias, bare } of settingFlags) {
    for (const name of alias === undefined ? [flag] : [flag, alias]) {
      const option = new Option(`${name} ${bare ? "[true|false]" : "<value>"}`)
        .argParser(collect(name, path))
        .hideHelp();
      // What a flag that stands alone hands to its parser.
      if (bare) option.preset("true");
      command.addOption(option);
    }
  }
  command.addHelpText("after", () => `\n${settingsHelp(io.width, used)}`);
  return {
    load: (extra = []) =>
      loadConfig({
        env: io.env,
        workingDir: io.workingDir,
        flags: [...extra, ...flags],
        ...(file === undefined ? {} : { file }),
      }),
  };
}
