import { fileURLToPath } from "node:url";

// For tests of other packages that play on servers: the ledger, and players that keep its books.
export { assertAllIsWell, assertAllSeeTheWorld } from "./all-is-well.ts";
export { LedgerPlayer } from "./ledger-player.ts";
export { definition as ledger } from "./ledger-world.ts";

/** The module of the ledger, for servers that are processes of their own. */
export const LEDGER_FILE = fileURLToPath(new URL("./ledger-world.js", import.meta.url));
