import { tmpdir } from "node:os";
import type { CliIo, ExitCode } from "../cli-io.ts";
import { type CliDependencies, runCli } from "../program.ts";

/** How a command ended, and what it wrote. */
export interface Said {
  readonly code: ExitCode;
  readonly out: string;
  readonly talk: string;
}

export interface StartedCommand {
  /** What it wrote so far. */
  readonly said: { readonly out: string; readonly talk: string };
  readonly done: Promise<Said>;
  /** Resolves once a text is among what it wrote; fails when it ends without. */
  wrote(where: "out" | "talk", pattern: RegExp): Promise<RegExpExecArray>;
}

/** A command line in this process. `out` and `talk`, when given, are told, too, after it is in `said`. */
export function startCommand(
  args: readonly string[],
  io: Partial<CliIo> = {},
  dependencies: Partial<CliDependencies> = {},
): StartedCommand {
  const said = { out: "", talk: "" };
  const waiting = new Set<() => void>();
  const told = () => {
    for (const look of waiting) look();
  };
  const done = runCli(
    args,
    {
      width: 80,
      env: {},
      workingDir: tmpdir(),
      stop: new AbortController().signal,
      ...io,
      out: (text) => {
        said.out += text;
        io.out?.(text);
        told();
      },
      talk: (text) => {
        said.talk += text;
        io.talk?.(text);
        told();
      },
    },
    {
      loadMonolith: () => Promise.reject(new Error("no monolith in this test")),
      ...dependencies,
    },
  ).then((code) => ({ code, ...said }));
  const wrote = (where: "out" | "talk", pattern: RegExp) =>
    new Promise<RegExpExecArray>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(said[where]);
        if (found === null) return;
        waiting.delete(look);
        resolve(found);
      };
      waiting.add(look);
      look();
      done.then(({ code, talk }) => reject(new Error(`ended with ${code}: ${talk}`)), reject);
    });
  return { said, done, wrote };
}

/** Resolves when the command has ended. */
export function runCommand(...command: Parameters<typeof startCommand>): Promise<Said> {
  return startCommand(...command).done;
}
