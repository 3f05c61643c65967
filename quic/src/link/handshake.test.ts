import assert from "node:assert/strict";
import { test } from "node:test";
import {
  LINK_VERSIONS,
  type Link,
  LinkError,
  type LinkVersions,
  type Logger,
  noopLogger,
} from "@atlasnet/core";
import { later } from "@atlasnet/core/testing";
import { gameserver, LinkNodes, memoryCredentials, proxy } from "../testing/link-nodes.ts";
import { RawPeer } from "../testing/raw-peer.ts";

async function withNodes(body: (nodes: LinkNodes) => Promise<void>): Promise<void> {
  const nodes = new LinkNodes();
  try {
    await body(nodes);
  } finally {
    await nodes.stop();
  }
}

/** Resolves with the first warning's reason. */
function warnings(): { logger: Logger; first: Promise<string> } {
  const first = later<string>();
  const logger: Logger = {
    ...noopLogger,
    child: () => logger,
    warn: (_message, facts) => first.resolve(String(facts?.["reason"])),
  };
  return { logger, first: first.promise };
}

function refusedWith(text: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof LinkError);
    assert.match(error.message, text);
    assert.equal(error.code, "refused");
    return true;
  };
}

test("a peer with a bad certificate is refused, and both sides say why", () =>
  withNodes(async (nodes) => {
    const { logger, first } = warnings();
    const far = nodes.node(gameserver, {}, { logger });
    await far.listen(() => assert.fail("it was taken in"));
    const problem = "the certificate of p1 expired at 2026-01-01T00:00:00Z";
    const credentials = { ...memoryCredentials(proxy), certificate: JSON.stringify({ problem }) };
    const near = nodes.node(proxy, {}, { credentials });
    const text = /expired at 2026-01-01/;
    await assert.rejects(near.connect("g1"), refusedWith(text));
    assert.match(await first, text);
    assert.equal(far.stats.opened, 0);
  }));

test("a certificate that the check chokes on is refused like any other", () =>
  withNodes(async (nodes) => {
    await nodes.node(gameserver).listen(() => assert.fail("it was taken in"));
    const credentials = { ...memoryCredentials(proxy), certificate: "{" };
    const near = nodes.node(proxy, {}, { credentials });
    await assert.rejects(near.connect("g1"), refusedWith(/cannot be read.*bad-certificate/));
  }));

test("a node that is not the one asked for is refused by the dialler", () =>
  withNodes(async (nodes) => {
    const { logger, first } = warnings();
    const far = nodes.node({ role: "gameserver", node: "g2" }, {}, { logger });
    await far.listen(() => assert.fail("it was taken in"));
    assert.ok(far.address);
    nodes.addresses.set("g1", { ...far.address, role: "gameserver" });
    const text = /looked for node g1, but node g2 answered: check the address of g1/;
    await assert.rejects(nodes.node(proxy).connect("g1"), refusedWith(text));
    assert.match(await first, text);
  }));

test("a role that is not wanted is refused by either side", () =>
  withNodes(async (nodes) => {
    const far = nodes.node(gameserver, { accepts: ["gameserver"] });
    await far.listen(() => assert.fail("it was taken in"));
    await assert.rejects(
      nodes.node(proxy).connect("g1"),
      refusedWith(/wrong role: p1 is a proxy, links are taken with gameserver only/),
    );
    assert.ok(far.address);
    nodes.addresses.set("g1 as a proxy", { ...far.address, role: "proxy" });
    await assert.rejects(
      nodes.node(proxy, { accepts: ["gameserver"] }).connect("g1 as a proxy"),
      refusedWith(/a proxy opens no links to a proxy/),
    );
  }));

test("a peer whose certificate names the node itself is refused", () =>
  withNodes(async (nodes) => {
    const far = nodes.node(gameserver);
    await far.listen(() => assert.fail("it was taken in"));
    const credentials = memoryCredentials({ role: "proxy", node: "g1" });
    const twin = nodes.node({ role: "proxy", node: "twin" }, {}, { credentials });
    await assert.rejects(twin.connect("g1"), refusedWith(/names this very node/));
  }));

test("a peer that calls itself otherwise than its certificate is refused", () =>
  withNodes(async (nodes) => {
    const far = nodes.node(gameserver);
    await far.listen(() => assert.fail("it was taken in"));
    const endpoint = await nodes.hub.open(
      { host: "", port: 0, idleTimeoutMs: 1, maxPacketBytes: 1350, maxConnections: 1 },
      { credentials: memoryCredentials(proxy), clock: nodes.clock, logger: noopLogger },
    );
    assert.ok(far.address);
    const peer = await RawPeer.dial(endpoint, far.address);
    peer.sendHello({ role: "proxy", node: "p2" });
    assert.match((await peer.untilClosed()).reason, /calls itself proxy p2.* says proxy p1/);
  }));

for (const versions of [
  { oldest: 99, newest: 99 },
  { oldest: 0, newest: 0 },
] satisfies LinkVersions[])
  for (const side of ["dialler", "listener"])
    test(`a ${side} that speaks version ${versions.newest} only is refused by name on both sides`, () =>
      withNodes(async (nodes) => {
        const { logger, first } = warnings();
        const theirs = { versions, software: "other" };
        const far = nodes.node(gameserver, side === "listener" ? theirs : {}, { logger });
        await far.listen(() => assert.fail("it was taken in"));
        const near = nodes.node(proxy, side === "dialler" ? theirs : {});
        const speaks = versions.newest;
        const ours = `${LINK_VERSIONS.oldest} to ${LINK_VERSIONS.newest}`;
        const text = new RegExp(
          `incompatible version: .*(${ours}.* ${speaks}:|versions ${speaks}, .* ${ours}:) upgrade the older`,
        );
        await assert.rejects(near.connect("g1"), refusedWith(text));
        assert.match(await first, text);
      }));

test("a node that does not answer, is not known or is stopped is unreachable, and the text says what to do", () =>
  withNodes(async (nodes) => {
    const near = nodes.node(proxy, { connectTimeoutMs: 30 });
    nodes.addresses.set("silent", { host: "127.0.0.1", port: 9, role: "gameserver" });
    const unreachable = (text: RegExp) => (error: unknown) => {
      assert.ok(error instanceof LinkError);
      assert.match(error.message, text);
      return error.code === "unreachable";
    };
    await assert.rejects(
      near.connect("silent"),
      unreachable(/node silent at 127\.0\.0\.1:9: no answer.*is it running/),
    );
    nodes.addresses.set("nowhere", { host: "not a name", port: 9, role: "gameserver" });
    await assert.rejects(
      near.connect("nowhere"),
      unreachable(/node nowhere: its address cannot be found: .*not a name/),
    );
    await assert.rejects(near.connect("g9"), unreachable(/node g9: .*links\.peers/));
    await assert.rejects(near.connect("p1"), unreachable(/this very node/));
    await near.stop();
    await assert.rejects(near.connect("silent"), unreachable(/stopped/));
  }));

test("a second connect while the first is on its way gives the same link", () =>
  withNodes(async (nodes) => {
    await nodes.node(gameserver).listen(() => {});
    const near = nodes.node(proxy);
    const [a, b] = await Promise.all([near.connect("g1"), near.connect("g1")]);
    assert.equal(a, b);
    assert.equal(near.stats.opened, 1);
  }));

test("a newer link takes the older one's place, which closes as peer-gone on both sides", () =>
  withNodes(async (nodes) => {
    const taken: Link[] = [];
    const far = nodes.node(gameserver);
    await far.listen((link) => taken.push(link));
    const near = nodes.node(proxy);
    const first = await near.connect("g1");
    const second = await near.connect("g1");
    for (const link of [first, taken[0]]) {
      assert.ok(link);
      const reason = await link.closed;
      assert.equal(reason.code, "peer-gone");
      assert.match(reason.detail ?? "", /superseded/);
    }
    assert.ok(second.generation > first.generation);
    assert.equal(near.links.length, 1);
    // A restarted process has another boot id, and counts from the beginning.
    const restarted = nodes.node(proxy);
    await restarted.connect("g1");
    const { code, detail } = await second.closed;
    assert.equal(code, "peer-gone");
    assert.match(detail ?? "", /started again, or two processes have this node\.id/);
    assert.equal(far.links.length, 1);
  }));

test("two nodes that dial each other at once end with one link, the same for both", async () => {
  // The delays decide who sees what first: they are drawn anew in every round.
  for (let round = 0; round < 20; round++) {
    const nodes = new LinkNodes({ minDelayMs: 0, maxDelayMs: 4 });
    const a = nodes.node({ role: "gameserver", node: "a" });
    const b = nodes.node({ role: "gameserver", node: "b" });
    const links = new Map<string, Link>();
    const arrived = later<void>();
    await a.listen((link) => links.set("b's", link));
    await b.listen((link) => {
      links.set("a's", link);
      if (link.peer.node === "a") arrived.resolve();
    });
    const [fromA] = await Promise.allSettled([a.connect("b"), b.connect("a")]);
    assert.equal(fromA.status, "fulfilled", "reason" in fromA ? String(fromA.reason) : "");
    await arrived.promise;
    await links.get("b's")?.closed;
    assert.equal(a.links.length, 1);
    assert.equal(b.links.length, 1);
    const echo = later<void>();
    links
      .get("a's")
      ?.channel("x")
      .onMessage(() => echo.resolve());
    if (fromA.status === "fulfilled")
      fromA.value.channel("x").send({ type: "shard-reset", shard: "s", epoch: 1 });
    await echo.promise;
    await nodes.stop();
  }
});

test("stopping closes every link, and the peers are told", () =>
  withNodes(async (nodes) => {
    const far = nodes.node(gameserver);
    await far.listen(() => {});
    const link = await nodes.node(proxy).connect("g1");
    await far.stop();
    assert.deepEqual(await link.closed, { code: "closed", detail: "node g1 stops" });
    await far.stop();
  }));
