import { configJson, configToml, exampleToml } from "@atlasnet/core";
import { type Command, Option } from "commander";
import type { CliIo } from "../cli-io.ts";
import { addSettingOptions } from "../setting-options.ts";

/** `atlasnet config print` and `atlasnet config example`. */
export function addConfigCommand(program: Command, io: CliIo): void {
  const config = program.command("config").description("show the configuration");
  const print = config
    .command("print")
    .description("print every setting with its value and where it came from");
  const settings = addSettingOptions(print, io);
  print
    .addOption(
      new Option("-o, --output <form>", "form of the output")
        .choices(["toml", "json"])
        .default("toml"),
    )
    .action(async ({ output }: { output: "toml" | "json" }) => {
      const loaded = await settings.load();
      io.out(output === "json" ? configJson(loaded) : configToml(loaded));
    });
  config
    .command("example")
    .description("print a configuration file with every setting and its default")
    .action(() => io.out(exampleToml()));
}
