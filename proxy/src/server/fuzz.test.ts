import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import type { CborValue } from "@atlasnet/core";
import { SeededRandom } from "@atlasnet/core/sim";
import { WebSocket } from "ws";
import { frame } from "../session/framing.ts";
import { cbor, framedClient, hello, portOf, webSocketClient } from "../testing/test-clients.ts";
import { startBench } from "../testing/test-proxy.ts";

const ROUNDS = 60;
const MAGIC = Uint8Array.of(0xa7, 0x4e, 0x45, 0x54);

const MESSAGES: readonly CborValue[] = [
  hello("arena"),
  hello("arena", { ticket: "ticket:a:arena", params: Uint8Array.of(1, 2, 3), timeline: 3 }),
  [2, 1, 0, Uint8Array.of(1, 2, 3)],
  [3, 1, 1],
  [4, 77],
  [5, 1, 0, Uint8Array.of(9)],
  [6],
  [7],
];

function mutate(bytes: Uint8Array, random: SeededRandom): Uint8Array {
  const changed = new Uint8Array(bytes);
  for (let i = random.int(0, 4); i > 0; i--)
    changed[random.int(0, changed.length - 1)] = random.int(0, 255);
  return random.int(0, 3) === 0 ? changed.subarray(0, random.int(1, changed.length)) : changed;
}

function item(random: SeededRandom): Uint8Array {
  return random.int(0, 2) === 0
    ? random.bytes(random.int(1, 80))
    : mutate(cbor(MESSAGES[random.int(0, MESSAGES.length - 1)] ?? null), random);
}

/** Raw bytes as one of the protocols would begin, or anything at all. */
function stream(random: SeededRandom): Uint8Array {
  switch (random.int(0, 4)) {
    case 0:
      return random.bytes(random.int(1, 200));
    case 1:
      return Buffer.concat([MAGIC, ...[1, 2, 3].map(() => frame("length", item(random)))]);
    case 2:
      return Buffer.concat([MAGIC, random.bytes(50)]);
    case 3:
      return Buffer.concat([
        Buffer.from(["SUB ", "AUTH ", "PING", "UNSUB a/", "GET "][random.int(0, 4)] ?? ""),
        random.bytes(30),
        Buffer.from("\r\n\r\n"),
      ]);
    default:
      return Buffer.concat([
        Buffer.from(
          "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        ),
        random.bytes(40),
      ]);
  }
}

test("random and mutated bytes at every gateway end counted, and others play on", async (t) => {
  const seed = 20_260;
  const random = new SeededRandom(seed);
  const { proxy, address, gameserver } = await startBench();
  t.after(() => proxy.stop());
  const players = [await framedClient(address), await webSocketClient(address)];
  for (const player of players) {
    t.after(() => player.end());
    player.send(hello("arena"));
    assert.equal((await player.messages.next())[0], 5);
  }
  for (let round = 1; round <= ROUNDS; round++) {
    const raw = connect({ port: portOf(address), host: "127.0.0.1" });
    raw.on("error", () => undefined);
    raw.resume();
    const rawGone = new Promise((resolve) => raw.once("close", resolve));
    raw.end(stream(random));
    await rawGone;

    const webSocket = new WebSocket(`ws://127.0.0.1:${portOf(address)}`);
    const webSocketGone = new Promise((resolve) => webSocket.once("close", resolve));
    webSocket.on("error", () => undefined);
    webSocket.on("open", () => {
      for (let i = 0; i < 3; i++) webSocket.send(item(random), { binary: random.int(0, 9) > 0 });
      webSocket.close();
    });
    await webSocketGone;

    for (const player of players) {
      player.send([2, round, 0, Uint8Array.of(round)]);
      const [, seq, , payload] = await player.messages.until(([kind]) => kind === 2);
      assert.equal(seq, round, `seed ${seed}`);
      assert.deepEqual(payload, Uint8Array.of(round), `seed ${seed}`);
    }
  }
  const { counters } = proxy;
  const counted = [...counters.closes.values()].reduce((a, b) => a + b, 0) + counters.httpRefused;
  assert.ok(counted >= ROUNDS / 2, `only ${counted} refusals were counted`);
  while (counters.openFramed + counters.openWebSocket + counters.openLines > players.length)
    await new Promise((resolve) => setImmediate(resolve));
  // Every attachment that strangers got by accident was given up again.
  const attached = gameserver.attaches.all.length;
  const over = () =>
    gameserver.others.all.filter(({ type }) => type === "detach" || type === "leave").length;
  while (over() < attached - players.length) await gameserver.others.next();
});
