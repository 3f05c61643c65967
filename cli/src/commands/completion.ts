import { Argument, type Command } from "commander";
import type { CliIo } from "../cli-io.ts";
import { commandTable } from "../completion/command-table.ts";
import { bashScript, fishScript, zshScript } from "../completion/scripts.ts";

const SCRIPTS = { bash: bashScript, zsh: zshScript, fish: fishScript } as const;

const HELP = `
For this shell, or in its start-up file:
  bash   source <(atlasnet completion bash)
  zsh    source <(atlasnet completion zsh)          (after compinit)
  fish   atlasnet completion fish | source`;

/** `atlasnet completion`: what there is to type, for a shell; of the commands of this version. */
export function addCompletionCommand(program: Command, io: CliIo): void {
  program
    .command("completion")
    .description("print what lets a shell complete commands and options")
    .addArgument(new Argument("<shell>", "yours").choices(Object.keys(SCRIPTS)))
    .addHelpText("after", HELP)
    .action((shell: keyof typeof SCRIPTS) => {
      io.out(SCRIPTS[shell](commandTable(program)));
    });
}
