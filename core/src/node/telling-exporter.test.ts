import assert from "node:assert/strict";
import { test } from "node:test";
import { noopLogger } from "../logging/logger.ts";
import { TellingExporter } from "./telling-exporter.ts";

test("failures are told once, and their end, too", () => {
  const results = [0, 1, 1, 0, 1];
  const lines: string[] = [];
  let done = 0;
  const exporter = new TellingExporter(
    {
      export: (_, done) => done({ code: results.shift() ?? 0 }),
      shutdown: async () => {},
    },
    {
      ...noopLogger,
      warn: (message) => lines.push(`warn: ${message}`),
      info: (message) => lines.push(`info: ${message}`),
    },
  );
  for (let n = 0; n < 5; n++)
    exporter.export([], ({ code }) => {
      assert.equal(code, 0);
      done += 1;
    });
  assert.equal(done, 5);
  const failed = "warn: Traces do not get to telemetry.otlpEndpoint; they are dropped.";
  const again = "info: Traces get to telemetry.otlpEndpoint again.";
  assert.deepEqual(lines, [failed, again, failed]);
});
