import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { afterEach, describe, it } from "node:test";
import { OperatingError } from "@atlasnet/core";
import { importBinding } from "./binding.ts";
import {
  closeEndpoints,
  connectPair,
  dial,
  dialAddress,
  Listening,
  LOOPBACK,
  openEndpoint,
} from "./testing/endpoints.ts";
import { MemoryNetwork } from "./testing/memory-network.ts";
import {
  foreignCredentials,
  gameserverCredentials,
  proxyCredentials,
} from "./testing/test-credentials.ts";

const hasCode = (code: string, text: RegExp) => (error: unknown) => {
  assert.ok(error instanceof OperatingError);
  assert.equal(error.code, code);
  assert.match(error.message, text);
  assert.ok(error.hint !== undefined && error.hint.length > 0);
  return true;
};

afterEach(closeEndpoints);

describe("opening an endpoint", () => {
  it("names a port in use and the setting", async () => {
    const first = await openEndpoint();
    const { port } = first.address;
    await assert.rejects(
      openEndpoint({ port }),
      hasCode("port-in-use", new RegExp(`links\\.port: 127\\.0\\.0\\.1:${port}/udp is in use`)),
    );
    await first.close();
    await openEndpoint({ port });
  });

  it("names an address that is not of this machine, and a name that is none", async () => {
    await assert.rejects(
      openEndpoint({ host: "203.0.113.1" }),
      hasCode("cannot-listen", /203\.0\.113\.1/),
    );
    await assert.rejects(
      openEndpoint({ host: "no-such-host.invalid" }),
      hasCode("unknown-host", /no-such-host/),
    );
  });

  it("says which of the credentials is no good", async () => {
    const good = gameserverCredentials;
    const open = (changed: Partial<typeof good>) =>
      openEndpoint({}, { credentials: { ...good, ...changed } });
    await assert.rejects(open({ certificate: "x" }), hasCode("bad-credentials", /certificate/));
    await assert.rejects(open({ privateKey: "x" }), hasCode("bad-credentials", /privateKey/));
    await assert.rejects(open({ authorities: "" }), hasCode("bad-credentials", /authorities/));
    await assert.rejects(
      open({ privateKey: proxyCredentials.privateKey }),
      hasCode("bad-credentials", /does not belong/),
    );
  });

  it("says what to do where there is no native library", async () => {
    const failing = () => Promise.reject(new Error("Unsupported OS: plan9"));
    await assert.rejects(
      importBinding(failing),
      hasCode("quic-unavailable", new RegExp(`${process.platform}-${process.arch}`)),
    );
  });
});

describe("connecting", () => {
  it("ends by unreachable within the handshake's time when nobody is there", async () => {
    const silent = createSocket("udp4");
    await new Promise<void>((resolve) => silent.bind(0, LOOPBACK, resolve));
    const client = await openEndpoint({ handshakeTimeoutMs: 100 });
    const end = dialAddress(client, { host: LOOPBACK, port: silent.address().port });
    const reason = await end.untilClosed();
    assert.equal(reason.by, "unreachable");
    assert.match(reason.reason, /no answer within 100 ms/);
    assert.deepEqual(end.heard, ["closed"]);
    assert.equal(client.stats.handshakesFailed, 1);
    await client.close();
    silent.close();
  });

  it("ends by unreachable, in a later turn, when the name or the way is not there", async () => {
    const client = await openEndpoint();
    for (const host of ["no-such-host.invalid", "::1"]) {
      const end = dialAddress(client, { host, port: 9 });
      assert.deepEqual(end.heard, []);
      assert.equal((await end.untilClosed()).by, "unreachable");
    }
    assert.equal(client.stats.connections, 0);
    await client.close();
    const late = dialAddress(client, { host: LOOPBACK, port: 9 });
    assert.deepEqual(late.heard, []);
    assert.equal((await late.untilClosed()).by, "unreachable");
    assert.equal(client.stats.connections, 0);
  });

  it("ends by unreachable at a port that cannot be", async () => {
    const client = await openEndpoint({ handshakeTimeoutMs: 50 });
    for (const port of [0, -1, 70_000]) {
      const end = dialAddress(client, { host: LOOPBACK, port });
      assert.equal((await end.untilClosed()).by, "unreachable");
    }
    assert.equal(client.stats.connections, 0);
  });

  it("looks a host name up", async () => {
    const server = await openEndpoint();
    const client = await openEndpoint();
    const listening = new Listening(server);
    const end = dialAddress(client, { host: "localhost", port: server.address.port });
    await end.untilEstablished();
    await (await listening.next()).untilEstablished();
  });

  it("works over IPv6, and from a socket of both families to IPv4", async (test) => {
    const server = await openEndpoint({ host: "::" }).catch(() => undefined);
    if (server === undefined) return test.skip("this machine has no IPv6");
    const listening = new Listening(server);
    const { port } = server.address;
    for (const [own, to] of [
      ["::1", "0:0:0:0:0:0:0:1"],
      ["::", LOOPBACK],
      [LOOPBACK, LOOPBACK],
    ] as const) {
      const client = await openEndpoint({ host: own });
      await dialAddress(client, { host: to, port }).untilEstablished();
      await (await listening.next()).untilEstablished();
      await client.close();
    }
  });

  it("shows a certificate of a foreign authority to who judges it", async () => {
    const server = await openEndpoint();
    const client = await openEndpoint({}, { credentials: foreignCredentials });
    const ends = await connectPair(client, server);
    assert.equal(ends.server.connection.peerCertificates.length, 1);
    ends.server.connection.close(3, "foreign authority");
    assert.deepEqual(await ends.client.untilClosed(), {
      by: "peer",
      code: 3,
      reason: "foreign authority",
    });
  });

  it("uses renewed credentials for new connections, and keeps the former when they are bad", async () => {
    const server = await openEndpoint();
    const client = await openEndpoint();
    const former = await connectPair(client, server);
    client.setCredentials(foreignCredentials);
    assert.throws(
      () => client.setCredentials({ ...proxyCredentials, privateKey: "x" }),
      hasCode("bad-credentials", /privateKey/),
    );
    const renewed = await connectPair(client, server);
    assert.notDeepEqual(
      renewed.server.connection.peerCertificates,
      former.server.connection.peerCertificates,
    );
    assert.equal(former.client.reason, undefined);
  });

  it("refuses what is over the bound, and takes in again when one has gone", async () => {
    const server = await openEndpoint({ maxConnections: 1 });
    const client = await openEndpoint();
    const listening = new Listening(server);
    const first = await connectPair(client, server, listening);
    const reason = await dial(client, server).untilClosed();
    assert.equal(reason.by, "transport");
    assert.match(reason.reason, /too many connections/);
    assert.equal(listening.taken.length, 0, "the listener does not hear of it");
    assert.equal(server.stats.handshakesRefused, 1);
    first.client.connection.close(0, "");
    await first.server.untilClosed();
    await dial(client, server).untilEstablished();
  });

  it("is not taken in where nobody listens", async () => {
    const server = await openEndpoint();
    const client = await openEndpoint({ handshakeTimeoutMs: 50 });
    assert.equal((await dial(client, server).untilClosed()).by, "unreachable");
    assert.ok(server.stats.dropped["not-listening"] > 0);
    assert.equal(server.stats.packetsOut, 0);
  });
});

describe("the end of a connection", () => {
  it("comes by idle when the other side is silent, and not while it is only quiet", async () => {
    const network = new MemoryNetwork();
    const options = { idleTimeoutMs: 300 };
    const server = await openEndpoint(options, { openPort: network.openPort });
    const client = await openEndpoint(options, { openPort: network.openPort });
    const ends = await connectPair(client, server);
    // Several idle timeouts of quiet: keep-alives go both ways.
    const quietFrom = server.stats.packetsIn;
    let passed = 0;
    await new Promise<void>((resolve) => {
      network.rule = (packet) => {
        passed += 1;
        if (server.stats.packetsIn - quietFrom > 12) resolve();
        return [packet];
      };
    });
    assert.ok(passed > 0);
    assert.equal(ends.client.reason, undefined);
    assert.equal(ends.server.reason, undefined);
    network.rule = () => [];
    assert.equal((await ends.client.untilClosed()).by, "idle");
    assert.equal((await ends.server.untilClosed()).by, "idle");
    assert.equal(client.stats.connections, 0);
    assert.equal(server.stats.connections, 0);
  });

  it("reaches the peer before what is queued, with its reason clipped between characters", async () => {
    const network = new MemoryNetwork();
    const server = await openEndpoint({}, { openPort: network.openPort });
    const client = await openEndpoint({}, { openPort: network.openPort });
    const ends = await connectPair(client, server);
    // Not in the midst of the handshake, which goes first.
    ends.server.connection.sendDatagram(Buffer.of(1));
    await ends.client.until(() => ends.client.datagrams.length === 1);
    const stream = ends.client.connection.openStream(1);
    while (ends.client.connection.write(stream, Buffer.alloc(65_536)) > 0);
    ends.client.connection.close(9, "é".repeat(400));
    assert.equal(ends.client.connection.write(stream, Buffer.alloc(1)), 0);
    assert.equal(ends.client.connection.sendDatagram(Buffer.alloc(1)), false);
    assert.throws(() => ends.client.connection.openStream(1), RangeError);
    assert.equal(ends.client.reason, undefined, "no event from within a call");
    ends.client.connection.close(10, "again");
    const reason = await ends.server.untilClosed();
    assert.deepEqual(reason, { by: "peer", code: 9, reason: "é".repeat(256) });
    assert.equal(ends.server.countOf(stream), 0);
    assert.equal((await ends.client.untilClosed()).code, 9);
  });

  it("reaches the peer when it comes first of all", async () => {
    const network = new MemoryNetwork();
    const server = await openEndpoint({}, { openPort: network.openPort });
    const client = await openEndpoint({}, { openPort: network.openPort });
    const listening = new Listening(server);
    const end = dial(client, server);
    end.onEvent = () => end.connection.close(5, "wrong node");
    const taken = await listening.next();
    assert.deepEqual(await taken.untilClosed(), { by: "peer", code: 5, reason: "wrong node" });
    assert.ok(client.stats.packetsOut < 8);
  });

  it("is told again to a peer that lost it", async () => {
    const network = new MemoryNetwork();
    const server = await openEndpoint({}, { openPort: network.openPort });
    const client = await openEndpoint({}, { openPort: network.openPort });
    const ends = await connectPair(client, server);
    ends.client.connection.close(4, "gone");
    network.rule = () => [];
    await ends.client.untilClosed();
    network.rule = (packet) => [packet];
    ends.server.connection.write(ends.server.connection.openStream(1), Buffer.from("hello?"));
    assert.deepEqual(await ends.server.untilClosed(), { by: "peer", code: 4, reason: "gone" });
  });

  it("is told by the next process of a node that was killed", async () => {
    const network = new MemoryNetwork();
    const options = { openPort: network.openPort };
    const server = await openEndpoint({}, options);
    const client = await openEndpoint({}, options);
    const ends = await connectPair(client, server);
    // From now on another endpoint with the same credentials takes the packets.
    const next = await openEndpoint({}, options);
    new Listening(next);
    const { port } = server.address;
    network.rule = (packet) =>
      packet.to.port === port
        ? [{ ...packet, to: next.address }]
        : [{ ...packet, from: { ...packet.from, port } }];
    const stream = ends.client.connection.openStream(1);
    ends.client.connection.write(stream, Buffer.alloc(100));
    const reason = await ends.client.untilClosed();
    assert.equal(reason.by, "transport");
    assert.match(reason.reason, /started again/);
    assert.equal(next.stats.resetsSent, 1);
  });

  it("is not told by anybody else", async () => {
    const network = new MemoryNetwork();
    const options = { openPort: network.openPort };
    const server = await openEndpoint({}, options);
    const client = await openEndpoint({}, options);
    const ends = await connectPair(client, server);
    const other = await openEndpoint({}, { ...options, credentials: proxyCredentials });
    new Listening(other);
    const { port } = server.address;
    let forged = 0;
    network.rule = (packet) => {
      if (packet.from.port === other.address.port) forged += 1;
      if (packet.from.port === other.address.port) return [{ ...packet, from: server.address }];
      return packet.to.port === port ? [packet, { ...packet, to: other.address }] : [packet];
    };
    const stream = ends.client.connection.openStream(1);
    ends.client.connection.write(stream, Buffer.alloc(100));
    await ends.server.until(() => ends.server.countOf(stream) === 100);
    ends.server.connection.sendDatagram(Buffer.of(1));
    await ends.client.until(() => ends.client.datagrams.length === 1);
    assert.ok(forged > 0);
    assert.equal(ends.client.reason, undefined);
  });

  it("frees everything after it has lingered", async () => {
    const server = await openEndpoint();
    const client = await openEndpoint();
    const ends = await connectPair(client, server);
    ends.client.connection.close(0, "");
    await ends.server.untilClosed();
    while (client.stats.connections + server.stats.connections > 0)
      await new Promise((resolve) => setImmediate(resolve));
    assert.ok(ends.client.connection.stats.packetsSent > 0, "figures stay readable");
  });

  it("comes to all connections when the endpoint closes, by code 0", async () => {
    const server = await openEndpoint();
    const client = await openEndpoint();
    const listening = new Listening(server);
    const ends = await connectPair(client, server, listening);
    const other = await connectPair(client, server, listening);
    const closed = client.close();
    assert.equal(ends.client.reason, undefined, "no event from within a call");
    await closed;
    await client.close();
    assert.deepEqual(ends.client.reason, { by: "self", code: 0, reason: "" });
    assert.equal(client.stats.connections, 0);
    assert.deepEqual(await ends.server.untilClosed(), { by: "peer", code: 0, reason: "" });
    assert.deepEqual(await other.server.untilClosed(), { by: "peer", code: 0, reason: "" });
  });
});
