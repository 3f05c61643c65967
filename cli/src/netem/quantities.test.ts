import assert from "node:assert/strict";
import { test } from "node:test";
import {
  parseAddress,
  parseBurst,
  parseCount,
  parseIntervalMs,
  parsePercent,
  parseRate,
  parseSeed,
  parseSize,
  parseTimeMs,
} from "./quantities.ts";

test("quantities are read in the units people write", () => {
  assert.equal(parsePercent("--loss", "5%"), 0.05);
  assert.equal(parsePercent("--loss", "0.5%"), 0.005);
  assert.equal(parsePercent("--loss", "100%"), 1);
  assert.equal(parseTimeMs("--delay", "50ms"), 50);
  assert.equal(parseTimeMs("--delay", "1.5s"), 1_500);
  assert.equal(parseIntervalMs("--rebind", "2m"), 120_000);
  assert.equal(parseRate("--rate", "1mbit"), 125_000);
  assert.equal(parseRate("--rate", "500Kbit"), 62_500);
  assert.equal(parseSize("--queue", "64KiB"), 65_536);
  assert.equal(parseSeed("--seed", "4294967295"), 4_294_967_295);
  assert.equal(parseBurst("--burst", "2.5"), 2.5);
  assert.equal(parseCount("--flows", "65535"), 65_535);
});

test("what is no quantity is refused by the name of its flag", () => {
  const cases: [(flag: string, text: string) => number, string[]][] = [
    [parsePercent, ["", "5", "0.05", "101%", "-1%", "%", "5%%", "x"]],
    [parseTimeMs, ["50", "11s", "-1ms", "ms", "1h", "1e3ms"]],
    [parseIntervalMs, ["99ms", "0s", "2h"]],
    [parseRate, ["1", "1mb", "1kbit", "81gbit"]],
    [parseSize, ["1499", "65mib", "1500.5"]],
    [parseSeed, ["-1", "1.5", "4294967296", "0x1"]],
    [parseBurst, ["0.5", "1001"]],
    [parseCount, ["0", "1.5", "65536"]],
  ];
  for (const [parse, texts] of cases)
    for (const text of texts)
      assert.throws(() => parse("--flag", text), {
        name: "UsageError",
        message: new RegExp(`^--flag: found "${text.replaceAll("+", "\\+")}", allowed: `),
      });
});

test("addresses: a port, host:port, and IPv6 in brackets", () => {
  const parse = (text: string, minPort = 1) =>
    parseAddress("--to", text, { defaultHost: "127.0.0.1", minPort });
  assert.deepEqual(parse("2555"), { host: "127.0.0.1", port: 2555 });
  assert.deepEqual(parse("example.org:1"), { host: "example.org", port: 1 });
  assert.deepEqual(parse("[::1]:65535"), { host: "::1", port: 65_535 });
  assert.deepEqual(parse("0", 0), { host: "127.0.0.1", port: 0 });
  for (const text of ["", "0", "65536", "a:b", "::1:5", "[a]:5", "a:", ":5", "http://a:5"])
    assert.throws(
      () => parse(text),
      { message: /^--to: found ".*", allowed: a port from 1 / },
      text,
    );
});
