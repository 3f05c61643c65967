import type { TestContext } from "node:test";
import { fileURLToPath } from "node:url";
import type { ServerForm, TestServer } from "./server-forms.ts";
import { Workplace } from "./workplace.ts";

const LEDGER = fileURLToPath(new URL("./ledger-world.js", import.meta.url));

/** A running server with the ledger world, in a folder of its own, for as long as a test. */
export async function startLedgerServer(
  t: TestContext,
  form: ServerForm,
): Promise<{ readonly server: TestServer; readonly place: Workplace }> {
  const place = await Workplace.create(t);
  return { server: await form.start(place, { worlds: `ledger=${LEDGER}` }), place };
}
