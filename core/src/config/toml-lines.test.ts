import assert from "node:assert/strict";
import test from "node:test";
import { tomlLines } from "./toml-lines.ts";

test("keys, tables and quoted names have their lines; what is inside has the line around it", () => {
  const line = tomlLines(
    [
      "a.b = 1",
      "",
      "[proxy]",
      "# port = 1",
      "port = 2",
      '[worlds."x"]',
      "config = { deep = 1 }",
    ].join("\r\n"),
  );
  assert.equal(line("a.b"), 1);
  assert.equal(line("proxy"), 3);
  assert.equal(line("proxy.port"), 5);
  assert.equal(line("worlds.x"), 6);
  assert.equal(line("worlds.x.config.deep"), 7);
  assert.equal(line("elsewhere"), undefined);
});
