import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, it } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { later } from "@atlasnet/core/testing";
import fc from "fast-check";
import type { NativeConfig, Quiche } from "./binding.ts";
import { ALPN } from "./quic-config.ts";
import { DEFAULT_HANDSHAKE_TIMEOUT_MS, type QuicEndpoint } from "./quic-endpoint.ts";
import { MAX_HANDSHAKE_BYTES } from "./quiche-connection.ts";
import { RESET_BYTES } from "./reset-tokens.ts";
import {
  closeEndpoints,
  connectPair,
  Listening,
  LOOPBACK,
  openEndpoint,
} from "./testing/endpoints.ts";
import { type InitialPacket, initialPacket } from "./testing/initial-packet.ts";
import { MemoryNetwork } from "./testing/memory-network.ts";
import { RawPeer } from "./testing/raw-peer.ts";
import type { Recorded } from "./testing/recorded.ts";
import { proxyCredentials } from "./testing/test-credentials.ts";

/** TLS alert "certificate required", as a code of QUIC. */
const CERTIFICATE_REQUIRED = 0x174;

function withoutCertificate(quiche: Quiche): NativeConfig {
  const config = quiche.Config.withBoringSslCtx(true, true, null, null, null, null);
  config.setApplicationProtos([ALPN]);
  config.setMaxIdleTimeout(5000);
  config.setInitialMaxData(1 << 20);
  config.setInitialMaxStreamDataUni(1 << 20);
  config.setInitialMaxStreamsUni(16);
  return config;
}

/** The id and the token that a Retry tells, whose ids have 8 bytes. */
function readRetry(packet: Buffer): { id: Buffer; token: Buffer } {
  return { id: packet.subarray(15, 23), token: packet.subarray(23, -16) };
}

const turns = async (count: number) => {
  for (let n = 0; n < count; n++) await new Promise((resolve) => setImmediate(resolve));
};

describe("a stranger", () => {
  const RATE = { perSecond: 10, burst: 4 };
  let network: MemoryNetwork;
  let clock: SimClock;
  let server: QuicEndpoint;
  let listening: Listening;

  beforeEach(async () => {
    network = new MemoryNetwork();
    clock = new SimClock();
    server = await openEndpoint(
      { intake: { ofAddress: RATE, ofAll: RATE } },
      { openPort: network.openPort, clock },
    );
    listening = new Listening(server);
  });

  afterEach(closeEndpoints);

  it("without a certificate gets no connection: TLS ends it before any of its streams is read", async () => {
    const peer = await RawPeer.open(network, server.address, { config: withoutCertificate });
    const end = await listening.next();
    await peer.until((native) => {
      if (native.isEstablished() && !native.isDraining() && native.peerStreamsLeftUni() > 0)
        native.streamSend(2, Buffer.from("let me in"), false);
      return native.isDraining();
    });
    const { code, reason } = await end.untilClosed();
    assert.equal(code, CERTIFICATE_REQUIRED);
    assert.match(reason, /this side ended it/);
    assert.equal(peer.native.peerError()?.errorCode, CERTIFICATE_REQUIRED);
    assert.equal(end.up, false);
    assert.equal(server.stats.handshakesFailed, 1);
  });

  it("begins so many connections at once, then as many as the rate allows: the rest costs no handshake", async () => {
    const COUNT = 30;
    const peers: RawPeer[] = [];
    for (let n = 0; n < COUNT; n++)
      peers.push(await RawPeer.open(network, server.address, { config: withoutCertificate }));
    await turns(20);
    assert.equal(server.stats.connections, RATE.burst);
    assert.equal(server.stats.dropped["too-busy"], COUNT - RATE.burst);
    clock.advance(100);
    await RawPeer.open(network, server.address, { config: withoutCertificate });
    await turns(20);
    assert.equal(server.stats.handshakesFailed, RATE.burst + 1);
    assert.equal(server.stats.dropped["too-busy"], COUNT - RATE.burst);
  });

  it("has no more room than a handshake takes: what the QUIC layer would keep of it is bounded", async () => {
    network.keepSeen = true;
    // The stranger hears the Retry, and nothing after it.
    network.rule = (packet) =>
      packet.from.port === server.address.port && server.stats.connections > 0 ? [] : [packet];
    const peer = await RawPeer.open(network, server.address, { config: withoutCertificate });
    const end = await listening.next();
    const validated = network.seen.findLast(({ from }) => from.port === peer.address.port);
    assert.ok(validated !== undefined);
    const fits = Math.floor(MAX_HANDSHAKE_BYTES / validated.bytes.length);
    for (let n = 1; n < fits; n++) network.inject(validated);
    await turns(5);
    assert.equal(end.reason, undefined);
    network.inject(validated);
    assert.match((await end.untilClosed()).reason, /more than 65536 bytes in the handshake/);
    assert.equal(server.stats.violations, 1);
  });

  /** Shows that it receives at its address, then sends packets with these frames. */
  async function knock(payloads: readonly Uint8Array[]): Promise<Recorded> {
    clock.advance(1000);
    const answer = later<Buffer>();
    const from = randomBytes(8);
    const port = await network.openPort(
      { host: LOOPBACK, port: 0 },
      { packet: (packet) => answer.resolve(packet), error: () => undefined },
    );
    const send = (packet: Omit<InitialPacket, "from" | "bytes">) => {
      const bytes = initialPacket({ ...packet, from, bytes: 1200 });
      port.send(bytes, bytes.length, server.address, () => undefined);
    };
    send({ to: randomBytes(8), token: new Uint8Array(0), number: 0, payload: Buffer.of(1) });
    const { id, token } = readRetry(await answer.promise);
    for (const [n, payload] of payloads.entries()) send({ to: id, token, number: n + 1, payload });
    const end = await listening.next();
    await turns(3);
    return end;
  }

  it("writes whatever frames into its first packets: nothing falls over, and its connection goes", async () => {
    // CONNECTION_CLOSE with code 5: they are read.
    assert.equal((await (await knock([Buffer.of(0x1c, 5, 0, 0)])).untilClosed()).code, 5);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ minLength: 1, maxLength: 1100 }), { minLength: 1, maxLength: 5 }),
        async (payloads) => {
          const end = await knock(payloads);
          clock.advance(DEFAULT_HANDSHAKE_TIMEOUT_MS);
          await end.untilClosed();
          assert.equal(end.up, false);
        },
      ),
      { numRuns: 100 },
    );
    assert.equal(server.stats.dropped["bad-token"], 0);
    assert.equal(server.stats.nativeErrors, 0);
  });

  it("cannot come back with a session's ticket: every handshake shows a certificate again", async () => {
    const first = await RawPeer.open(network, server.address);
    await (await listening.next()).untilEstablished();
    await first.until((native) => native.isEstablished() && native.session() !== null);
    const session = first.native.session();
    assert.ok(session !== null);
    const again = await RawPeer.open(network, server.address, { session });
    const end = await listening.next();
    await end.untilEstablished();
    await again.until((native) => native.isEstablished());
    assert.equal(again.native.isResumed(), false);
    assert.equal(again.native.isInEarlyData(), false);
    assert.equal(end.connection.peerCertificates.length, 1);
  });

  it("learns no reset token from a socket that takes no connections in", async () => {
    const client = await openEndpoint(
      {},
      { openPort: network.openPort, clock, credentials: proxyCredentials },
    );
    await connectPair(client, server, listening);
    network.keepSeen = true;
    const packet = Buffer.concat([Buffer.of(0x40), randomBytes(60)]);
    const stranger = { host: "127.0.0.1", port: 9999 };
    network.inject({ from: stranger, to: client.address, bytes: packet });
    network.inject({ from: stranger, to: server.address, bytes: packet });
    await turns(3);
    const answers = network.seen.filter(({ to }) => to.port === stranger.port);
    assert.deepEqual(
      answers.map(({ from, bytes }) => [from.port, bytes.length]),
      [[server.address.port, RESET_BYTES]],
    );
  });
});
