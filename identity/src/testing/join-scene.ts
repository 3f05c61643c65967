import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type Logger, noopLogger, OperatingError } from "@atlasnet/core";
import type { Address } from "../address.ts";
import { CaServer } from "../ca-server.ts";
import { createCa, type openCa } from "../cluster-ca.ts";
import { type ObtainIdentityOptions, obtainIdentity } from "../obtain-identity.ts";
import { tempDir } from "./temp-dir.ts";

export const NOW = Date.UTC(2030, 0, 1);

/** A CA that is served, and a machine with nodes. */
export async function scene(t: TestContext) {
  const root = await tempDir(t);
  const clock = { at: NOW };
  const now = () => clock.at;
  const ca = await createCa(join(root, "ca"), { cluster: "play" }, { now });
  const address = await serve(t, ca, now);
  const dir = join(root, "identity");
  const token = (
    options: {
      role?: "proxy" | "gameserver";
      node?: string;
      ttlSeconds?: number;
      address?: Address;
    } = {},
  ) => ca.token({ role: "gameserver", ttlSeconds: 3600, address, ...options });
  const place = { dir, role: "gameserver", node: "gs-1" } as const;
  const deps = { logger: noopLogger, now };
  const obtain = (options: Partial<ObtainIdentityOptions>) =>
    obtainIdentity({ ...place, ...options }, deps);
  return { root, clock, now, ca, address, dir, token, place, deps, obtain };
}

export async function serve(
  t: TestContext,
  ca: Awaited<ReturnType<typeof openCa>>,
  now: () => number,
  logger: Logger = noopLogger,
): Promise<Address> {
  const server = new CaServer({ ca, host: "127.0.0.1", port: 0 }, { logger, now });
  await server.start();
  t.after(() => server.stop());
  assert.ok(server.address);
  return server.address;
}

export async function refusalOf(work: Promise<unknown>): Promise<OperatingError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof OperatingError, `${error}`);
  return error;
}

export async function refuses(
  work: Promise<unknown>,
  reason: string,
  message: RegExp,
  hint: RegExp,
): Promise<void> {
  const error = await refusalOf(work);
  assert.deepEqual([error.code, error.facts["reason"]], ["join-refused", reason], error.message);
  assert.match(error.message, message);
  assert.match(error.hint ?? "", hint);
}
