import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { type TestContext, test } from "node:test";
import { encodeWelcome } from "@atlasnet/core";
import { ByteWriter, compileDefinition, defineWorld, uint } from "@atlasnet/world";
import { planLoad } from "./load-options.ts";
import { Player } from "./player.ts";
import { scout } from "./scout.ts";
import { Tally } from "./tally.ts";
import { MeasuredWindow } from "./window.ts";

const meadow = defineWorld({
  name: "meadow",
  components: {},
  clientMessages: { shout: { n: uint(9) } },
});

/** The message in its frame. */
const LEAVE = Buffer.of(2, 0x81, 6);

/** A server that answers each hello with a welcome that names `endpoints`, and hangs up when one leaves. */
async function serverNaming(t: TestContext, endpoints: readonly string[]): Promise<string> {
  const frame = new ByteWriter();
  frame.block(
    encodeWelcome({
      ...{ world: "meadow", account: "a", session: 1, resume: "r", attempt: 0 },
      ...{ schema: compileDefinition(meadow.data).hash, definition: meadow.data },
      ...{ tickRate: 20, tick: 1, epoch: 1, timeline: 1, appliedSeq: 0, outSeq: 0, lastInput: 0 },
      graceTicks: 20,
      limits: { maxMessageBytes: 1_000, messagesPerSecond: 0, bytesPerSecond: 0, idleTimeoutMs: 0 },
      endpoints,
    }),
  );
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => socket.destroy());
    // The magic comes first, maybe by itself.
    let bytes = 0;
    socket.on("data", (chunk) => {
      const greeted = bytes > 4;
      bytes += chunk.length;
      if (!greeted && bytes > 4) socket.write(frame.view8());
      if (chunk.subarray(-3).equals(LEAVE)) socket.end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  return `127.0.0.1:${address.port}`;
}

function player(address: string, remote: boolean) {
  const tally = new Tally();
  const now = () => performance.now();
  const window = new MeasuredWindow({ tally, now, onRoundTrip: () => {} });
  const options = { ticket: undefined, serverKey: undefined, params: {} };
  const made = new Player(
    { url: `tcp://${address}`, world: "meadow", definition: meadow, remote, ...options },
    { tally, window, now },
  );
  return { made, tally };
}

test("a client that a server leads away from this machine ends, unless that is allowed", async (t) => {
  const address = await serverNaming(t, ["game.example:2555"]);
  const kept = player(address, false);
  await kept.made.join();
  assert.deepEqual([kept.tally.counts.joined, kept.tally.counts.joinsFailed], [0, 1]);
  assert.equal(kept.tally.errors.get("led-away"), 1);
  const allowed = player(address, true);
  await allowed.made.join();
  assert.equal(allowed.tally.counts.joined, 1);
  assert.equal(allowed.tally.errors.size, 0);
  await allowed.made.leave();
});

test("no load begins at a server that leads clients away", async (t) => {
  const address = await serverNaming(t, ["game.example:2555"]);
  const plan = planLoad({ world: "meadow", url: address, clients: 1, rate: 1, seconds: 1 }, 1);
  await assert.rejects(scout(plan), { code: "bad-load", message: /^url: .*tcp:\/\/game\.example/ });
});
