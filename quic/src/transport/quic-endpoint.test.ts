import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { afterEach, beforeEach, describe, it } from "node:test";
import type { QuicEndpoint } from "./quic-endpoint.ts";
import { closeEndpoints, connectPair, openEndpoint } from "./testing/endpoints.ts";
import { proxyCredentials } from "./testing/test-credentials.ts";

describe("QuicEndpoint", () => {
  let server: QuicEndpoint;
  let client: QuicEndpoint;

  beforeEach(async () => {
    server = await openEndpoint();
    client = await openEndpoint({}, { credentials: proxyCredentials });
  });

  afterEach(closeEndpoints);

  it("shows both ends the other's certificate before anything else", async () => {
    const ends = await connectPair(client, server);
    const seen = ends.server.connection.peerCertificates[0];
    const other = ends.client.connection.peerCertificates[0];
    assert.ok(seen !== undefined && other !== undefined);
    assert.match(new X509Certificate(seen).subjectAltName ?? "", /atlasnet:\/\/a\/proxy\/proxy-1/);
    assert.match(new X509Certificate(other).subjectAltName ?? "", /gameserver\/gs-1/);
    assert.equal(ends.client.heard[0], "established");
    assert.equal(ends.server.heard[0], "established");
  });

  it("carries streams both ways, in order, and datagrams", async () => {
    const ends = await connectPair(client, server);
    const bytes = Buffer.alloc(300_000, "0123456789abcdef#");
    const stream = ends.client.connection.openStream(1);
    let sent = ends.client.connection.write(stream, bytes);
    while (sent < bytes.length) {
      const before = ends.client.writables;
      await ends.client.until(() => ends.client.writables > before);
      sent += ends.client.connection.write(stream, bytes.subarray(sent));
    }
    await ends.server.until(() => ends.server.countOf(stream) === bytes.length);
    assert.ok(ends.server.bytesOf(stream).equals(bytes));

    const back = ends.server.connection.openStream(1);
    assert.equal(ends.server.connection.write(back, Buffer.from("hello")), 5);
    assert.equal(ends.server.connection.sendDatagram(Buffer.from("datagram")), true);
    await ends.client.until(
      () => ends.client.countOf(back) === 5 && ends.client.datagrams.length === 1,
    );
    assert.equal(ends.client.bytesOf(back).toString(), "hello");
    assert.equal(ends.client.datagrams[0]?.toString(), "datagram");
  });

  it("tells the peer the code and reason of a close", async () => {
    const ends = await connectPair(client, server);
    ends.client.connection.close(7, "because");
    assert.deepEqual(await ends.client.untilClosed(), { by: "self", code: 7, reason: "because" });
    assert.deepEqual(await ends.server.untilClosed(), { by: "peer", code: 7, reason: "because" });
  });
});
