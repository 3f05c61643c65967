import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeLinkMessage, type Link, type LinkMessage, noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { goldenLinkMessages, later } from "@atlasnet/core/testing";
import { createTestCa } from "@atlasnet/identity/testing";
import { gameserver, proxy } from "../testing/link-nodes.ts";
import { RawPeer } from "../testing/raw-peer.ts";
import { QuicEndpoint } from "../transport/quic-endpoint.ts";
import type { HostPort } from "./endpoints.ts";
import { QuicNetwork } from "./quic-network.ts";

const ca = await createTestCa();
const identities = { proxy: await ca.issue(proxy), gameserver: await ca.issue(gameserver) };
const golden = Object.entries(goldenLinkMessages(1)).map(([type, hex]) => ({
  type,
  bytes: Buffer.from(hex, "hex"),
}));
const onlyVersion1 = { versions: { oldest: 1, newest: 1 }, software: "the previous version" };

function endpointOf(role: "proxy" | "gameserver"): Promise<QuicEndpoint> {
  return QuicEndpoint.open(
    { host: "127.0.0.1", port: 0, idleTimeoutMs: 5000, maxPacketBytes: 1350, maxConnections: 4 },
    { credentials: identities[role], logger: noopLogger },
  );
}

function networkOf(self: typeof proxy | typeof gameserver, to?: HostPort): QuicNetwork {
  return new QuicNetwork(
    {
      self,
      accepts: ["proxy", "gameserver"],
      host: "127.0.0.1",
      port: 0,
      idleTimeoutMs: 5000,
      maxPacketBytes: 1350,
      bulkBytesPerSecond: 1_000_000,
    },
    {
      credentials: identities[self.role],
      verifyPeer: ca.verifyPeer,
      lookup: () => (to === undefined ? undefined : { ...to, role: "gameserver" }),
      clock: systemClock,
      random: systemRandom,
      logger: noopLogger,
      now: Date.now,
    },
  );
}

/** The previous version's bytes arrive as what they mean; what is sent to it, it would understand. */
async function talk(peer: RawPeer, link: Link): Promise<void> {
  assert.ok(link.speaks("upstream") && !link.speaks("raft") && !link.speaks("replica-open"));
  const arrived: LinkMessage[] = [];
  const all = later<void>();
  link.channel("shard:arena").onMessage((message) => {
    arrived.push(message);
    if (arrived.length === golden.length) all.resolve();
  });
  const stream = peer.openStream();
  peer.sendOpen(stream, 7, "shard:arena");
  for (const { bytes } of golden) peer.sendPiece(stream, 7, bytes);
  await all.promise;
  assert.deepEqual(
    arrived.map(({ type }) => type),
    golden.map(({ type }) => type),
  );
  for (const message of arrived)
    link
      .channel("back")
      .send(message.type === "upstream" ? { ...message, trace: new Uint8Array(27) } : message);
  await peer.until(() => peer.messages.length === golden.length);
  for (const [index, { bytes, channel }] of peer.messages.entries()) {
    assert.equal(channel, "back");
    assert.deepEqual(decodeLinkMessage(bytes, 1), { ok: true, message: arrived[index] });
  }
  // What was taken is reported, so the previous version's queue gets empty.
  const cost = golden.reduce((sum, { bytes }) => sum + bytes.length + 64, 0);
  const reported = () =>
    peer.takenSeen.reduce((sum, taken) => sum + (taken.number === 7 ? taken.cost : 0), 0);
  await peer.until(() => reported() >= cost);
  assert.equal(reported(), cost);
  assert.deepEqual(peer.problems, []);
}

test("a node of the previous version dials a current one", async () => {
  const far = networkOf(gameserver);
  const endpoint = await endpointOf("proxy");
  const taken = later<Link>();
  await far.listen(taken.resolve);
  assert.ok(far.address);
  const peer = await RawPeer.dial(endpoint, far.address);
  await peer.greet(proxy, onlyVersion1, 1);
  assert.equal(peer.welcomeSeen, 1);
  await talk(peer, await taken.promise);
  assert.equal(far.links[0]?.version, 1);
  await far.stop();
  await endpoint.close();
});

test("a current node dials one of the previous version", async () => {
  const endpoint = await endpointOf("gameserver");
  const accepting = RawPeer.accept(endpoint);
  const near = networkOf(proxy, endpoint.address);
  const dialling = near.connect("g1");
  const peer = await accepting;
  await peer.greet(gameserver, onlyVersion1, 1);
  await talk(peer, await dialling);
  await near.stop();
  await endpoint.close();
});
