import assert from "node:assert/strict";
import type { NetworkInterfaceInfo } from "node:os";
import { describe, it } from "node:test";
import { pathLimit } from "./path-limit.ts";

const network = (address: string, cidr: string, internal = false): NetworkInterfaceInfo => ({
  address,
  netmask: "",
  mac: "",
  cidr,
  internal,
  ...(address.includes(":") ? { family: "IPv6", scopeid: 0 } : { family: "IPv4" }),
});

const mtus: { [name: string]: number } = { lo: 65_536, eth0: 1500, eth1: 9001 };
const machine = {
  interfaces: () => ({
    lo: [network("127.0.0.1", "127.0.0.1/8", true), network("::1", "::1/128", true)],
    eth0: [network("192.168.1.5", "192.168.1.5/24")],
    eth1: [network("10.0.0.5", "10.0.0.5/16"), network("fd00::5", "fd00::5/64")],
  }),
  mtu: (name: string) => mtus[name],
};

describe("pathLimit", () => {
  it("has no limit worth a name within the machine", () => {
    for (const host of ["127.0.0.1", "127.3.2.1", "::1", "10.0.0.5", "::ffff:127.0.0.1"])
      assert.equal(pathLimit(host, machine), 65_507, host);
  });

  it("is what the network carries that the peer is in", () => {
    assert.equal(pathLimit("192.168.1.77", machine), 1472);
    assert.equal(pathLimit("10.0.3.4", machine), 8973);
    assert.equal(pathLimit("::ffff:10.0.3.4", machine), 8973);
    assert.equal(pathLimit("fd00::77", machine), 8953);
  });

  it("is the least of all networks for a peer behind a router", () => {
    assert.equal(pathLimit("203.0.113.9", machine), 1472);
  });

  it("is Ethernet's where the system does not tell, or there is no network at all", () => {
    assert.equal(pathLimit("10.0.3.4", { ...machine, mtu: () => undefined }), 1472);
    assert.equal(pathLimit("10.0.3.4", { ...machine, interfaces: () => ({}) }), 1472);
  });

  it("answers for this machine", () => {
    assert.equal(pathLimit("127.0.0.1"), 65_507);
  });
});
