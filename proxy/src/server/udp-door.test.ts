import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { createSocket, type Socket } from "node:dgram";
import { type TestContext, test } from "node:test";
import { OperatingError } from "@atlasnet/core";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { PACKET } from "@atlasnet/udp";
import { ClientHandshake } from "@atlasnet/udp/node";
import { Arrivals } from "../testing/arrivals.ts";
import { portOf } from "../testing/test-clients.ts";
import { type Bench, bench, startBench } from "../testing/test-proxy.ts";
import { udpSocket } from "../testing/udp-client.ts";

/** A socket that sends what it is told and counts bytes; it knows no protocol. */
interface Stranger {
  readonly socket: Socket;
  readonly answers: Arrivals<Uint8Array>;
  sent: number;
  send(packet: Uint8Array): void;
  /** Waits until the proxy has seen all that was sent so far. */
  seen(): Promise<void>;
}

async function stranger(t: TestContext, { address, proxy }: Bench): Promise<Stranger> {
  const socket = await udpSocket();
  t.after(() => socket.close());
  const answers = new Arrivals<Uint8Array>();
  socket.on("message", (packet) => answers.add(packet));
  const before = proxy.counters.udp.packetsIn;
  let packets = 0;
  const self: Stranger = {
    socket,
    answers,
    sent: 0,
    send: (packet) => {
      packets += 1;
      self.sent += packet.length;
      socket.send(packet, portOf(address), "127.0.0.1");
    },
    seen: async () => {
      while (proxy.counters.udp.packetsIn < before + packets)
        await new Promise((resolve) => setImmediate(resolve));
    },
  };
  return self;
}

const dropped = ({ proxy }: Bench): number =>
  Object.values(proxy.counters.udp.drops).reduce((a, b) => a + b, 0);

function handshake(): ClientHandshake {
  return new ClientHandshake({ serverKey: undefined }, { randomBytes });
}

/** Sends the initiate, and again with the cookie; the initiate with the cookie. */
async function withCookie(guest: Stranger, client = handshake()): Promise<Uint8Array> {
  guest.send(client.packet);
  assert.equal(client.receive(await guest.answers.next()).type, "again");
  return client.packet;
}

test("the welcome's port and the TCP port have one number, and both are named when taken", async (t) => {
  const { proxy, address } = await bench(t);
  assert.equal(proxy.udpEndpoint?.port, portOf(address));
  assert.equal(proxy.udpEndpoint?.key.length, 32);
  const other = createSocket("udp4");
  await new Promise<void>((resolve) => other.bind(0, "127.0.0.1", resolve));
  t.after(() => other.close());
  const { port } = other.address();
  await assert.rejects(startBench({ port }), (error) => {
    assert.ok(error instanceof OperatingError);
    assert.equal(error.code, "port-in-use");
    assert.match(error.message, /proxy\.port: 127\.0\.0\.1:\d+\/udp is in use/);
    return true;
  });
  await assert.rejects(startBench({ udp: { port } }), /proxy\.udp\.port/);
  const apart = await bench(t, { udp: { port: 0 } });
  assert.notEqual(apart.proxy.udpEndpoint?.port, undefined);
});

test("random, short, forged and old packets: never more bytes out than came in, all counted", async (t) => {
  const seed = 77;
  const random = new SeededRandom(seed);
  const clock = new SimClock();
  const started = await bench(t, { clock });
  const guest = await stranger(t, started);
  const old = await withCookie(guest);
  clock.advance(20_000);
  const firsts = Object.values(PACKET);
  for (let i = 0; i < 600; i++) {
    const packet = random.bytes(random.int(0, 3) === 0 ? 1200 : random.int(6, 1199));
    // The head of an initiate on some; the first byte of something known on most.
    if (random.int(0, 3) > 0) packet[0] = firsts[random.int(0, firsts.length - 1)] ?? 0;
    if (random.int(0, 3) === 0) packet.set([1, 0xa7, 0x4e, 0x45, 0x54, random.int(0, 2)]);
    if (random.int(0, 9) === 0) packet.set(old.subarray(0, random.int(1, packet.length)));
    guest.send(packet);
    if (i % 50 === 0) await guest.seen();
  }
  guest.send(old);
  await guest.seen();
  const { udp } = started.proxy.counters;
  assert.ok(udp.bytesOut <= udp.bytesIn, `seed ${seed}: ${udp.bytesOut} > ${udp.bytesIn}`);
  assert.equal(dropped(started) + udp.retries + udp.resets, 602);
  assert.equal(udp.handshakes, 0);
  assert.equal(udp.unconfirmed, 0);
  assert.ok(udp.drops["bad-cookie"] > 0 && udp.drops.malformed > 0 && udp.drops.version > 0);
  assert.ok(udp.resets > 0 && udp.drops["unknown-type"] > 0);
});

test("each packet that is answered is at least as long as its answer", async (t) => {
  const started = await bench(t);
  const guest = await stranger(t, started);
  const sealed = new Uint8Array(24);
  sealed[0] = PACKET.sealed;
  for (const packet of [await withCookie(guest), sealed]) {
    guest.send(packet);
    const answer = await guest.answers.next();
    assert.ok(answer.length <= packet.length);
  }
  guest.send(sealed.subarray(0, 17));
  await guest.seen();
  assert.equal(started.proxy.counters.udp.drops["unknown-connection"], 1);
});

test("a repeated initiate gets the same accept; silence after it forgets the connection", async (t) => {
  const clock = new SimClock();
  const started = await bench(t, { clock });
  const { udp, closes } = started.proxy.counters;
  const guest = await stranger(t, started);
  const client = handshake();
  const initiate = await withCookie(guest, client);
  guest.send(initiate);
  const accept = await guest.answers.next();
  assert.equal(accept[0], PACKET.accept);
  guest.send(initiate);
  assert.deepEqual(await guest.answers.next(), accept);
  assert.equal(client.receive(accept).type, "done");
  assert.deepEqual([udp.handshakes, udp.acceptsRepeated, udp.unconfirmed], [1, 1, 1]);
  assert.equal(started.proxy.counters.openUdp, 0);
  clock.advance(11_000);
  assert.equal(udp.unconfirmed, 0);
  assert.equal(closes.get("handshake-timeout"), 1);
  guest.send(initiate);
  await guest.seen();
  assert.equal(udp.drops["bad-cookie"], 1);
});

test("handshakes above the rate are dropped, and computed when tried again", async (t) => {
  const clock = new SimClock();
  const started = await bench(t, { clock, udp: { handshakesPerSecond: 4 } });
  const { udp } = started.proxy.counters;
  const guest = await stranger(t, started);
  const initiates = [];
  for (let i = 0; i < 6; i++) initiates.push(await withCookie(guest));
  for (const initiate of initiates) guest.send(initiate);
  await guest.seen();
  // The lower half of the rate is for other addresses.
  assert.deepEqual([udp.handshakes, udp.drops["too-busy"]], [2, 4]);
  clock.advance(1_000);
  guest.send(initiates[5] ?? new Uint8Array(0));
  await guest.seen();
  assert.equal(udp.handshakes, 3);
});

test("an address that begins handshakes all the time is not read any more, for a second", async (t) => {
  const clock = new SimClock();
  const started = await bench(t, { clock });
  const { udp } = started.proxy.counters;
  const guest = await stranger(t, started);
  const { packet } = handshake();
  for (let i = 0; i < 1_100; i++) {
    guest.send(packet);
    if (i % 50 === 0) await guest.seen();
  }
  await guest.seen();
  assert.deepEqual([udp.retries, udp.drops.flood], [1_000, 100]);
  clock.advance(1_001);
  guest.send(packet);
  await guest.seen();
  assert.equal(udp.retries, 1_001);
});

test("small packets in the name of an address do not keep it from making a handshake", async (t) => {
  const clock = new SimClock();
  const started = await bench(t, { clock });
  const { udp } = started.proxy.counters;
  const guest = await stranger(t, started);
  const sealed = new Uint8Array(24);
  sealed[0] = PACKET.sealed;
  const junk = [sealed, Uint8Array.of(PACKET.initiate), Uint8Array.of(PACKET.initiate, 0xa7)];
  for (let i = 0; i < 3_300; i++) {
    guest.send(junk[i % junk.length] ?? sealed);
    if (i % 50 === 0) await guest.seen();
  }
  await guest.seen();
  assert.deepEqual([udp.drops.flood, udp.drops.malformed], [100, 2_200]);
  guest.send(handshake().packet);
  await guest.seen();
  assert.equal(udp.retries, 1);
});
