import assert from "node:assert/strict";
import { test } from "node:test";
import { OperatingError } from "../errors.ts";
import { createAdjustableLogger, createLogger, type LoggerSettings } from "./logger.ts";

async function capture(settings: LoggerSettings, isTTY = false) {
  const lines: string[] = [];
  const logger = await createLogger(settings, { write: (line) => lines.push(line), isTTY });
  return { logger, lines };
}

test("lines are JSON with level, time, message and facts, those of parents too", async () => {
  const { logger, lines } = await capture({ facts: { node: "n1" } });
  logger.child({ world: "arena" }).warn("tick took too long", { ms: 70 });
  const line: unknown = JSON.parse(lines[0] ?? "");
  assert.ok(typeof line === "object" && line !== null && "time" in line);
  assert.match(String(line.time), /^\d{4}-\d\d-\d\dT.*Z$/);
  assert.deepEqual(line, {
    level: "warn",
    time: line.time,
    node: "n1",
    world: "arena",
    ms: 70,
    msg: "tick took too long",
  });
  assert.ok(lines[0]?.endsWith("\n"));
});

test("the level drops what is below it", async () => {
  const { logger, lines } = await capture({ level: "error" });
  logger.debug("a");
  logger.info("b");
  logger.warn("c");
  assert.deepEqual(lines, []);
  logger.error("d");
  assert.equal(lines.length, 1);
  const silent = await capture({ level: "silent" });
  silent.logger.error("e");
  assert.deepEqual(silent.lines, []);
});

test("the level is changed for children that are there already, too", async () => {
  const lines: string[] = [];
  const { logger, level } = await createAdjustableLogger(
    { level: "warn" },
    { write: (line) => lines.push(line) },
  );
  const child = logger.child({ world: "arena" }).child({ shard: 0 });
  child.info("dropped");
  assert.equal(level.get(), "warn");
  level.set("debug");
  child.debug("one");
  logger.debug("two");
  level.set("silent");
  child.error("dropped");
  assert.deepEqual(
    lines.map((line) => JSON.parse(line).msg),
    ["one", "two"],
  );
});

test("an error comes with code, stack and cause", async () => {
  const { logger, lines } = await capture({});
  const cause = new Error("the disk said no");
  logger.error("snapshot failed", { error: new OperatingError("disk-full", "full", { cause }) });
  const text = lines[0] ?? "";
  for (const part of ["disk-full", "logger.test", "the disk said no"])
    assert.ok(text.includes(part));
});

test("a terminal gets lines for people; the format can be forced", async () => {
  const onTerminal = await capture({}, true);
  onTerminal.logger.info("ready", { port: 2555 });
  assert.match(onTerminal.lines[0] ?? "", /INFO.*ready/s);
  assert.throws(() => JSON.parse(onTerminal.lines[0] ?? ""));
  const forced = await capture({ format: "json" }, true);
  forced.logger.info("ready");
  assert.ok(JSON.parse(forced.lines[0] ?? ""));
  const piped = await capture({ format: "pretty" });
  piped.logger.info("ready");
  assert.match(piped.lines[0] ?? "", /INFO: ready/);
});
