import assert from "node:assert/strict";
import { test } from "node:test";
import { OperatingError } from "@atlasnet/core";
import { parseGameservers } from "./peers.ts";

test("peers are nodes with an address, a name, or an IPv6 address in brackets", () => {
  const peers = parseGameservers([
    "gs-1=10.0.0.5:2556",
    "gs-2=play.example.org:1",
    "gs-3=[fd00::5]:65535",
  ]);
  assert.deepEqual(
    [...peers],
    [
      ["gs-1", { host: "10.0.0.5", port: 2556 }],
      ["gs-2", { host: "play.example.org", port: 1 }],
      ["gs-3", { host: "fd00::5", port: 65_535 }],
    ],
  );
});

test("what cannot be peers is refused by the setting's name, with the way out", () => {
  const cases: [string[], string, RegExp][] = [
    [[], "no-peers", /^links\.peers: a proxy needs at least one gameserver/],
    [["gs-1=h:0"], "bad-peer", /found "gs-1=h:0", allowed: NODE=HOST:PORT with a port from 1/],
    [["gs-1=h:70000"], "bad-peer", /port from 1 to 65535/],
    [["gs-1=h:1", "gs-1=i:2"], "bad-peer", /found "gs-1=i:2", node gs-1 is named twice/],
    [["gs-1"], "bad-peer", /found "gs-1"/],
  ];
  for (const [entries, code, message] of cases)
    assert.throws(
      () => parseGameservers(entries),
      (error) =>
        error instanceof OperatingError &&
        error.code === code &&
        message.test(error.message) &&
        error.hint !== undefined,
      entries.join(),
    );
});
