import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, it } from "node:test";
import { MAX_PACKETS_PER_TURN } from "./packet-sender.ts";
import { STREAM_TURN_BYTES } from "./peer-streams.ts";
import { closeEndpoints, connectPair, Listening, openEndpoint } from "./testing/endpoints.ts";
import { MemoryNetwork } from "./testing/memory-network.ts";
import { RawPeer } from "./testing/raw-peer.ts";
import type { Recorded } from "./testing/recorded.ts";

afterEach(closeEndpoints);

describe("a turn of the event loop", () => {
  let network: MemoryNetwork;
  let client: Recorded;
  let server: Recorded;

  beforeEach(async () => {
    network = new MemoryNetwork();
    const options = { openPort: network.openPort };
    const ends = await connectPair(
      await openEndpoint({}, options),
      await openEndpoint({}, options),
    );
    client = ends.client;
    server = ends.server;
    // Whatever the handshake and the search for the packet size have to say has been said then.
    while (Math.min(sizeOf(client), sizeOf(server)) < 16_000)
      await new Promise((resolve) => setImmediate(resolve));
  });

  it("gathers what is written in it, in the order of urgency", async () => {
    network.keepSeen = true;
    const before = server.turns;
    const bulk = client.connection.openStream(7);
    const small = client.connection.openStream(0);
    for (let count = 0; count < 50; count++) client.connection.write(bulk, Buffer.alloc(100));
    for (let count = 0; count < 50; count++) client.connection.write(small, Buffer.alloc(10));
    assert.equal(network.seen.length, 0, "nothing leaves from within a call");
    await server.until(() => server.countOf(bulk) === 5000 && server.countOf(small) === 500);
    assert.equal(network.seen.filter(({ bytes }) => bytes.length > 5000).length, 1);
    assert.equal(server.turns - before, 1);
  });

  it("writes what an event asks for with the answer to what came", async () => {
    network.keepSeen = true;
    const ask = client.connection.openStream(0);
    let answer: number | undefined;
    server.onEvent = () => {
      if (answer !== undefined) return;
      answer = server.connection.openStream(0);
      server.connection.write(answer, Buffer.alloc(10));
    };
    client.connection.write(ask, Buffer.alloc(10));
    await client.until(() => answer !== undefined && client.countOf(answer) === 10);
    const answers = network.seen.filter(({ from }) => from.port === network.seen[0]?.to.port);
    assert.equal(answers.length, 1);
  });

  it("sends so many packets at most, and goes on in the next", async () => {
    const stream = client.connection.openStream(1);
    const TOTAL = 8_000_000;
    let sent = 0;
    let inTurn = 0;
    let most = 0;
    const turn = () => {
      most = Math.max(most, inTurn);
      inTurn = 0;
    };
    network.rule = (packet) => {
      if (packet.bytes.length < 1000) return [packet];
      if (inTurn === 0) setImmediate(turn);
      inTurn += 1;
      return [packet];
    };
    const go = () => {
      while (sent < TOTAL) {
        const count = client.connection.write(stream, Buffer.alloc(Math.min(65_536, TOTAL - sent)));
        sent += count;
        if (count < 65_536) return;
      }
    };
    client.onEvent = go;
    go();
    await server.until(() => server.countOf(stream) === TOTAL);
    assert.equal(most, MAX_PACKETS_PER_TURN);
  });

  it("hands on so much of one stream at most, and the rest in the next", async () => {
    const stream = client.connection.openStream(1);
    const TOTAL = 3 * STREAM_TURN_BYTES;
    // The first packet comes last, and with it all that waited for it.
    const held: Parameters<typeof network.inject>[0][] = [];
    let holding = true;
    network.rule = (packet) => {
      if (!holding || packet.bytes.length < 1000 || held.length > 0) return [packet];
      held.push(packet);
      return [];
    };
    let sent = 0;
    const data = Buffer.alloc(TOTAL);
    const go = () => {
      if (sent < TOTAL) sent += client.connection.write(stream, data.subarray(sent));
    };
    client.onEvent = go;
    go();
    const perTurn: number[] = [];
    let seen = 0;
    server.onEvent = () => {
      if (server.heard.at(-1) !== "turn") return;
      perTurn.push(server.countOf(stream) - seen);
      seen = server.countOf(stream);
      holding = false;
    };
    for (const packet of held) network.inject(packet);
    await server.until(() => server.countOf(stream) === TOTAL);
    assert.ok(Math.max(...perTurn) <= STREAM_TURN_BYTES + 16_384);
  });
});

describe("streams of the peer", () => {
  it("are found also when a later one comes first", async () => {
    const network = new MemoryNetwork();
    const server = await openEndpoint({}, { openPort: network.openPort });
    const listening = new Listening(server);
    const peer = await RawPeer.open(network, server.address);
    const end = await listening.next();
    await end.untilEstablished();
    await peer.until((native) => native.isEstablished());
    peer.native.streamSend(10, Buffer.from("third"), false);
    peer.pump();
    await end.until(() => end.countOf(10) === 5);
    peer.native.streamSend(2, Buffer.from("first"), true);
    peer.native.streamSend(6, Buffer.from("second"), false);
    peer.pump();
    await end.until(() => end.countOf(2) === 5 && end.countOf(6) === 6);
    assert.deepEqual(end.ended, [2]);
    peer.native.streamShutdown(6, 1, 3);
    peer.pump();
    await end.until(() => end.ended.length === 2);
    assert.deepEqual(end.ended, [2, 6]);
    assert.equal(end.reason, undefined);
  });
});

function sizeOf(end: Recorded): number {
  return end.connection.stats.packetBytes;
}
