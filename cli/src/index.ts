export { type CliIo, ExitCode } from "./cli-io.ts";
export { type CliDependencies, runCli } from "./program.ts";
