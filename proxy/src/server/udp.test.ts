import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { type TestContext, test } from "node:test";
import type { CborValue, Clock } from "@atlasnet/core";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { connectionIdOf, PACKET, TAG_BYTES } from "@atlasnet/udp";
import { ClientHandshake } from "@atlasnet/udp/node";
import { field, framedClient, hello, portOf } from "../testing/test-clients.ts";
import { bench } from "../testing/test-proxy.ts";
import {
  type Accepted,
  type UdpTestClient,
  udpClient,
  udpHandshake,
  udpSocket,
} from "../testing/udp-client.ts";

async function client(t: TestContext, address: string): Promise<UdpTestClient> {
  const opened = await udpClient(address);
  t.after(() => opened.end());
  return opened;
}

async function joined(t: TestContext, address: string): Promise<UdpTestClient> {
  const player = await client(t, address);
  player.send(hello("arena"));
  assert.equal((await player.messages.next())[0], 5);
  return player;
}

/** The code of the close frame. */
async function closeCode(player: UdpTestClient): Promise<CborValue | undefined> {
  const [, code] = await player.messages.until(([kind]) => kind === 6);
  await player.messages.untilEnd();
  assert.equal(player.closeCode(), code);
  return code;
}

async function turn(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

/** A packet of a connection whose client is this test. `number` below 128. */
function sealed({ keys, connectionId }: Accepted, number: number, plain: Uint8Array): Uint8Array {
  const packet = new Uint8Array(8 + plain.length + TAG_BYTES);
  packet[0] = PACKET.sealed;
  for (let i = 0, rest = connectionId; i < 6; i++, rest = Math.floor(rest / 256))
    packet[6 - i] = rest % 256;
  packet[7] = number;
  packet.set(plain, 8);
  keys.seal(number, packet, 8, 8 + plain.length);
  return packet;
}

/** One reliable message there and back; `seq` is its number. */
async function roundTrip(player: UdpTestClient, seq: number): Promise<void> {
  const payload = Uint8Array.of(seq, 7);
  player.send([2, seq, 0, payload]);
  const [, number, , echoed] = await player.messages.until(([kind]) => kind === 2);
  assert.deepEqual([number, echoed], [seq, payload]);
}

/** Answered by the proxy itself, without the clock going on. */
async function ping(player: UdpTestClient): Promise<void> {
  player.send([4, 77]);
  await player.messages.until(([kind]) => kind === 4);
}

test("every welcome says where UDP is and which key is there", async (t) => {
  const { address, proxy } = await bench(t);
  const framed = await framedClient(address);
  t.after(() => framed.end());
  framed.send(hello("arena"));
  const [, welcome] = await framed.messages.next();
  const udp = field(welcome, "udp");
  assert.equal(field(udp, "port"), portOf(address));
  const player = await client(t, address);
  assert.deepEqual(field(udp, "key"), player.serverKey);
  player.send(hello("arena"));
  await player.messages.next();
  assert.deepEqual([proxy.counters.openUdp, proxy.counters.openFramed], [1, 1]);
});

test("without UDP the welcome is silent about it", async (t) => {
  const { address, proxy } = await bench(t, { udp: false });
  const framed = await framedClient(address);
  t.after(() => framed.end());
  framed.send(hello("arena"));
  const [, welcome] = await framed.messages.next();
  assert.equal(field(welcome, "udp"), undefined);
  assert.equal(proxy.udpEndpoint, undefined);
});

test("long messages go in many packets and come whole", async (t) => {
  const { address, gameserver } = await bench(t);
  const player = await joined(t, address);
  const payload = new Uint8Array(60_000).map((_, i) => i % 251);
  player.send([2, 1, 0, payload]);
  assert.deepEqual((await gameserver.entries.next()).payload, payload);
  const [, , , echoed] = await player.messages.until(([kind]) => kind === 2);
  assert.deepEqual(echoed, payload);
});

test("too many connections: UDP and TCP share the total and the number per address", async (t) => {
  for (const limits of [{ connections: 1 }, { connectionsPerAddress: 1 }]) {
    const { address, proxy } = await bench(t, { limits });
    const first = await joined(t, address);
    const second = await framedClient(address);
    second.send([4, 1]);
    assert.deepEqual((await second.messages.next()).slice(0, 2), [6, 4017]);
    const third = await client(t, address);
    third.send(hello("arena"));
    assert.equal(await closeCode(third), 4017);
    first.end();
    while (proxy.counters.openUdp > 1) await turn();
    // The one that was refused is still there for a while, but takes nobody's place.
    await joined(t, address);
  }
});

test("refusals are told to a bounded number; the rest hear nothing", async (t) => {
  const { address, proxy } = await bench(t, { limits: { connections: 0 } });
  const { udp } = proxy.counters;
  const socket = await udpSocket();
  t.after(() => socket.close());
  for (let i = 0; i < 64; i++) await udpHandshake(address, socket);
  assert.equal(udp.unconfirmed, 64);
  const late = new ClientHandshake({ serverKey: undefined }, { randomBytes });
  const send = () => socket.send(late.packet, portOf(address), "127.0.0.1");
  const answers: number[] = [];
  socket.on("message", (packet) => {
    answers.push(packet[0] ?? 0);
    if (late.receive(packet).type === "again") send();
  });
  send();
  while (udp.drops["no-room"] === 0) await turn();
  assert.deepEqual(answers, [PACKET.retry]);
  assert.equal(proxy.counters.closes.get("too-many-connections"), 1);
});

test("silence: no hello in time, then nothing heard; the state is gone after a while", async (t) => {
  const clock = new SimClock();
  const { address, proxy } = await bench(t, { clock });
  const greeter = await joined(t, address);
  const slow = await client(t, address);
  slow.send([4, 1]);
  await slow.messages.next();
  clock.advance(9_000);
  assert.equal(proxy.counters.closes.size, 0);
  clock.advance(2_000);
  assert.equal(await closeCode(slow), 4004);
  clock.advance(30_000);
  assert.equal(await closeCode(greeter), 4019);
  clock.advance(3_000);
  assert.equal(proxy.counters.openUdp, 0);
});

test("a client that acknowledges nothing is closed as a slow consumer", async (t) => {
  const { address, gameserver, proxy } = await bench(t, {
    limits: { reliableBacklogBytes: 100_000 },
  });
  const player = await joined(t, address);
  const { attach } = await gameserver.attaches.next();
  player.deaf(true);
  const payload = new Uint8Array(60_000);
  for (let seq = 1; !proxy.counters.closes.has("slow-consumer"); seq++) {
    gameserver.batch({ sessions: [{ attach, messages: [{ seq, index: 0, payload }] }] });
    await turn();
  }
  player.deaf(false);
  player.send([4, 1]);
  assert.equal(await closeCode(player), 4018);
});

test("a kicked player hears why, again for each packet, and nothing else", async (t) => {
  const { address, gameserver, proxy } = await bench(t);
  const player = await joined(t, address);
  const { attach } = await gameserver.attaches.next();
  player.deaf(true);
  const { udp } = proxy.counters;
  const sent = udp.packetsOut;
  gameserver.close(attach, "kicked");
  while (udp.packetsOut === sent) await turn();
  while (player.unheard.all.length < udp.packetsOut - sent) await player.unheard.next();
  player.deaf(false);
  player.send([4, 1]);
  assert.equal(await closeCode(player), 4013);
});

test("what a client still sends after its close is no news, and gets no reset", async (t) => {
  const clock = new SimClock();
  const { address, proxy } = await bench(t, { clock });
  const player = await joined(t, address);
  const { udp } = proxy.counters;
  const packet = player.sealed[0] ?? new Uint8Array(0);
  player.end();
  while (proxy.counters.openUdp > 0) await turn();
  const socket = await udpSocket();
  t.after(() => socket.close());
  socket.send(packet, portOf(address), "127.0.0.1");
  while (udp.drops.late === 0) await turn();
  assert.equal(udp.resets, 0);
  clock.advance(4_000);
  socket.send(packet, portOf(address), "127.0.0.1");
  while (udp.resets === 0) await turn();
});

test("drain says shutting-down, to newcomers too, and does not wait for those who do not hear", async (t) => {
  const clock = new SimClock();
  const { address, proxy } = await bench(t, { clock, endpoints: [] });
  const [player, vanished] = [await joined(t, address), await joined(t, address)];
  vanished.vanish();
  const drained = proxy.drain(60_000);
  assert.equal(await closeCode(player), 4020);
  const late = await client(t, address);
  late.send(hello("arena"));
  assert.equal(await closeCode(late), 4020);
  clock.advance(1_000);
  await drained;
});

test("stop tells those who are there and frees the port", async (t) => {
  const { address, proxy } = await bench(t);
  const player = await joined(t, address);
  await proxy.stop();
  assert.equal(await closeCode(player), 4020);
  const again = await bench(t, { port: portOf(address) });
  await joined(t, again.address);
});

test("a restarted proxy resets connections it does not know, for the client to notice at once", async (t) => {
  const { address, proxy } = await bench(t);
  const player = await joined(t, address);
  player.deaf(true);
  await proxy.stop();
  const again = await bench(t, { port: portOf(address) });
  player.send([4, 1]);
  await player.resets.next();
  assert.ok(again.proxy.counters.udp.resets > 0);
});

test("a client whose address changes keeps its session; nothing is lost", async (t) => {
  const { address, gameserver, proxy } = await bench(t);
  const player = await joined(t, address);
  await roundTrip(player, 1);
  for (let seq = 2; seq < 12; seq++) {
    if (seq % 4 === 0) await player.rebind();
    await roundTrip(player, seq);
  }
  assert.equal(gameserver.attaches.all.length, 1);
  while (proxy.counters.udp.addressChanges === 0) await new Promise((r) => setTimeout(r, 20));
  assert.deepEqual(
    gameserver.entries.all.filter(({ kind }) => kind === 2).map(({ n }) => n),
    Array.from({ length: 11 }, (_, i) => i + 1),
  );
});

test("replayed, truncated, random and altered packets on a live connection: dropped, counted, harmless", async (t) => {
  const seed = 20_261;
  const random = new SeededRandom(seed);
  const { address, proxy } = await bench(t);
  const player = await joined(t, address);
  await roundTrip(player, 1);
  const good = player.sealed.filter((packet) => packet.length < 1200);
  const id = good[0]?.subarray(0, 7) ?? new Uint8Array(0);
  assert.notEqual(connectionIdOf(good[0] ?? new Uint8Array(0)), undefined);
  // From the client's own address and from a stranger's.
  const other = await udpSocket();
  t.after(() => other.close());
  const { udp } = proxy.counters;
  const drops = () => Object.values(udp.drops).reduce((a, b) => a + b, 0);
  const before = drops();
  let sent = 0;
  for (let i = 0; i < 300; i++) {
    const packet = new Uint8Array(good[random.int(0, good.length - 1)] ?? []);
    const noise = new Uint8Array([...id, ...random.bytes(random.int(20, 100))]);
    const bad = [
      () => packet,
      () => packet.subarray(0, random.int(1, packet.length - 1)),
      () => noise,
      () => {
        const at = random.int(8, packet.length - 1);
        packet[at] = (packet[at] ?? 0) ^ (1 << random.int(0, 7));
        // A number that was not seen yet, or it would not even be looked at.
        packet[7] = 100;
        return packet;
      },
    ][i % 4]?.();
    if (bad === undefined) continue;
    // What is too short to be a packet of this connection may be answered with a reset.
    sent += 1;
    if (random.int(0, 1) === 0) player.raw(bad);
    else other.send(bad, portOf(address), "127.0.0.1");
    if (i % 40 === 0) await turn();
  }
  while (drops() + udp.resets < before + sent) await turn();
  assert.equal(drops() + udp.resets, before + sent, `seed ${seed}`);
  assert.ok(udp.drops.repeated >= 75 && udp.drops["not-genuine"] > 75, `seed ${seed}`);
  await roundTrip(player, 2);
  assert.equal(proxy.counters.closes.size, 0);
});

test("a flood from one address leaves the others' messages alone", async (t) => {
  const { address, proxy } = await bench(t);
  const player = await joined(t, address);
  const attacker = await udpSocket();
  t.after(() => attacker.close());
  const id = player.sealed[0]?.subarray(1, 7) ?? new Uint8Array(0);
  const kinds = [
    Uint8Array.of(PACKET.initiate, 0xa7, 0x4e, 0x45, 0x54, 1, ...new Uint8Array(1194)),
    Uint8Array.of(PACKET.sealed, ...id, 9, ...new Uint8Array(100)),
    Uint8Array.of(PACKET.sealed, ...randomBytes(6), 9, ...new Uint8Array(100)),
    Uint8Array.of(9, 9, 9),
  ];
  for (let seq = 1; seq <= 30; seq++) {
    for (let i = 0; i < 80; i++)
      attacker.send(kinds[i % kinds.length] ?? "", portOf(address), "127.0.0.1");
    await roundTrip(player, seq);
  }
  const { drops } = proxy.counters.udp;
  assert.ok(drops["unknown-type"] > 0 && drops["not-genuine"] > 0);
  assert.equal(proxy.counters.closes.size, 0);
});

test("a client that sends forged packets from its own address is not read any more, its neighbours are", async (t) => {
  const clock = new SimClock();
  const { address, proxy } = await bench(t, { clock });
  const neighbour = await joined(t, address);
  const player = await joined(t, address);
  await ping(player);
  const forged = new Uint8Array(player.sealed[0] ?? []);
  forged[7] = 120;
  const { udp } = proxy.counters;
  const before = udp.packetsIn;
  for (let i = 1; i <= 1_100; i++) {
    player.raw(forged);
    if (i % 50 === 0) while (udp.packetsIn < before + i) await turn();
  }
  assert.ok(udp.drops["not-genuine"] >= 900 && udp.drops["not-genuine"] <= 1_000);
  assert.ok(udp.drops.flood >= 100);
  await ping(neighbour);
  clock.advance(1_001);
  await ping(player);
});

test("genuine packets count against the raw byte rate, whatever is in them", async (t) => {
  const clock = new SimClock();
  const { address, proxy } = await bench(t, {
    clock,
    limits: { bytesPerSecond: 1_000, bytesBurst: 2_000 },
  });
  const socket = await udpSocket();
  t.after(() => socket.close());
  const accepted = await udpHandshake(address, socket);
  const ping = Uint8Array.of(1);
  const closed = new Promise((resolve) => socket.once("message", resolve));
  for (let number = 0; number < 100; number++)
    socket.send(sealed(accepted, number, ping), portOf(address), "127.0.0.1");
  while (proxy.counters.udp.packetsIn < 102) await turn();
  clock.advance(250);
  await closed;
  assert.equal(proxy.counters.closes.get("rate-limited"), 1);
});

test("after the process stood still those who spoke meanwhile are not taken for idle", async (t) => {
  const sim = new SimClock();
  let stalled = 0;
  const clock: Clock = {
    now: () => sim.now() + stalled,
    wallTime: () => sim.wallTime(),
    setTimer: (ms, fn) => sim.setTimer(ms, fn),
  };
  const { address, proxy } = await bench(t, { clock });
  const player = await joined(t, address);
  sim.advance(500);
  stalled = 40_000;
  sim.advance(250);
  await ping(player);
  sim.advance(1_000);
  assert.equal(proxy.counters.closes.size, 0);
  // Whoever is silent is idle all the same, and no second stall in a row excuses anybody.
  stalled += 20_000;
  sim.advance(250);
  stalled += 20_000;
  sim.advance(250);
  assert.equal(proxy.counters.closes.get("idle-timeout"), 1);
});

test("what came early of a stream is counted, and forgotten with its connection", async (t) => {
  const clock = new SimClock();
  const { address, proxy } = await bench(t, { clock });
  const { udp } = proxy.counters;
  const socket = await udpSocket();
  t.after(() => socket.close());
  const accepted = await udpHandshake(address, socket);
  // A byte at offset 200,000 of the stream, and one beyond the window.
  const early = Uint8Array.of(3, 0xc0, 0x9a, 0x0c, 1, 0);
  const beyond = Uint8Array.of(3, 0xc0, 0x9a, 0x7f, 1, 0);
  for (const [number, frame] of [early, beyond].entries())
    socket.send(sealed(accepted, number, frame), portOf(address), "127.0.0.1");
  while (udp.packetsIn < 4) await turn();
  clock.advance(250);
  assert.deepEqual([udp.earlyBytes, udp.packetsUnkept], [256 * 1024, 1]);
  // It said no hello.
  clock.advance(11_000);
  assert.equal(udp.earlyBytes, 0);
});

test("connections that were accepted and stay silent are bounded: the oldest gives way", async (t) => {
  const { address, proxy } = await bench(t, { limits: { unconfirmedConnections: 2 } });
  const { udp } = proxy.counters;
  const player = await joined(t, address);
  const socket = await udpSocket();
  t.after(() => socket.close());
  const oldest = await udpHandshake(address, socket);
  const second = await udpHandshake(address, socket);
  // A newcomer is let in all the same.
  await udpHandshake(address, socket);
  assert.deepEqual([udp.unconfirmed, udp.drops["no-room"]], [2, 1]);
  const ping = Uint8Array.of(1);
  const send = (packet: Uint8Array): void => socket.send(packet, portOf(address), "127.0.0.1");
  send(sealed(oldest, 0, ping));
  while (udp.resets === 0) await turn();
  send(sealed(second, 0, ping));
  while (udp.unconfirmed === 2) await turn();
  assert.deepEqual([udp.unconfirmed, udp.resets], [1, 1]);
  await roundTrip(player, 1);
});

test("random frames, sealed with good keys, end the connection or do nothing; others play on", async (t) => {
  const seed = 4_711;
  const random = new SeededRandom(seed);
  const { address, proxy } = await bench(t);
  const player = await joined(t, address);
  for (let round = 1; round <= 40; round++) {
    const socket = await udpSocket();
    const accepted = await udpHandshake(address, socket);
    for (let number = 0; number < 12; number++) {
      const plain = random.bytes(random.int(0, 1200 - 8 - TAG_BYTES));
      // Mostly a frame that exists, with short varints behind it.
      for (let at = 0; at < plain.length; at += random.int(1, 30)) {
        plain[at] = random.int(1, 8);
        for (let i = 1; i < 4 && at + i < plain.length; i++) plain[at + i] = random.int(0, 40);
      }
      socket.send(sealed(accepted, number, plain), portOf(address), "127.0.0.1");
    }
    await roundTrip(player, round);
    socket.close();
  }
  assert.equal(proxy.counters.udp.drops.fault, 0, `seed ${seed}`);
  assert.equal(proxy.counters.udp.drops["not-genuine"], 0, `seed ${seed}`);
  assert.ok((proxy.counters.closes.get("bad-message") ?? 0) >= 30, `seed ${seed}`);
});
