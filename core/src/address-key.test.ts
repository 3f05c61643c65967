import assert from "node:assert/strict";
import { test } from "node:test";
import { addressKey } from "./address-key.ts";

test("addresses: IPv4 as it is, IPv6 by its /64", () => {
  assert.equal(addressKey("10.1.2.3"), "10.1.2.3");
  assert.equal(addressKey("::ffff:10.1.2.3"), "10.1.2.3");
  assert.equal(addressKey("::1"), "0:0:0:0");
  assert.equal(addressKey("2001:db8::5"), addressKey("2001:0db8:0:0:ffff::1"));
  assert.notEqual(addressKey("2001:db8:0:1::5"), addressKey("2001:db8:0:2::5"));
  assert.equal(addressKey("fe80::1%eth0"), addressKey("fe80::2"));
});
