import assert from "node:assert/strict";
import { test } from "node:test";
import { encodeLinkMessage, type Link, type LinkClosed, type Upstream } from "@atlasnet/core";
import { later } from "@atlasnet/core/testing";
import fc from "fast-check";
import { gameserver, LinkNodes, memoryCredentials, proxy } from "../testing/link-nodes.ts";
import { RawPeer } from "../testing/raw-peer.ts";
import { CloseNumber } from "./close-codes.ts";
import { greetingFrame } from "./control-frames.ts";
import type { QuicNetwork } from "./quic-network.ts";

const mallory = { role: "proxy", node: "mallory" } as const;

const upstream = (epoch: number, bytes = 3): Upstream => ({
  type: "upstream",
  shard: "s",
  epoch,
  batch: new Uint8Array(bytes),
});

interface Scene {
  readonly nodes: LinkNodes;
  readonly far: QuicNetwork;
  /** Connected, and nothing said yet. */
  readonly peer: RawPeer;
  /** The far side's link with the peer, once it is open. */
  readonly link: Promise<Link>;
  /** A link of somebody else, which must not notice. */
  readonly bystander: Link;
}

/** Runs the scene, then shows that a bystander's link still works and nothing was left behind. */
async function withPeer(
  body: (scene: Scene) => Promise<void>,
  limits: { maxQueuedBytes?: number; maxChannels?: number } = {},
): Promise<void> {
  const nodes = new LinkNodes();
  try {
    const far = nodes.node(gameserver, { limits });
    const links: Link[] = [];
    const raw = later<Link>();
    const echoed = later<void>();
    await far.listen((link) => {
      links.push(link);
      if (link.peer.node === mallory.node) raw.resolve(link);
      else link.channel("echo").onMessage((message) => link.channel("echo").send(message));
    });
    const bystander = await nodes.node(proxy).connect(gameserver.node);
    const endpoint = await nodes.hub.open(
      {
        host: "127.0.0.1",
        port: 0,
        idleTimeoutMs: 1000,
        maxPacketBytes: 1350,
        maxConnections: 9,
        maxStreams: 1000,
      },
      {
        credentials: memoryCredentials(mallory),
        clock: nodes.clock,
        logger: { ...console, child: () => assert.fail("unused") },
      },
    );
    assert.ok(far.address);
    const peer = await RawPeer.dial(endpoint, far.address);
    await body({ nodes, far, peer, link: raw.promise, bystander });
    bystander.channel("echo").onMessage(() => echoed.resolve());
    bystander.channel("echo").send(upstream(1));
    await echoed.promise;
    assert.equal(far.links.length, 1);
    assert.deepEqual(nodes.faults, []);
  } finally {
    await nodes.stop();
  }
}

/** The peer did something it may not: both sides end with the code, and the text says what it was. */
async function endsWith(scene: Scene, code: LinkClosed["code"], text: RegExp): Promise<void> {
  const closed = await scene.peer.untilClosed();
  const numbers: { [K in LinkClosed["code"]]?: number } = {
    "bad-message": CloseNumber.badMessage,
    overflow: CloseNumber.overflow,
    "peer-gone": CloseNumber.peerGone,
    refused: CloseNumber.refused,
  };
  assert.equal(closed.by, "peer");
  assert.match(closed.reason, text);
  assert.equal(closed.code, numbers[code]);
}

const message = encodeLinkMessage(upstream(1)).slice();

/** Before the link is open. */
const early: { [title: string]: [(peer: RawPeer) => void, RegExp] } = {
  "messages before hello": [
    (peer) => {
      const stream = peer.openStream();
      peer.sendOpen(stream, 0, "a");
    },
    /messages before hello/,
  ],
  "welcome before hello": [
    (peer) => peer.sendControl(greetingFrame(2, Buffer.from("a0", "hex"))),
    /welcome before hello/,
  ],
  "credit before welcome": [(peer) => peer.sendTaken(0, 1), /credit before welcome/],
  "a control frame that does not exist": [
    (peer) => peer.sendControl(Uint8Array.of(77, 1, 1)),
    /control frame type 77/,
  ],
  "a stream kind that does not exist": [(peer) => peer.openStream(9), /stream kind 9/],
  "a hello that is no CBOR": [
    (peer) => peer.sendControl(greetingFrame(1, Buffer.from("ffffff", "hex"))),
    /hello: versions/,
  ],
  "a hello that is too long": [
    (peer) => peer.sendControl(greetingFrame(1, new Uint8Array(5000))),
    /greeting of 5000 bytes/,
  ],
  "a hello without a boot id": [
    (peer) =>
      peer.sendAnyHello({ versions: { oldest: 1, newest: 2 }, role: "proxy", node: "mallory" }),
    /hello: boot/,
  ],
  "two control streams": [
    (peer) => {
      peer.openStream(0);
      peer.openStream(0);
    },
    /second control stream/,
  ],
  "a hello twice": [
    (peer) => {
      peer.sendHello(mallory);
      peer.sendHello(mallory);
    },
    /second hello/,
  ],
  "a number of eight bytes": [
    (peer) => peer.sendControl(Uint8Array.of(1, 0xff, 0xff)),
    /number of eight bytes/,
  ],
};

for (const [title, [act, text]] of Object.entries(early))
  test(`before the link is open: ${title}`, () =>
    withPeer(async (scene) => {
      act(scene.peer);
      await endsWith(scene, "bad-message", text);
      assert.equal(scene.far.stats.closed, 0, "a link was handed out");
    }));

/** On an open link; `stream` carries channel 0, named `a`. */
const onLink: {
  [title: string]: [(peer: RawPeer, stream: number) => void, LinkClosed["code"], RegExp];
} = {
  "garbage for a frame": [
    (peer, stream) => peer.send(stream, Uint8Array.of(200, 200, 200)),
    "bad-message",
    /frame type 200/,
  ],
  "a message that is no CBOR": [
    (peer, stream) => peer.sendPiece(stream, 0, new Uint8Array(20).fill(255)),
    "bad-message",
    /channel a: /,
  ],
  "a message of an unknown type": [
    (peer, stream) => peer.sendPiece(stream, 0, Buffer.from("a1647479706563666f6f", "hex")),
    "bad-message",
    /unknown type foo/,
  ],
  "an empty message": [
    (peer, stream) => peer.send(stream, Uint8Array.of(2, 0, 0)),
    "bad-message",
    /message of 0 bytes/,
  ],
  "a message that is too large": [
    (peer, stream) => peer.send(stream, Uint8Array.of(2, 0, 0xbf, 0xff, 0xff, 0xff)),
    "bad-message",
    /message of 1073741823 bytes/,
  ],
  "a channel that was not opened": [
    (peer, stream) => peer.sendPiece(stream, 5, message),
    "bad-message",
    /channel 5 was not opened/,
  ],
  "a channel of another stream": [
    (peer) => peer.sendPiece(peer.openStream(), 0, message),
    "bad-message",
    /channel 0 was not opened on this stream/,
  ],
  "a piece of nothing": [
    (peer, stream) => peer.send(stream, Uint8Array.of(3, 0, 1)),
    "bad-message",
    /piece of no message/,
  ],
  "a message within a message": [
    (peer, stream) => {
      peer.sendPiece(stream, 0, new Uint8Array(40_000));
      peer.sendPiece(stream, 0, message);
    },
    "bad-message",
    /message within another/,
  ],
  "a channel number twice": [
    (peer, stream) => peer.sendOpen(stream, 0, "b"),
    "bad-message",
    /number 0 was opened twice/,
  ],
  "a channel name twice": [
    (peer, stream) => peer.sendOpen(stream, 1, "a"),
    "bad-message",
    /channel a was opened twice/,
  ],
  "a name that is too long": [
    (peer, stream) => peer.sendOpen(stream, 1, "x".repeat(200)),
    "bad-message",
    /name of 200 letters/,
  ],
  "a name that is no UTF-8": [
    (peer, stream) => peer.send(stream, Uint8Array.of(1, 1, 2, 0xff, 0xff)),
    "bad-message",
    /no UTF-8/,
  ],
  "one channel too many": [
    (peer, stream) => {
      for (let n = 1; n <= 5; n++) peer.sendOpen(stream, n, `c${n}`);
    },
    "overflow",
    /a link has at most 4/,
  ],
  "more than the channel takes": [
    (peer, stream) => {
      peer.sendOpen(stream, 1, "nobody");
      for (let n = 0; n < 20; n++) peer.sendPiece(stream, 1, new Uint8Array(16_000));
    },
    "overflow",
    /more on channel nobody than is taken here/,
  ],
  "credit for what was not sent": [
    (peer) => peer.sendTaken(0, 1),
    "bad-message",
    /credit for channel 0, which does not exist/,
  ],
  "streams without end": [
    (peer) => {
      for (let n = 0; n < 50; n++) peer.openStream();
    },
    "bad-message",
    /more than 16 streams/,
  ],
  "a datagram that is too large": [
    (peer) => peer.connection.sendDatagram(new Uint8Array(1101)),
    "bad-message",
    /datagram of 1101 bytes/,
  ],
  "hello again": [(peer) => peer.sendHello(mallory), "bad-message", /second hello/],
};

for (const [title, [act, code, text]] of Object.entries(onLink))
  test(`on an open link: ${title}`, () =>
    withPeer(
      async (scene) => {
        await scene.peer.greet(mallory);
        const link = await scene.link;
        link.channel("a").onMessage(() => {});
        const stream = scene.peer.openStream();
        scene.peer.sendOpen(stream, 0, "a");
        act(scene.peer, stream);
        await endsWith(scene, code, text);
        const closed = await link.closed;
        assert.equal(closed.code, code);
        assert.match(closed.detail ?? "", text);
      },
      { maxChannels: 4, maxQueuedBytes: 100_000 },
    ));

test("room asked for on many channels, and nothing sent", () =>
  withPeer(
    async (scene) => {
      const { peer } = scene;
      await peer.greet(mallory);
      const stream = peer.openStream();
      for (let n = 0; n < 5; n++) {
        peer.sendOpen(stream, n, `c${n}`);
        peer.sendPiece(stream, n, new Uint8Array(99_000));
      }
      await endsWith(scene, "overflow", /more on channel c4 than is taken/);
    },
    { maxQueuedBytes: 100_000 },
  ));

test("a stream that ends, which no link does", () =>
  withPeer(async (scene) => {
    const { peer, nodes } = scene;
    await peer.greet(mallory);
    const stream = peer.openStream();
    const { connection } = peer;
    assert.ok("endStream" in connection && typeof connection.endStream === "function");
    connection.endStream(stream);
    await endsWith(scene, "bad-message", /ended one of its streams/);
    assert.deepEqual(nodes.faults, []);
  }));

test("credit for more than was sent", () =>
  withPeer(async (scene) => {
    const { peer } = scene;
    await peer.greet(mallory);
    const link = await scene.link;
    link.channel("a").send(upstream(1));
    await peer.until(() => peer.messages.length === 1);
    peer.sendTaken(0, 1_000_000);
    await endsWith(scene, "bad-message", /credit of 1000000 for channel a/);
  }));

test("a peer that never takes anything: the sender is stalled, then its link overflows", () =>
  withPeer(
    async (scene) => {
      const { peer, far } = scene;
      await peer.greet(mallory);
      const link = await scene.link;
      const channel = link.channel("a");
      for (let n = 0; n < 100; n++) channel.send(upstream(n, 4000));
      assert.deepEqual(await link.closed, {
        code: "overflow",
        detail: "channel a: more than 100000 bytes queued",
      });
      await endsWith(scene, "overflow", /more than 100000 bytes/);
      assert.equal(far.stats.queuedBytes, 0);
      assert.equal(far.stats.overflows, 1);
    },
    { maxQueuedBytes: 100_000 },
  ));

test("a peer that takes less than we would is sent no more than that", () =>
  withPeer(async (scene) => {
    const { peer } = scene;
    await peer.greet(mallory, { maxQueuedBytes: 5000, maxChannels: 2, maxDatagramBytes: 1001 });
    const link = await scene.link;
    assert.equal(link.maxDatagramBytes, 1001);
    link.channel("a");
    link.channel("b");
    assert.throws(() => link.channel("c"), RangeError);
    link.channel("a").send(upstream(1, 5000));
    assert.equal((await link.closed).code, "overflow");
  }));

test("whatever bytes come on whatever streams, the link ends with a code or goes on", () =>
  fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(fc.constantFrom(0, 1, 1, 1, 2), fc.uint8Array({ minLength: 1, maxLength: 60 })),
        { minLength: 1, maxLength: 8 },
      ),
      (writes) =>
        withPeer(async ({ peer, link, nodes }) => {
          await peer.greet(mallory);
          const streams = [peer.openStream(), peer.openStream(), peer.openStream(0)];
          peer.sendOpen(streams[0] ?? 0, 0, "a");
          for (const [index, bytes] of writes) peer.send(streams[index] ?? 0, bytes);
          const { code } = await (await link).closed;
          // The third stream is a control stream too many, so it does end.
          assert.match(code, /^(bad-message|overflow)$/);
          assert.deepEqual(nodes.faults, []);
        }),
    ),
    { numRuns: 40 },
  ));

test("a peer that says nothing is let go after the handshake's time", () =>
  withPeer(async (scene) => {
    await endsWith(scene, "peer-gone", /handshake was not done within 400 ms/);
  }));

test("messages that came before the welcome open the link: the welcome was only slower", () =>
  withPeer(async ({ peer, link }) => {
    peer.sendHello(mallory);
    await peer.until(() => peer.welcomeSeen !== undefined);
    const stream = peer.openStream();
    peer.sendOpen(stream, 0, "a");
    peer.sendPiece(stream, 0, message);
    const arrived = later<number>();
    (await link).channel("a").onMessage((m) => arrived.resolve("epoch" in m ? m.epoch : -1));
    assert.equal(await arrived.promise, 1);
    (await link).close({ code: "closed" });
    assert.equal((await peer.untilClosed()).code, CloseNumber.closed);
  }));
