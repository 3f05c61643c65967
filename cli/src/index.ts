export { type CliIo, ExitCode } from "./cli-io.ts";
export type { Monolith, MonolithFactory } from "./commands/monolith.ts";
export { type CliDependencies, runCli } from "./program.ts";
