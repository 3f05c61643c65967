import assert from "node:assert/strict";
import { test } from "node:test";
import type { Response } from "@atlasnet/world";
import { type Service, Services } from "./services.ts";

async function ask(service: Service | undefined, timeoutMs?: number): Promise<Response> {
  return new Promise((resolve) => {
    const known = new Map(service === undefined ? [] : [["it", service]]);
    const services = new Services(known, (_, response) => resolve(response), timeoutMs);
    services.ask("w/0", { id: 7, service: "it", payload: { n: 1 } }, 5);
  });
}

test("every request gets an answer", async () => {
  assert.deepEqual(
    await ask(async (payload, { shard, epoch, id }) => [payload, shard, epoch, id]),
    {
      id: 7,
      ok: true,
      value: [{ n: 1 }, "w/0", 5, 7],
    },
  );
  const code = async (service: Service | undefined, timeoutMs?: number) => {
    const answer = await ask(service, timeoutMs);
    return answer.ok ? "ok" : answer.code;
  };
  assert.equal(await code(undefined), "unknown-service");
  assert.equal(await code(async () => Promise.reject(new Error("no"))), "service-failed");
  const coded = Object.assign(new Error("no"), { code: "no-such-player" });
  assert.equal(await code(async () => Promise.reject(coded)), "no-such-player");
  assert.equal(await code(async () => (() => 1) as never), "bad-answer");
  assert.equal(
    await code(() => {
      throw new Error("at once");
    }),
    "service-failed",
  );
});

test("a service that does not answer is given up, and told", async () => {
  const keepAlive = setInterval(() => undefined, 1_000);
  let aborted = false;
  const answer = await ask(
    async (_, { signal }) =>
      new Promise(() => {
        signal.addEventListener("abort", () => {
          aborted = true;
        });
      }),
    5,
  );
  clearInterval(keepAlive);
  assert.deepEqual(answer, { id: 7, ok: false, code: "timeout" });
  assert.ok(aborted);
});
