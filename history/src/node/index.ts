import { fileURLToPath } from "node:url";

export { HistoryFile, type HistoryFileOptions } from "./history-file.ts";
export { readHistory } from "./read-history.ts";

/** The checker's world as a module file, for `--world NAME=FILE`. */
export const CHECKER_WORLD_FILE = fileURLToPath(
  new URL("../world/checker-world.js", import.meta.url),
);
