import type { CommandEntry } from "./command-table.ts";

/**
 * Completion as shell scripts that know every command and need no process to ask. Names of commands and options
 * have neither blanks nor quotes.
 */

/** A \`case\` over the path of a command. Bash 3.2, as macOS has it, has no maps. */
function byPath(
  name: string,
  table: readonly CommandEntry[],
  words: (entry: CommandEntry) => readonly string[],
): string {
  const cases = table.flatMap((entry) => {
    const found = words(entry);
    return found.length === 0 ? [] : [`    "${entry.path}") echo "${found.join(" ")}" ;;`];
  });
  return `${name}() {\n  case "$1" in\n${cases.join("\n")}\n    *) ;;\n  esac\n}\n`;
}

/** What bash and zsh have in common: words by path, choices by path and option. */
function helpers(table: readonly CommandEntry[]): string {
  const choices = table.flatMap(({ path, options }) =>
    options
      .filter((option) => option.choices.length > 0)
      .map((option) => {
        const keys = option.names.map((name) => `"${path} ${name}"`).join("|");
        return `    ${keys}) echo "${option.choices.join(" ")}" ;;`;
      }),
  );
  return [
    byPath("_atlasnet_commands", table, ({ commands }) => commands),
    byPath("_atlasnet_arguments", table, ({ choices: fixed }) => fixed),
    byPath("_atlasnet_options", table, ({ options }) => options.flatMap(({ names }) => names)),
    byPath("_atlasnet_valued", table, ({ options }) =>
      options.filter(({ takesValue }) => takesValue).flatMap(({ names }) => names),
    ),
    `_atlasnet_choices() {\n  case "$1" in\n${choices.join("\n")}\n    *) ;;\n  esac\n}\n`,
    `# The command that the words name; options and their values are passed over.
_atlasnet_path() {
  local at="" skip="" word
  for word in "$@"; do
    if [ -n "$skip" ]; then skip=""; continue; fi
    case "$word" in
      -*) case " $(_atlasnet_valued "$at") " in *" $word "*) skip=1 ;; esac ;;
      *) case " $(_atlasnet_commands "$at") " in *" $word "*) at="\${at:+$at }$word" ;; esac ;;
    esac
  done
  echo "$at"
}
# What may stand behind them: command, word before, word that is begun.
_atlasnet_words() {
  case " $(_atlasnet_valued "$1") " in
    *" $2 "*) _atlasnet_choices "$1 $2"; return ;;
  esac
  case "$3" in
    -*) _atlasnet_options "$1" ;;
    *) _atlasnet_commands "$1"; _atlasnet_arguments "$1" ;;
  esac
}
`,
  ].join("");
}

/** Files are offered where no word fits. */
export function bashScript(table: readonly CommandEntry[]): string {
  return `# Completion of atlasnet for bash.
${helpers(table)}_atlasnet() {
  local current="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" at
  at="$(_atlasnet_path "\${COMP_WORDS[@]:1:COMP_CWORD-1}")"
  COMPREPLY=($(compgen -W "$(_atlasnet_words "$at" "$before" "$current")" -- "$current"))
}
complete -o default -F _atlasnet atlasnet
`;
}

export function zshScript(table: readonly CommandEntry[]): string {
  return `#compdef atlasnet
# Completion of atlasnet for zsh.
${helpers(table)}_atlasnet() {
  local at found
  at="$(_atlasnet_path "\${(@)words[2,CURRENT-1]}")"
  found="$(_atlasnet_words "$at" "\${words[CURRENT-1]}" "\${words[CURRENT]}")"
  if [ -n "$found" ]; then compadd -- \${=found}; else _files; fi
}
compdef _atlasnet atlasnet
`;
}

export function fishScript(table: readonly CommandEntry[]): string {
  const lines = table.flatMap(({ path, commands, options, choices }) => {
    const at = `complete -c atlasnet -n "__atlasnet_at '${path}'"`;
    const words = [...commands, ...choices];
    return [
      ...(words.length === 0 ? [] : [`${at} -f -a "${words.join(" ")}"`]),
      ...options.map(({ names, takesValue, choices: values }) => {
        const flags = names.map((name) =>
          name.startsWith("--") ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`,
        );
        const value = values.length > 0 ? ` -x -a "${values.join(" ")}"` : takesValue ? " -r" : "";
        return `${at} ${flags.join(" ")}${value}`;
      }),
    ];
  });
  const valued = table.flatMap(({ path, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .flatMap(({ names }) => names.map((name) => `"${path}|${name}"`)),
  );
  const paths = table.filter(({ path }) => path !== "").map(({ path }) => `"${path}"`);
  return `# Completion of atlasnet for fish.
set -g __atlasnet_paths ${paths.join(" ")}
set -g __atlasnet_valued ${valued.join(" ")}
function __atlasnet_at
  set -l words (commandline -opc)
  set -e words[1]
  set -l at ""
  set -l skip 0
  for word in $words
    if test $skip = 1
      set skip 0
      continue
    end
    if string match -q -- "-*" $word
      contains -- "$at|$word" $__atlasnet_valued; and set skip 1
    else
      set -l next (string trim -- "$at $word")
      contains -- "$next" $__atlasnet_paths; and set at $next
    end
  end
  test "$at" = "$argv[1]"
end
${lines.join("\n")}
`;
}
