import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, it } from "node:test";
import fc from "fast-check";
import type { QuicEndpoint } from "./quic-endpoint.ts";
import {
  closeEndpoints,
  connectPair,
  dial,
  Listening,
  LOOPBACK,
  openEndpoint,
} from "./testing/endpoints.ts";
import { MemoryNetwork, type Packet } from "./testing/memory-network.ts";
import { RawPeer, rawConfig } from "./testing/raw-peer.ts";
import type { Recorded } from "./testing/recorded.ts";

const stranger = { host: LOOPBACK, port: 9999 };

describe("a hostile peer", () => {
  let network: MemoryNetwork;
  let server: QuicEndpoint;
  let listening: Listening;

  beforeEach(async () => {
    network = new MemoryNetwork();
    server = await openEndpoint({ maxStreams: 4 }, { openPort: network.openPort });
    listening = new Listening(server);
  });

  afterEach(closeEndpoints);

  /** Another connection works as before. */
  async function assertAlive(): Promise<void> {
    const client = await openEndpoint({}, { openPort: network.openPort });
    await assertEcho(await connectPair(client, server, listening));
  }

  it("spends nothing on an unvalidated address: each first packet costs one small answer", async () => {
    network.keepSeen = true;
    const client = await openEndpoint({}, { openPort: network.openPort });
    dial(client, server);
    await listening.next();
    const [first] = network.seen;
    assert.ok(first !== undefined);
    const before = { connections: server.stats.connections, out: server.stats.bytesOut };
    const COUNT = 50;
    for (let count = 0; count < COUNT; count++)
      network.inject({
        from: { ...stranger, port: 5000 + count },
        to: server.address,
        bytes: first.bytes,
      });
    await turns(3);
    assert.equal(server.stats.connections, before.connections);
    assert.equal(server.stats.retriesSent, COUNT + 1);
    assert.ok(server.stats.bytesOut - before.out <= COUNT * 200 + 3000);
    assert.equal(listening.taken.length, 0);
  });

  it("gets nowhere with another client's token, nor with a replayed one", async () => {
    network.keepSeen = true;
    const client = await openEndpoint({}, { openPort: network.openPort });
    dial(client, server);
    await listening.next();
    const [, , second] = network.seen;
    assert.ok(second !== undefined && second.to.port === server.address.port);
    network.inject({ ...second, from: stranger });
    network.inject(second);
    await turns(3);
    // The id is a live connection's, so that the address decides before the token.
    assert.equal(server.stats.dropped["wrong-address"], 1);
    assert.equal(listening.taken.length, 0);
    const changed = Buffer.from(second.bytes);
    changed[8] = (changed[8] ?? 0) ^ 1;
    network.inject({ ...second, bytes: changed });
    await turns(3);
    assert.equal(server.stats.dropped["bad-token"], 1);
    assert.equal(listening.taken.length, 0);
  });

  it("gets one answer with the versions for an unknown one, and none when its packet is small", async () => {
    const long = (bytes: number, version: number): Packet => {
      const packet = Buffer.alloc(bytes);
      packet[0] = 0xc0;
      packet.writeUInt32BE(version, 1);
      packet.set([8, 1, 2, 3, 4, 5, 6, 7, 8, 8, 1, 2, 3, 4, 5, 6, 7, 8], 5);
      return { from: stranger, to: server.address, bytes: packet };
    };
    network.inject(long(1200, 0x1a2a3a4a));
    network.inject(long(1199, 0x1a2a3a4a));
    network.inject(long(1200, 0));
    await turns(3);
    assert.equal(server.stats.versionAnswersSent, 1);
    assert.equal(server.stats.packetsOut, 1);
    assert.ok(server.stats.bytesOut < 100);
    assert.equal(server.stats.dropped["unknown-connection"], 1);
    assert.equal(server.stats.dropped.malformed, 1);
  });

  it("cannot make us answer to port 0", async () => {
    network.keepSeen = true;
    const client = await openEndpoint({}, { openPort: network.openPort });
    dial(client, server);
    await listening.next();
    const [first] = network.seen;
    assert.ok(first !== undefined);
    network.inject({ ...first, from: { host: LOOPBACK, port: 0 } });
    await turns(3);
    assert.equal(server.stats.dropped.malformed, 1);
    assert.equal(server.stats.retriesSent, 1);
  });

  it("is not heard from another address, with whatever it copied", async () => {
    const client = await openEndpoint({}, { openPort: network.openPort });
    const ends = await connectPair(client, server, listening);
    network.keepSeen = true;
    await assertEcho(ends);
    const copied = network.seen.splice(0).filter(({ to }) => to.port === server.address.port);
    for (const packet of copied) network.inject({ ...packet, from: stranger });
    await turns(5);
    assert.equal(server.stats.dropped["wrong-address"], copied.length);
    assert.ok(
      network.seen.every(({ to }) => to.port !== stranger.port),
      "it is sent nothing",
    );
    await assertEcho(ends);
  });

  it("is closed when it opens a stream too many", async () => {
    const peer = await RawPeer.open(network, server.address);
    const end = await listening.next();
    await end.untilEstablished();
    await peer.until((native) => native.isEstablished());
    for (let stream = 0; stream < 4; stream++) {
      peer.native.streamSend(2 + 4 * stream, Buffer.from("x"), true);
      peer.pump();
    }
    await end.until(() => end.ended.length === 4);
    // Ended streams make room for more in QUIC, but not here.
    await peer.until((native) => native.peerStreamsLeftUni() > 0);
    peer.native.streamSend(2 + 4 * 4, Buffer.from("x"), false);
    peer.pump();
    const reason = await end.untilClosed();
    assert.equal(reason.by, "transport");
    assert.match(reason.reason, /more than 4 streams/);
    await peer.until((native) => native.isDraining());
    assert.equal(peer.native.peerError()?.errorCode, 10);
    assert.equal(server.stats.violations, 1);
    await assertAlive();
  });

  it("cannot open a stream of both ways", async () => {
    const peer = await RawPeer.open(network, server.address);
    const end = await listening.next();
    await end.untilEstablished();
    await peer.until((native) => native.isEstablished());
    assert.throws(() => peer.native.streamSend(0, Buffer.from("x"), false), /StreamLimit/);
  });

  it("is closed when it wants none of our bytes", async () => {
    const peer = await RawPeer.open(network, server.address);
    const end = await listening.next();
    await end.untilEstablished();
    await peer.until((native) => native.isEstablished());
    const stream = end.connection.openStream(1);
    end.connection.write(stream, Buffer.from("hello"));
    await peer.until((native) => native.streamReadable(stream));
    peer.native.streamShutdown(stream, 0, 1);
    peer.pump();
    await end.until(() => {
      if (end.reason === undefined) end.connection.write(stream, Buffer.from("hello"));
      return end.reason !== undefined;
    });
    assert.match(end.reason?.reason ?? "", /StreamStopped/);
    await assertAlive();
  });

  it("that never reads is written to no more, and nothing grows", async () => {
    const WINDOW = 100_000;
    const peer = await RawPeer.open(network, server.address, {
      config: (quiche) => {
        const config = rawConfig(quiche);
        config.setInitialMaxStreamDataUni(WINDOW);
        return config;
      },
    });
    const end = await listening.next();
    await end.untilEstablished();
    const stream = end.connection.openStream(1);
    let taken = 0;
    const chunk = Buffer.alloc(16_384);
    end.onEvent = () => {
      for (;;) {
        const count = end.connection.write(stream, chunk);
        taken += count;
        if (count < chunk.length) return;
      }
    };
    end.onEvent();
    await peer.until(() => taken === WINDOW);
    await turns(20);
    assert.equal(end.connection.write(stream, chunk), 0);
    assert.equal(taken, WINDOW);
    assert.equal(end.reason, undefined, "it is slow, not gone");
    peer.native.close(true, 1, Buffer.from("bye"));
    peer.pump();
    assert.equal((await end.untilClosed()).code, 1);
  });

  it("does not stop the others with packets of any bytes", async () => {
    const client = await openEndpoint({}, { openPort: network.openPort });
    const ends = await connectPair(client, server, listening);
    const noise = fc.array(fc.uint8Array({ maxLength: 1400 }), { maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(noise, async (packets) => {
        for (const bytes of packets)
          network.inject({ from: stranger, to: server.address, bytes: Buffer.from(bytes) });
        await turns(2);
      }),
      { numRuns: 50 },
    );
    await assertEcho(ends);
    assert.ok(server.stats.dropped.malformed > 0);
  });

  it("does not stop the others with real packets cut, changed, doubled and in another order", async () => {
    const client = await openEndpoint({}, { openPort: network.openPort });
    const ends = await connectPair(client, server, listening);
    network.keepSeen = true;
    const helper = await openEndpoint({}, { openPort: network.openPort });
    await assertEcho(await connectPair(helper, server, listening));
    await assertEcho(ends);
    const recorded = network.seen.splice(0).filter(({ to }) => to.port === server.address.port);
    network.keepSeen = false;
    const mutation = fc.record({
      packet: fc.nat(recorded.length - 1),
      cut: fc.option(fc.nat(1400)),
      flips: fc.array(fc.record({ at: fc.nat(60), bit: fc.nat(7) }), { maxLength: 4 }),
      stranger: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(mutation, { maxLength: 20 }), async (mutations) => {
        for (const { packet, cut, flips, stranger: other } of mutations) {
          const real = recorded[packet];
          if (real === undefined) continue;
          const bytes = Buffer.from(real.bytes.subarray(0, cut ?? real.bytes.length));
          for (const { at, bit } of flips)
            if (at < bytes.length) bytes[at] = (bytes[at] ?? 0) ^ (1 << bit);
          network.inject({ ...real, bytes, from: other ? stranger : real.from });
        }
        await turns(2);
      }),
      { numRuns: 60 },
    );
    await assertEcho(ends);
    assert.equal(ends.client.reason, undefined);
  });

  it("that answers garbage to a dialler lets it end by unreachable", async () => {
    const client = await openEndpoint({ handshakeTimeoutMs: 150 }, { openPort: network.openPort });
    network.rule = (packet) =>
      packet.from.port === server.address.port
        ? [{ ...packet, bytes: randomBytes(packet.bytes.length) }]
        : [packet];
    const end = dial(client, server);
    assert.equal((await end.untilClosed()).by, "unreachable");
    network.rule = (packet) => [packet];
    await assertAlive();
  });

  it("gets its probes answered from its own address only", async () => {
    const client = await openEndpoint({}, { openPort: network.openPort });
    let ask: Packet | undefined;
    network.rule = (packet) => {
      if (packet.bytes[0] === 1 && packet.to.port === server.address.port) ask = packet;
      return [packet];
    };
    const ends = await connectPair(client, server, listening);
    while (ask === undefined || ends.client.connection.stats.packetBytes < 10_000) await turns(1);
    const before = server.stats.packetsOut;
    network.inject({ ...ask, from: stranger });
    await turns(3);
    assert.equal(server.stats.packetsOut, before);
  });
});

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Both ends still hear each other. */
async function assertEcho({ client, server }: { client: Recorded; server: Recorded }) {
  const streams = [client, server].map((end) => {
    const stream = end.connection.openStream(1);
    end.connection.write(stream, Buffer.from("are you there?"));
    return stream;
  });
  await server.until(() => server.countOf(streams[0] ?? 0) === 14);
  await client.until(() => client.countOf(streams[1] ?? 0) === 14);
}
