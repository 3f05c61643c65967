import assert from "node:assert/strict";
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { type ClientWorld, memoryResumeStorage } from "@atlasnet/client";
import { OperatingError } from "@atlasnet/core";
import { reached } from "@atlasnet/core/testing";
import { startRelay } from "@atlasnet/netem";
import { definition } from "./hall-world.ts";
import { meadowSource, seen } from "./meadow.ts";
import type { ServerForm } from "./server-forms.ts";
import { type Settings, Workplace } from "./workplace.ts";

/** Tests wait for ticks and timers, not for the processor. */
const AT_ONCE = 3;

const HALL = fileURLToPath(new URL("./hall-world.js", import.meta.url));

type Hall = NonNullable<typeof definition.spec>;

/** What becomes of players and their sessions in a server of any form. */
export function sessionsSuite(form: ServerForm): void {
  const meadow = async (t: TestContext, settings: Settings = {}) => {
    const place = await Workplace.create(t);
    await writeFile(join(place.dir, "meadow.mjs"), meadowSource("hello"));
    const given = { worlds: "meadow=./meadow.mjs", ...settings };
    const start = (more: Settings = {}) => form.start(place, { ...given, ...more });
    return { place, server: await start(), start };
  };
  const halls = async (t: TestContext, settings: Settings = {}) => {
    const place = await Workplace.create(t);
    return { place, server: await form.start(place, { worlds: `hall=${HALL}`, ...settings }) };
  };

  describe(`sessions: ${form.name}`, { concurrency: AT_ONCE }, () => {
    test("players over TCP, WebSocket and UDP see each other, move and talk", async (t) => {
      const { server } = await meadow(t);
      const { players } = server;
      assert.equal(players.udpPort, players.port);
      const ann = await server.client("ws").join({ world: "meadow" });
      const bob = await server.client("tcp").join({ world: "meadow" });
      const cid = await server.client("udp").join({ world: "meadow" });
      const heard: unknown[] = [];
      for (const world of [bob, cid]) world.onMessage("said", (message) => heard.push(message));
      ann.input("go", { x: 60, y: 40 });
      cid.input("go", { x: 70, y: 30 });
      ann.send("say", { text: "there" });
      cid.send("say", { text: "all" });
      const all = ["50,50", "60,40", "70,30"];
      await reached(
        () =>
          heard.length === 4 &&
          [ann, bob, cid].every((world) => seen(world).sort().join() === all.join()),
      );
      assert.equal(new Set(heard.map((message) => JSON.stringify(message))).size, 2);
    });

    test("after a stop in order the world goes on, and sessions with it", async (t) => {
      const { server, start } = await meadow(t);
      const ann = await server.client("ws").join({ world: "meadow" });
      const events: string[] = [];
      ann.onDrop(() => events.push("drop"));
      ann.onResume(() => events.push("resume"));
      ann.onRollback(() => events.push("rollback"));
      ann.input("go", { x: 10, y: 90 });
      await reached(() => seen(ann).includes("10,90"));
      await server.stop();
      await reached(() => events.includes("drop"));
      ann.send("say", { text: "again" });
      await start({ "proxy.port": String(server.players.port) });
      const heard: unknown[] = [];
      ann.onMessage("said", (message) => heard.push(message));
      await reached(() => events.includes("resume") && heard.length === 1);
      assert.deepEqual(events, ["drop", "resume"]);
      assert.deepEqual(seen(ann), ["10,90"]);
    });

    test("a changed module is swapped in under its players, also with another definition", async (t) => {
      const { place, server } = await meadow(t);
      const ann = await server.client("ws").join({ world: "meadow" });
      const heard: unknown[] = [];
      ann.onMessage("said", (message) => heard.push(message));
      ann.input("go", { x: 70, y: 70 });
      await reached(() => seen(ann).includes("70,70"));
      await writeFile(join(place.dir, "second.mjs"), meadowSource("bye", "z: int(0, 9),"));
      await server.swap("meadow", join(place.dir, "second.mjs"));
      ann.send("say", { text: "now" });
      await reached(() => heard.length === 1);
      assert.deepEqual(heard, [{ text: "bye now" }]);
      assert.deepEqual(seen(ann), ["70,70"]);

      await writeFile(join(place.dir, "third.mjs"), "export const world = 3;");
      await assert.rejects(server.swap("meadow", join(place.dir, "third.mjs")), OperatingError);
      ann.send("say", { text: "still" });
      await reached(() => heard.length === 2);
    });

    test("faults of world code are reported, and the world goes on", async (t) => {
      const { server } = await meadow(t, { "gameserver.tickLimitMs": "500" });
      const ann = await server.client("ws").join({ world: "meadow" });
      const heard: unknown[] = [];
      ann.onMessage("said", (message) => heard.push(message));
      ann.send("fail", {});
      ann.send("hang", {});
      ann.send("say", { text: "after" });
      await reached(() => heard.length === 1);
      assert.deepEqual(
        server.faults.map((fault) => fault.split(":")[0]),
        ["message.fail", "message.hang"],
      );
    });

    test("text lines: PING, public topics, tickets", async (t) => {
      const { place, server } = await meadow(t, { "proxy.allowGuests": "false" });
      const ticket = await server.keys.issue({
        account: "ann",
        world: "meadow",
        name: "Ann",
        data: null,
        expiresAt: Math.floor(Date.now() / 1000) + 600,
      });
      const socket = connectSocket(server.players.port, "127.0.0.1");
      place.undo(() => socket.destroy());
      let text = "";
      socket.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      const lines = () => text.split("\n");
      socket.write("PI");
      await once(socket, "connect");
      socket.write("NG\nSUB meadow/board\nSUB meadow/cell/2,2\nSUB nowhere/x\n");
      await reached(() => lines().length >= 6);
      assert.equal(lines()[0], "PONG");
      assert.ok(text.includes("ERR unknown-topic") && text.includes("ERR unknown-world"), text);
      const board = lines().find((line) => line.startsWith("{"));
      assert.deepEqual(JSON.parse(board ?? "").enter[0].visits, { count: 0 });
      socket.write(`AUTH ${ticket}\nSUB meadow/cell/2,2\n`);
      await server.client("ws").join({ world: "meadow", ticket });
      await reached(() => text.includes('"topic":"cell/2,2"') && text.includes('"count":1'));
      await assert.rejects(server.client("tcp").join({ world: "meadow" }), /unauthorized/);
    });

    test("a player is sent to another world, and kicked there", async (t) => {
      const { server } = await halls(t, { worlds: `hall=${HALL},cellar=${HALL}` });
      const client = server.client("tcp");
      const hall = await client.join(definition, { world: "hall" });
      const sent: string[] = [];
      hall.onTransfer((world) => sent.push(world));
      hall.send("goTo", { world: "cellar" });
      await reached(() => sent.length === 1);
      await hall.leave();
      const cellar = await client.join(definition, { world: sent[0] ?? "" });
      await assertTalks(cellar);
      const ends = endsOf(cellar);
      cellar.send("kick", {});
      await reached(() => ends.length === 1);
      assert.deepEqual(ends, ["kicked (as it wished)"]);
    });

    test("a session that is resumed elsewhere is taken from where it was", async (t) => {
      const { server } = await halls(t);
      const storage = memoryResumeStorage();
      const enter = () => server.client("ws", { storage }).join(definition, { world: "hall" });
      const first = await enter();
      await assertTalks(first);
      const ends = endsOf(first);
      const second = await enter();
      await reached(() => ends.length === 1);
      assert.match(ends[0] ?? "", /^superseded/);
      assert.equal(second.session, first.session);
      await assertTalks(second);
    });

    test("who is away for longer than the world waits comes in anew and is told, or not at all", async (t) => {
      const { place, server } = await halls(t, { "gameserver.graceSeconds": "1" });
      const { port } = server.players;
      const target = { host: "127.0.0.1", port };
      let relay = await startRelay({ target, udp: false });
      place.undo(() => relay.stop());
      const url = `tcp://127.0.0.1:${relay.address.port}`;
      const enter = (rejoin: boolean) =>
        server.client("tcp", { url }).join(definition, { world: "hall", rejoin });
      const witness = await server.client("tcp").join(definition, { world: "hall" });
      const left: string[] = [];
      witness.onMessage("left", ({ session, reason }) => left.push(`${session} ${reason}`));
      const [ann, bob] = [await enter(true), await enter(false)];
      const [first, ends] = [ann.session, endsOf(bob)];
      let rollbacks = 0;
      ann.onRollback(() => {
        rollbacks += 1;
      });
      await relay.stop();
      await reached(() => left.length === 2);
      assert.deepEqual(left.sort(), [`${first} grace-expired`, `${bob.session} grace-expired`]);
      relay = await startRelay({ listen: { port: relay.address.port }, target, udp: false });
      await reached(() => rollbacks === 1 && ends.length === 1);
      assert.notEqual(ann.session, first);
      await assertTalks(ann);
      assert.match(ends[0] ?? "", /^session-lost/);
    });

    test("a world whose thread ends is opened again, and its players are told that it went back", async (t) => {
      const { place, server } = await halls(t);
      const ann = await server.client("ws").join(definition, { world: "hall" });
      const events: string[] = [];
      ann.onClose(({ code }) => events.push(code));
      ann.onRollback(() => events.push("rollback"));
      ann.send("die", { marker: join(place.dir, "died") });
      await reached(() => events.length > 0);
      assert.deepEqual(events, ["rollback"]);
      await assertTalks(ann);
    });
  });
}

/** What is said comes back. */
async function assertTalks(world: ClientWorld<Hall>): Promise<void> {
  const heard: string[] = [];
  const unsubscribe = world.onMessage("said", ({ text }) => heard.push(text));
  world.send("say", { text: "hello" });
  await reached(() => heard.length > 0);
  unsubscribe();
  assert.deepEqual(heard, ["hello"]);
}

function endsOf(world: ClientWorld<Hall>): string[] {
  const ends: string[] = [];
  world.onClose(({ code, reason }) => ends.push(`${code} (${reason})`));
  return ends;
}
