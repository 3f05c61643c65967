import assert from "node:assert/strict";
import { after, type TestContext, test } from "node:test";
import { type Link, LinkError, noopLogger } from "@atlasnet/core";
import { later } from "@atlasnet/core/testing";
import { createTestCa } from "@atlasnet/identity/testing";
import { startRelay } from "@atlasnet/netem";
import { gameserver, proxy } from "../testing/link-nodes.ts";
import { RawPeer } from "../testing/raw-peer.ts";
import { type RealNode, realNode } from "../testing/real-nodes.ts";
import { QuicEndpoint } from "../transport/quic-endpoint.ts";
import { CloseNumber } from "./close-codes.ts";
import type { QuicNetwork, QuicNetworkDependencies } from "./quic-network.ts";

const DAY_MS = 86_400_000;
const ca = await createTestCa({ cluster: "ours" });
const { verifyPeer } = ca;
const gameserverIdentity = await ca.issue(gameserver);
const proxyIdentity = await ca.issue(proxy);

const taken: Link[] = [];
const far = realNode({ identity: gameserverIdentity, verifyPeer });
await far.listen((link) => taken.push(link));
after(() => far.stop());

/** A proxy that finds the gameserver; stopped after the test. */
function dialler(
  t: TestContext,
  node: RealNode,
  dependencies: Partial<QuicNetworkDependencies> = {},
): QuicNetwork {
  const network = realNode({ ...node, to: () => far.address }, {}, dependencies);
  t.after(() => network.stop());
  return network;
}

async function refused(connecting: Promise<Link>, text: RegExp): Promise<void> {
  const before = taken.length;
  await assert.rejects(connecting, (error) => {
    assert.ok(error instanceof LinkError, String(error));
    assert.match(error.message, text);
    return error.code === "refused";
  });
  assert.equal(taken.length, before, "the other side took it for a link");
}

test("a proxy of a foreign CA is refused, by whichever side sees it first", async (t) => {
  const foreign = await createTestCa({ cluster: "ours" });
  const identity = await foreign.issue(proxy);
  const near = dialler(t, { identity, verifyPeer: foreign.verifyPeer });
  await refused(near.connect("g1"), /foreign-ca/);
  // It takes the peer for good itself: then the other side refuses.
  const trusting = dialler(t, { identity, verifyPeer });
  await refused(trusting.connect("g1"), /at 127.*: gameserver g1: .*foreign-ca/);
});

test("an expired certificate, and one of the future, are refused", async (t) => {
  const now = Date.now();
  const spans: [{ notBefore: number; notAfter: number }, RegExp][] = [
    [{ notBefore: now - 9 * DAY_MS, notAfter: now - DAY_MS }, /expired/],
    [{ notBefore: now + DAY_MS, notAfter: now + 9 * DAY_MS }, /not-yet-valid/],
  ];
  for (const [span, text] of spans) {
    const identity = await ca.issue(proxy, span);
    const near = dialler(t, { identity, verifyPeer });
    await refused(near.connect("g1"), text);
  }
});

test("a wrong clock sees a certificate of the future, and says so", async (t) => {
  const now = () => Date.now() - 400 * DAY_MS;
  const near = dialler(t, { identity: proxyIdentity, verifyPeer }, { now });
  await refused(near.connect("g1"), /not-yet-valid/);
});

test("a renewed certificate is used from the next link on", async (t) => {
  const expired = await ca.issue(proxy, { notBefore: 0, notAfter: Date.now() - DAY_MS });
  const near = dialler(t, { identity: expired, verifyPeer });
  await refused(near.connect("g1"), /expired/);
  near.setCredentials(proxyIdentity);
  await near.connect("g1");
});

test("a cut ends the link as peer-gone on both sides, and the next one has a higher generation", async (t) => {
  const idle = { idleTimeoutMs: 600, connectTimeoutMs: 3000 };
  const arrivals = [later<Link>(), later<Link>()] as const;
  let count = 0;
  const cutOff = realNode({ identity: gameserverIdentity, verifyPeer }, idle);
  t.after(() => cutOff.stop());
  await cutOff.listen((link) => arrivals[count++ === 0 ? 0 : 1].resolve(link));
  assert.ok(cutOff.address);
  const relay = await startRelay({ target: cutOff.address, tcp: false });
  t.after(() => relay.stop());
  const near = realNode({ identity: proxyIdentity, verifyPeer, to: () => relay.address }, idle);
  t.after(() => near.stop());
  const first = await near.connect("g1");
  const firstThere = await arrivals[0].promise;
  relay.setConditions({ loss: 1 });
  assert.equal((await first.closed).code, "peer-gone");
  assert.equal((await firstThere.closed).code, "peer-gone");
  relay.setConditions({ loss: 0 });
  const second = await near.connect("g1");
  assert.ok(second.generation > first.generation);
  const there = await arrivals[1].promise;
  assert.ok(there.generation > firstThere.generation);
  await echoed(second, there);
});

test("a peer that sends garbage over a real connection is closed with the code, others go on", async (t) => {
  const near = dialler(t, { identity: proxyIdentity, verifyPeer });
  const bystander = await near.connect("g1");
  const mallory = { role: "proxy", node: "mallory" } as const;
  const endpoint = await QuicEndpoint.open(
    { host: "127.0.0.1", port: 0, idleTimeoutMs: 5000, maxPacketBytes: 1350, maxConnections: 4 },
    { credentials: await ca.issue(mallory), logger: noopLogger },
  );
  t.after(() => endpoint.close());
  const address = far.address;
  assert.ok(address);
  const early = await RawPeer.dial(endpoint, address);
  early.openStream(200);
  const closedEarly = await early.untilClosed();
  assert.equal(closedEarly.code, CloseNumber.badMessage);
  assert.match(closedEarly.reason, /stream kind 200/);
  const peer = await RawPeer.dial(endpoint, address);
  await peer.greet(mallory);
  const stream = peer.openStream();
  peer.sendOpen(stream, 0, "a");
  peer.send(stream, Uint8Array.of(99));
  assert.equal((await peer.untilClosed()).code, CloseNumber.badMessage);
  const there = taken.findLast((link) => link.peer.node === "p1");
  assert.ok(there);
  await echoed(bystander, there);
});

/** A message goes over a link and back. */
async function echoed(here: Link, there: Link): Promise<void> {
  const back = later<void>();
  here.channel("echo").onMessage(() => back.resolve());
  there.channel("echo").onMessage((message) => there.channel("echo").send(message));
  here.channel("echo").send({ type: "shard-reset", shard: "s", epoch: 1 });
  await back.promise;
}
