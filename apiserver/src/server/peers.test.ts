import assert from "node:assert/strict";
import { test } from "node:test";
import { parseApiservers } from "./peers.ts";

test("peers are read with names, IPv4 and IPv6 addresses", () => {
  assert.deepEqual(
    [...parseApiservers(["api-1=10.0.0.1:2556", "api-2=[fd00::6]:7", "api-3=host.example:65535"])],
    [
      ["api-1", { host: "10.0.0.1", port: 2556 }],
      ["api-2", { host: "fd00::6", port: 7 }],
      ["api-3", { host: "host.example", port: 65_535 }],
    ],
  );
});

test("what is no list of peers is refused, and says what to write", () => {
  assert.throws(() => parseApiservers([]), { code: "no-peers", hint: /--peers api-1=/ });
  for (const entry of ["a=h:0", "a=h:65536", "a=h", "=h:1"])
    assert.throws(() => parseApiservers([entry]), { code: "bad-peer", message: /NODE=HOST:PORT/ });
  assert.throws(() => parseApiservers(["a=h:1", "a=h:2"]), { code: "bad-peer", message: /twice/ });
});
