import { once } from "node:events";
import { createServer } from "node:net";

/** Below the range that systems hand out by themselves, so that no client's port gets in the way. */
const FIRST_PORT = 20_000;
const LAST_PORT = 32_000;
const MAX_TRIES = 200;

/** A port on the loopback that was free a moment ago. */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < MAX_TRIES; tries++) {
    const port = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));
    if (await isFree(port)) return port;
  }
  throw new Error(`found no free port between ${FIRST_PORT} and ${LAST_PORT}`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen(port, "127.0.0.1");
  const taken = await Promise.race([
    once(server, "listening").then(() => false),
    once(server, "error").then(
      () => true,
      () => true,
    ),
  ]);
  if (taken) return false;
  const closed = once(server, "close");
  server.close();
  await closed;
  return true;
}
