import type { Command, Option } from "commander";

/** One command as a shell needs it. */
export interface CommandEntry {
  /** Words behind `atlasnet`, as in `node ls`; empty for the program itself. */
  readonly path: string;
  readonly commands: readonly string[];
  readonly options: readonly OptionEntry[];
  /** Of its first argument, where those are fixed. */
  readonly choices: readonly string[];
}

export interface OptionEntry {
  /** `--output`, and `-o` when there is one. */
  readonly names: readonly string[];
  /** The next word is its value. */
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

/** Every command of a program and its options; settings, which have a help of their own, are options, too. */
export function commandTable(program: Command): readonly CommandEntry[] {
  return entriesOf(program, []);
}

function entriesOf(command: Command, path: readonly string[]): CommandEntry[] {
  const { commands, options, registeredArguments } = command;
  const entry: CommandEntry = {
    path: path.join(" "),
    commands: commands.map((one) => one.name()).sort(),
    options: [...options.filter(isOffered).map(optionEntry), HELP],
    choices: registeredArguments[0]?.argChoices ?? [],
  };
  return [entry, ...commands.flatMap((one) => entriesOf(one, [...path, one.name()]))];
}

const HELP: OptionEntry = { names: ["-h", "--help"], takesValue: false, choices: [] };

/** What is hidden and no setting is between processes. */
function isOffered({ hidden, long }: Option): boolean {
  return !hidden || long?.includes(".") === true;
}

function optionEntry({ short, long, required, argChoices }: Option): OptionEntry {
  const names = [short, long].filter((name) => name !== undefined);
  return { names, takesValue: required, choices: argChoices ?? [] };
}
