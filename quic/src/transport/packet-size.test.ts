import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { BASE_PACKET_BYTES } from "./packet-sender.ts";
import type { QuicEndpoint, QuicEndpointOptions } from "./quic-endpoint.ts";
import { closeEndpoints, connectPair, openEndpoint } from "./testing/endpoints.ts";
import { MemoryNetwork, type Rule } from "./testing/memory-network.ts";
import type { Recorded } from "./testing/recorded.ts";

const upTo =
  (bytes: number): Rule =>
  (packet) =>
    packet.bytes.length > bytes ? [] : [packet];

/** The far end hears all of it, in however many packets. */
async function carry(from: Recorded, to: Recorded, bytes: number): Promise<void> {
  const stream = from.connection.openStream(1);
  const data = Buffer.alloc(bytes, "packet size ");
  let sent = 0;
  const go = () => {
    if (sent < bytes) sent += from.connection.write(stream, data.subarray(sent));
  };
  from.onEvent = go;
  go();
  await to.until(() => to.countOf(stream) === bytes);
  from.onEvent = undefined;
  assert.ok(to.bytesOf(stream).equals(data));
}

describe("the packet size", () => {
  let network: MemoryNetwork;
  const open = (options: Partial<QuicEndpointOptions> = {}): Promise<QuicEndpoint> =>
    openEndpoint(options, { openPort: network.openPort, pathLimit: () => 65_507 });

  beforeEach(() => {
    network = new MemoryNetwork();
  });

  afterEach(closeEndpoints);

  async function reaches(end: Recorded, bytes: number): Promise<void> {
    // The size is no event: small datagrams make turns to look in.
    while (end.connection.stats.packetBytes !== bytes) {
      assert.equal(end.reason, undefined);
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  it("rises to the largest where the path lets it through, on both sides", async () => {
    const ends = await connectPair(await open(), await open());
    await reaches(ends.client, 16_383);
    await reaches(ends.server, 16_383);
    await carry(ends.client, ends.server, 300_000);
  });

  it("stays within the setting of either end", async () => {
    const ends = await connectPair(await open({ maxPacketBytes: 5000 }), await open());
    await reaches(ends.client, 4096);
    await reaches(ends.server, 4096);
    const small = await connectPair(await open({ maxPacketBytes: 1200 }), await open());
    network.rule = upTo(1200);
    await carry(small.client, small.server, 20_000);
    assert.equal(small.client.connection.stats.packetBytes, 1200);
  });

  it("is what the path carries, and no more", async () => {
    network.rule = upTo(8192);
    const ends = await connectPair(await open(), await open());
    await reaches(ends.client, 8192);
    await carry(ends.client, ends.server, 300_000);
    assert.equal(ends.client.connection.stats.packetBytes, 8192);
  });

  it("begins with what every path carries, and stays there when nothing larger passes", async () => {
    network.rule = upTo(BASE_PACKET_BYTES);
    const ends = await connectPair(await open(), await open());
    await carry(ends.client, ends.server, 100_000);
    assert.equal(ends.client.connection.stats.packetBytes, BASE_PACKET_BYTES);
  });

  it("stays where this machine's network ends, though larger ones would pass in fragments", async () => {
    const narrow = await openEndpoint({}, { openPort: network.openPort, pathLimit: () => 1472 });
    const ends = await connectPair(narrow, await open());
    await reaches(ends.client, 1452);
    await carry(ends.client, ends.server, 50_000);
    assert.equal(ends.client.connection.stats.packetBytes, 1452);
  });

  it("falls back when the path narrows, and nothing is lost", async () => {
    const ends = await connectPair(await open(), await open());
    await reaches(ends.client, 16_383);
    network.rule = upTo(1400);
    await carry(ends.client, ends.server, 200_000);
    await reaches(ends.client, BASE_PACKET_BYTES);
    assert.equal(ends.client.reason, undefined);
    network.rule = (packet) => [packet];
    await reaches(ends.client, 16_383);
  });

  it("is at once smaller when the system refuses a packet for its size", async () => {
    network.maxBytes = 9000;
    const ends = await connectPair(await open(), await open());
    await reaches(ends.client, 8952);
    network.maxBytes = 1400;
    await carry(ends.client, ends.server, 100_000);
    assert.equal(ends.client.connection.stats.packetBytes, BASE_PACKET_BYTES);
  });

  it("bounds datagrams, those that wait included", async () => {
    const ends = await connectPair(await open(), await open());
    await reaches(ends.client, 16_383);
    const { connection } = ends.client;
    assert.equal(connection.sendDatagram(Buffer.alloc(16_383 - 32, 1)), true);
    assert.equal(connection.sendDatagram(Buffer.alloc(16_383 - 31, 2)), false);
    await ends.server.until(() => ends.server.datagrams.length === 1);
    assert.equal(ends.server.datagrams[0]?.length, 16_383 - 32);
    network.maxBytes = 1400;
    connection.sendDatagram(Buffer.alloc(10_000, 3));
    // That one is lost with its packet; what fits still comes.
    const received = () => ends.server.datagrams.some((datagram) => datagram.length === 1318);
    ends.client.onEvent = () => connection.sendDatagram(Buffer.alloc(1318, 4));
    await carry(ends.client, ends.server, 50_000);
    connection.sendDatagram(Buffer.alloc(1318, 4));
    await ends.server.until(received);
    assert.equal(connection.sendDatagram(Buffer.alloc(1319, 5)), false);
  });
});
