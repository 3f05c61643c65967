import assert from "node:assert/strict";
import { test } from "node:test";
import { parseNodeAddress } from "./node-address.ts";

test("addresses of nodes have a host and a port", () => {
  assert.deepEqual(parseNodeAddress("10.0.0.5:2556"), { host: "10.0.0.5", port: 2556 });
  assert.deepEqual(parseNodeAddress("gs.example.org:1"), { host: "gs.example.org", port: 1 });
  assert.deepEqual(parseNodeAddress("[fd00::5]:65535"), { host: "fd00::5", port: 65_535 });
  for (const text of ["", "host", "host:", "host:0", "host:65536", "fd00::5:1", "a b:1", "h:1x"])
    assert.equal(parseNodeAddress(text), undefined, text);
});
