#!/usr/bin/env node
import { CreateError, createdText, createGame } from "./index.ts";

const USAGE = "Usage: npm create atlasnet <folder>\n\nMakes a new AtlasNet game in that folder.\n";
/** The same as those of `atlasnet`. */
const EXIT_FAULT = 1;
const EXIT_USAGE = 2;

const [dir, ...rest] = process.argv.slice(2);
if (dir === "--help" || dir === "-h") {
  process.stdout.write(USAGE);
} else if (dir === undefined || dir.startsWith("-") || rest.length > 0) {
  process.stderr.write(USAGE);
  process.exitCode = EXIT_USAGE;
} else {
  try {
    process.stdout.write(createdText(await createGame({ dir, workingDir: process.cwd() })));
  } catch (error) {
    if (!(error instanceof CreateError)) throw error;
    const cause = error.cause instanceof Error ? `  because: ${error.cause.message}\n` : "";
    process.stderr.write(`error: ${error.message}\n${cause}  ${error.hint}\n`);
    process.exitCode = EXIT_FAULT;
  }
}
