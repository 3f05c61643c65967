import type { createApiserverProcess } from "@atlasnet/apiserver";
import {
  ConfigError,
  describeError,
  didYouMean,
  OperatingError,
  settingFlags,
} from "@atlasnet/core";
import type { createGameserverProcess } from "@atlasnet/gameserver";
import type { createMonolith } from "@atlasnet/monolith";
import type { createProxyProcess } from "@atlasnet/proxy";
import { Command, CommanderError, Option } from "commander";
import { type CliIo, ExitCode } from "./cli-io.ts";
import { addApiserverCommand } from "./commands/apiserver.ts";
import { addBackupCommands } from "./commands/backup.ts";
import { addBuildCommand } from "./commands/build.ts";
import { addCaCommand } from "./commands/ca.ts";
import { addCompletionCommand } from "./commands/completion.ts";
import { addConfigCommand } from "./commands/config.ts";
import { addContextCommand } from "./commands/context.ts";
import { addDevCommand } from "./commands/dev.ts";
import { addDevClusterCommand } from "./commands/dev-cluster.ts";
import { addDevRollCommand } from "./commands/dev-roll.ts";
import { addEventsCommand } from "./commands/events.ts";
import { addGameserverCommand } from "./commands/gameserver.ts";
import { addHistoryCommand } from "./commands/history.ts";
import { addInitCommand } from "./commands/init.ts";
import { addKvCommand } from "./commands/kv.ts";
import { addLoadgenCommand } from "./commands/loadgen.ts";
import { addLogLevelCommand } from "./commands/log-level.ts";
import { addMigrationCommand } from "./commands/migration.ts";
import { addModuleCommand } from "./commands/module.ts";
import { addMonitorCommand } from "./commands/monitor.ts";
import { addMonolithCommand } from "./commands/monolith.ts";
import { addNetemCommand } from "./commands/netem.ts";
import { addNodeCommand } from "./commands/node.ts";
import { addProxyCommand } from "./commands/proxy.ts";
import { addRaftCommand } from "./commands/raft.ts";
import { addRebalanceCommand } from "./commands/rebalance.ts";
import { addStatusCommand } from "./commands/status.ts";
import { addTicketCommand } from "./commands/ticket.ts";
import { addTokenCommand } from "./commands/token.ts";
import { addWorldCommand } from "./commands/world.ts";
import { STOP_WITH_PARENT } from "./parent-tie.ts";
import { UsageError } from "./usage-error.ts";
import { version } from "./version.ts";

export interface CliDependencies {
  /** Loaded when it is needed: most commands do without the server. */
  loadMonolith(): Promise<typeof createMonolith>;
  /** Default: the installed one, loaded when it is needed. */
  loadGameserver?(): Promise<typeof createGameserverProcess>;
  loadProxy?(): Promise<typeof createProxyProcess>;
  loadApiserver?(): Promise<typeof createApiserverProcess>;
}

const EXIT_CODES = `
Exit codes:
  0  done
  1  something failed, or a stop was forced
  2  the command line or the configuration is wrong
  3  a cluster was asked for what is not there, or not as it was assumed
  4  no apiserver answers, or too few of them reach each other: try again`;

/** Runs one command line and returns how the process should end. Never throws. */
export async function runCli(
  args: readonly string[],
  io: CliIo,
  dependencies: CliDependencies,
): Promise<ExitCode> {
  const program = createProgram(io, dependencies);
  try {
    await program.parseAsync(args, { from: "user" });
    return ExitCode.ok;
  } catch (error) {
    // Commander has said by itself what it did not understand.
    if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.ok : ExitCode.usage;
    io.talk(`${errorText(error, program.opts()["verbose"] === true)}\n`);
    const usage =
      error instanceof ConfigError ||
      error instanceof UsageError ||
      (error instanceof Error && "code" in error && error.code === "bad-claim");
    return usage ? ExitCode.usage : clusterExitCode(error);
  }
}

const NOT_THERE: ReadonlySet<string> = new Set([
  "not-found",
  "conflict",
  "migrating",
  "no-target",
  "last-voter",
  "below-quorum",
]);
const TRY_AGAIN: ReadonlySet<string> = new Set([
  "unreachable",
  "no-quorum",
  "timeout",
  "busy",
  "not-caught-up",
]);

/** Scripts go by it. By name: the classes come with the client, which most commands do not load. */
function clusterExitCode(error: unknown): ExitCode {
  const answered =
    error instanceof OperatingError && (error.name === "ApiError" || error.name === "ControlError");
  if (answered && NOT_THERE.has(error.code)) return ExitCode.notThere;
  if (answered && TRY_AGAIN.has(error.code)) return ExitCode.tryAgain;
  return ExitCode.fault;
}

function createProgram(io: CliIo, dependencies: CliDependencies): Command {
  const program = new Command("atlasnet")
    .description("A distributed backend for multiplayer games.")
    .version(version)
    .option("--verbose", "show stacks of errors")
    // Main acts on it.
    .addOption(new Option(STOP_WITH_PARENT).hideHelp())
    .addHelpText("after", EXIT_CODES)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError("`--help` behind the command shows what is allowed.")
    .configureOutput({
      writeOut: (text) => io.out(text),
      writeErr: (text) => io.talk(text),
      outputError: (text, write) => write(withSuggestion(text)),
      getOutHelpWidth: () => io.width,
      getErrHelpWidth: () => io.width,
    });
  addMonolithCommand(program, io, () => dependencies.loadMonolith());
  addGameserverCommand(program, io, dependencies.loadGameserver ?? installedGameserver);
  addProxyCommand(program, io, dependencies.loadProxy ?? installedProxy);
  addApiserverCommand(program, io, dependencies.loadApiserver ?? installedApiserver);
  const dev = addDevCommand(program, io, () => dependencies.loadMonolith());
  addNetemCommand(dev.command, io);
  addDevClusterCommand(dev, io);
  addDevRollCommand(dev, io);
  addBuildCommand(program, io);
  addInitCommand(program, io);
  addCaCommand(program, io);
  addConfigCommand(program, io);
  addTicketCommand(program, io);
  addMonitorCommand(program, io);
  addLoadgenCommand(program, io);
  addHistoryCommand(program, io);
  addStatusCommand(program, io);
  addRaftCommand(program, io);
  addNodeCommand(program, io);
  addWorldCommand(program, io);
  addMigrationCommand(program, io);
  addRebalanceCommand(program, io);
  addKvCommand(program, io);
  addModuleCommand(program, io);
  addEventsCommand(program, io);
  addTokenCommand(program, io);
  addBackupCommands(program, io);
  addLogLevelCommand(program, io);
  addContextCommand(program, io);
  addCompletionCommand(program, io);
  return program;
}

async function installedGameserver() {
  return (await import("@atlasnet/gameserver")).createGameserverProcess;
}

async function installedApiserver() {
  return (await import("@atlasnet/apiserver")).createApiserverProcess;
}

async function installedProxy() {
  return (await import("@atlasnet/proxy")).createProxyProcess;
}

/** Commander suggests only options of its own help, and the settings have a table of theirs. */
function withSuggestion(text: string): string {
  const unknown = /unknown option '(--[^'=]+)/.exec(text)?.[1];
  if (unknown === undefined || text.includes("Did you mean")) return text;
  const known = settingFlags.flatMap(({ flag, alias }) =>
    alias === undefined ? [flag] : [flag, alias],
  );
  return `${text.trimEnd()}${didYouMean(unknown, known)}\n`;
}

function errorText(error: unknown, verbose: boolean): string {
  if (error instanceof ConfigError) {
    const lines = error.problems.length === 1 ? "" : ` (${error.problems.length} problems)`;
    const problems = error.message.split("\n").map((line) => `  ${line}`);
    const text = [`error: the configuration cannot be used${lines}`, ...problems].join("\n");
    return [
      text,
      ...(error.hint === undefined ? [] : [error.hint]),
      ...stackOf(error, verbose),
    ].join("\n");
  }
  return [describeError(error), ...stackOf(error, verbose)].join("\n");
}

function stackOf(error: unknown, verbose: boolean): string[] {
  return verbose && error instanceof Error && error.stack !== undefined ? [error.stack] : [];
}
