import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { reached } from "@atlasnet/core/testing";
import Log from "@markwylde/liferaft/log.js";
import memdown from "memdown";
import type { RaftMessage } from "../core/messages.ts";
import { PlainCluster, type PlainPacket } from "./testing/plain-cluster.ts";
import { SafeCluster } from "./testing/safe-cluster.ts";

/**
 * Why the package is only the shell (docs/adr/0014-raft.md): what it loses by itself, and that the same
 * does not befall our nodes. Should a test of the plain package fail with a new version of it, look again.
 */
const ABC = ["a", "b", "c"];
const bytes = (text: string) => new TextEncoder().encode(text);

function plain(t: TestContext): PlainCluster {
  const made = new PlainCluster(ABC, { Log, makeStore: memdown });
  t.after(() => made.stopAll());
  return made;
}

async function safe(t: TestContext): Promise<SafeCluster> {
  const made = await SafeCluster.start(ABC, { clock: systemClock, random: systemRandom });
  t.after(() => made.stopAll());
  return made;
}

async function electPlain(cluster: PlainCluster, id: string): Promise<void> {
  await cluster.node(id).promote();
  await reached(() => cluster.leads(id));
}

async function electSafe(cluster: SafeCluster, id: string): Promise<void> {
  await cluster.node(id).raft.promote();
  await reached(() => cluster.leads(id));
}

async function commit(cluster: PlainCluster, leader: string, command: string): Promise<void> {
  await cluster.node(leader).command(command);
  await reached(() => cluster.commits.get(leader)?.includes(command) === true);
}

describe("a node forgets its vote when it is restarted", () => {
  test("plain: two leaders in one term", async (t) => {
    const cluster = plain(t);
    cluster.isolate("b");
    await electPlain(cluster, "a");
    await cluster.stop("c");
    cluster.heal();
    cluster.isolate("a");
    cluster.start("c");
    await electPlain(cluster, "b");
    assert.ok(cluster.leads("a"));
    assert.equal(cluster.node("a").term, cluster.node("b").term);
  });

  test("ours: a later term has the other leader", async (t) => {
    const cluster = await safe(t);
    // Nothing but the vote reaches c, so that b's log is as good as c's.
    cluster.isolate("b");
    cluster.filter = ({ type }) => type.includes("vote");
    await electSafe(cluster, "a");
    const { term } = cluster.node("a").raft;
    cluster.stop("c");
    cluster.heal();
    cluster.isolate("a");
    await cluster.start("c");
    cluster.filter = () => true;
    // The first try is for the term that c has voted in; b learns that from the answer.
    await reached(() => {
      if (!cluster.leads("b")) cluster.node("b").raft.runner.campaign();
      return cluster.leads("b");
    });
    assert.ok(cluster.node("b").raft.term > term);
    for (const [led, who] of cluster.leaders) assert.equal(who.size, 1, `term ${led}`);
  });
});

describe("a node with an empty log stands in an election", () => {
  test("plain: it wins, and what was committed is overwritten", async (t) => {
    const cluster = plain(t);
    cluster.isolate("c");
    await electPlain(cluster, "a");
    for (const command of ["x1", "x2", "x3"]) await commit(cluster, "a", command);
    await reached(() => (cluster.commits.get("b")?.length ?? 0) > 0);
    await cluster.stop("a");
    cluster.heal();
    await cluster.node("c").promote();
    await cluster.node("c").promote();
    await reached(() => cluster.leads("c"));
    await cluster.node("c").command("y1");
    await reached(() => cluster.commits.get("c")?.includes("y1") === true);
    assert.equal((await cluster.commandsOf("b")).includes("x1"), false);
  });

  test("ours: it is not elected, and whoever is has everything", async (t) => {
    const cluster = await safe(t);
    cluster.isolate("c");
    await electSafe(cluster, "a");
    const command = (text: string) => cluster.node("a").raft.command(bytes(text));
    for (const text of ["x1", "x2", "x3"]) await command(text);
    // Restarted, b trusts no leader any more, and would elect anybody who is good enough.
    for (const id of ["a", "b"]) cluster.stop(id);
    await cluster.start("b");
    cluster.heal();
    let refused = 0;
    cluster.filter = (message) => {
      if (message.type === "pre-vote-answer" && message.from === "b" && !message.granted) refused++;
      return true;
    };
    for (let tries = 0; tries < 3; tries++) cluster.node("c").raft.runner.campaign();
    await reached(() => refused >= 3);
    assert.equal(cluster.leads("c"), false);
    await cluster.start("a");
    await electSafe(cluster, "b");
    await reached(() => cluster.node("c").machine.commands.length === 3);
    assert.deepEqual(cluster.node("c").machine.commands, ["x1", "x2", "x3"]);
  });
});

describe("an append arrives a second time, late", () => {
  test("plain: what was acknowledged since is deleted", async (t) => {
    const cluster = plain(t);
    let saved: PlainPacket | undefined;
    cluster.filter = (_from, to, packet) => {
      if (to === "b" && packet.type === "append" && packet.data?.[0]?.index === 2) saved ??= packet;
      return true;
    };
    await electPlain(cluster, "a");
    cluster.isolate("c");
    for (const command of ["d1", "d2", "d3", "d4"]) await commit(cluster, "a", command);
    assert.equal((await cluster.commandsOf("b")).length, 4);
    await cluster.stop("a");
    cluster.node("b").emit("data", saved, () => {});
    let left = 4;
    const look = async () => {
      left = (await cluster.commandsOf("b")).length;
    };
    for (let i = 0; i < 1000 && left === 4; i++) await look();
    assert.ok(left < 4, `${left} of 4`);
  });

  test("ours: nothing happens", async (t) => {
    const cluster = await safe(t);
    let saved: RaftMessage | undefined;
    cluster.filter = (message) => {
      if (message.type === "append" && message.to === "b" && message.entries[0]?.type === "command")
        saved ??= message;
      return true;
    };
    await electSafe(cluster, "a");
    cluster.isolate("c");
    for (const text of ["d1", "d2", "d3", "d4"]) await cluster.node("a").raft.command(bytes(text));
    const { lastIndex } = cluster.node("b").raft.runner.status;
    cluster.stop("a");
    assert.ok(saved);
    cluster.deliver(saved);
    assert.equal(cluster.node("b").raft.runner.status.lastIndex, lastIndex);
    cluster.heal();
    await cluster.start("a");
    await electSafe(cluster, "b");
    await reached(() => cluster.node("c").machine.commands.length === 4);
    assert.deepEqual(cluster.node("c").machine.commands, ["d1", "d2", "d3", "d4"]);
  });
});

const FIFTY = Array.from({ length: 50 }, (_, at) => `c${at}`);

describe("50 commands at once", () => {
  test("plain: they take each other's place, though all are taken in", async (t) => {
    const cluster = plain(t);
    await electPlain(cluster, "a");
    await Promise.all(FIFTY.map((command) => cluster.node("a").command(command)));
    assert.ok((await cluster.commandsOf("a")).length < 50);
  });

  test("ours: all of them are applied", async (t) => {
    const cluster = await safe(t);
    await electSafe(cluster, "a");
    await Promise.all(FIFTY.map((text) => cluster.node("a").raft.command(bytes(text))));
    assert.deepEqual(cluster.node("a").machine.commands, FIFTY);
  });
});

describe("commands one after the other, without any fault", () => {
  test("plain: commits are delivered twice", async (t) => {
    const cluster = plain(t);
    await electPlain(cluster, "a");
    for (const command of FIFTY) await commit(cluster, "a", command);
    const delivered = cluster.commits.get("a") ?? [];
    assert.ok(delivered.length > new Set(delivered).size, `${delivered.length} of 50`);
  });

  test("ours: each is applied once, in order, everywhere, and told by `commit`", async (t) => {
    const cluster = await safe(t);
    const told: string[] = [];
    cluster.node("a").raft.on("commit", (data: Uint8Array) => {
      told.push(new TextDecoder().decode(data));
    });
    await electSafe(cluster, "a");
    for (const text of FIFTY) await cluster.node("a").raft.command(bytes(text));
    assert.deepEqual(told, FIFTY);
    for (const id of ABC) {
      const { machine } = cluster.node(id);
      await reached(() => machine.commands.length >= 50);
      assert.deepEqual(machine.commands, FIFTY);
    }
  });
});

describe("the acknowledgements of an entry are lost once", () => {
  test("plain: it is not committed, however often heartbeats go to and fro", async (t) => {
    const cluster = plain(t);
    await electPlain(cluster, "a");
    let lost = 0;
    cluster.filter = (_from, _to, { type }) => {
      if (type === "append ack") lost++;
      return type !== "append ack";
    };
    await cluster.node("a").command("z");
    await reached(() => lost === 2);
    let heartbeats = 0;
    cluster.filter = (_from, _to, { type, data }) => {
      if (type === "append" && data === undefined) heartbeats++;
      return true;
    };
    await reached(() => heartbeats >= 20);
    assert.ok(cluster.leads("a"));
    assert.deepEqual(cluster.commits.get("a"), []);
  });

  test("ours: the next heartbeats bring it", async (t) => {
    const cluster = await safe(t);
    await electSafe(cluster, "a");
    await cluster.node("a").raft.command(bytes("before"));
    let lost = 0;
    cluster.filter = ({ type }) => {
      if (type !== "append-ok" || lost === 2) return true;
      lost++;
      return false;
    };
    await cluster.node("a").raft.command(bytes("z"));
    assert.equal(lost, 2);
    assert.deepEqual(cluster.node("a").machine.commands, ["before", "z"]);
  });
});

test("leveldown, which the package's log would take without another, is not loaded", async () => {
  const { default: module } = await import("node:module");
  const loaded = Object.keys(Reflect.get(module, "_cache") ?? {});
  assert.ok(loaded.some((file) => file.includes("liferaft")));
  assert.deepEqual(
    loaded.filter((file) => /[\\/]leveldown[\\/]/.test(file)),
    [],
  );
});
