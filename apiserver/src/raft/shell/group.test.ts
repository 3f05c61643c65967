import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { NodeDisk, systemClock, systemRandom } from "@atlasnet/core/system";
import { inProcessLinks, type LinkKind, reached } from "@atlasnet/core/testing";
import { linkKinds } from "@atlasnet/quic/testing";
import type { MemberChange } from "../core/types.ts";
import { RaftError } from "./raft-error.ts";
import { apiserver, TestGroup } from "./testing/test-group.ts";
import type { TestMember, TestMemberOptions } from "./testing/test-member.ts";

const ABC = ["a", "b", "c"];

async function group(
  t: TestContext,
  kind: LinkKind,
  options: Pick<TestMemberOptions, "core" | "runner"> = {},
): Promise<TestGroup> {
  const root = await mkdtemp(join(tmpdir(), "atlasnet-raft-"));
  const networks = await kind.create(["a", "b", "c", "d"].map(apiserver));
  const made = new TestGroup(
    { ...options, dirOf: (id) => join(root, id) },
    { networks, disk: new NodeDisk(), clock: systemClock, random: systemRandom },
  );
  t.after(async () => {
    await made.stop();
    await networks.stop?.();
    await rm(root, { recursive: true, force: true, maxRetries: 5 });
  });
  return made;
}

async function startAll(made: TestGroup): Promise<void> {
  await Promise.all(ABC.map((id) => made.start(id, ABC)));
}

/** 64 at a time, as from many clients. */
async function submitMany(made: TestGroup, from: number, to: number): Promise<void> {
  let next = from;
  const client = async () => {
    while (next < to) await made.submit(`command ${next++}`);
  };
  await Promise.all(Array.from({ length: 64 }, client));
}

function others(made: TestGroup, than: TestMember): readonly TestMember[] {
  return [...made.members.values()].filter((member) => member !== than);
}

const PASSING: ReadonlySet<string> = new Set(["change-pending", "not-ready", "behind"]);

/** A leader has changes of its own at first: it writes down which log stands behind each id. */
async function changeMembers(made: TestGroup, change: MemberChange): Promise<void> {
  for (;;)
    try {
      await (await made.leader()).runner.changeMembers(change);
      return;
    } catch (error) {
      assert.ok(error instanceof RaftError && PASSING.has(error.code), String(error));
      await made.submit("meanwhile");
    }
}

for (const kind of linkKinds)
  describe(`group over links: ${kind.name}`, () => {
    test("1,000 commands by way of every member are applied everywhere, in the same order, once", async (t) => {
      const made = await group(t, kind);
      await startAll(made);
      await made.leader();
      await submitMany(made, 0, 1000);
      const commands = await made.agreed();
      assert.equal(new Set(commands).size, 1000);
      for (const { machine } of made.members.values()) assert.deepEqual(machine.commands, commands);
    });

    test("a leader that is killed is replaced, and comes back with all that was acknowledged", async (t) => {
      const made = await group(t, kind);
      await startAll(made);
      const first = await made.leader();
      await submitMany(made, 0, 200);
      await made.kill(first.id);
      await submitMany(made, 200, 300);
      await made.start(first.id);
      await submitMany(made, 300, 310);
      const commands = await made.agreed();
      assert.equal(new Set(commands).size, 310);
      assert.deepEqual(made.member(first.id).machine.commands, commands);
    });

    test("a group that is killed as a whole has everything after its restart", async (t) => {
      const made = await group(t, kind);
      await startAll(made);
      await made.leader();
      await submitMany(made, 0, 200);
      await Promise.all(ABC.map((id) => made.kill(id)));
      await Promise.all(ABC.map((id) => made.start(id)));
      await made.submit("after");
      const commands = await made.agreed();
      for (let i = 0; i < 200; i++) assert.ok(commands.includes(`command ${i}`), `command ${i}`);
      assert.equal(commands.at(-1), "after");
    });

    test("a follower that lacks too much gets a checkpoint; a new one, too, and becomes a voter", async (t) => {
      const made = await group(t, kind, {
        core: { trailingBytes: 0, chunkBytes: 1000 },
        runner: { checkpointEntries: 50 },
      });
      await startAll(made);
      const leader = await made.leader();
      const [behind] = others(made, leader);
      assert.ok(behind);
      await made.kill(behind.id);
      await submitMany(made, 0, 500);
      await made.start(behind.id);
      const back = made.member(behind.id);
      await reached(() => back.machine.installs > 0);
      const added = await made.start("d");
      await changeMembers(made, { type: "add-learner", id: "d" });
      await reached(() => added.machine.installs > 0);
      await changeMembers(made, { type: "promote", id: "d" });
      await submitMany(made, 500, 520);
      const commands = await made.agreed();
      assert.equal(commands.filter((command) => command.startsWith("command")).length >= 520, true);
      assert.deepEqual(back.machine.commands, commands);
      assert.deepEqual(added.machine.commands, commands);
      assert.deepEqual(added.runner.status.members.voters, ["a", "b", "c", "d"]);
    });
  });

test("leadership is handed over without an election that anybody waits for", async (t) => {
  const made = await group(t, inProcessLinks);
  await startAll(made);
  const leader = await made.leader();
  await made.submit("one");
  const [next] = others(made, leader);
  assert.ok(next);
  await leader.runner.transferLeadership(next.id);
  assert.equal(leader.runner.leader?.node, next.id);
  await reached(() => next.leads);
  await made.submit("two");
  assert.deepEqual(await made.agreed(), ["one", "two"]);
});

test("a member that is removed is not needed any more, and leads nobody", async (t) => {
  const made = await group(t, inProcessLinks);
  await startAll(made);
  const leader = await made.leader();
  await made.submit("one");
  const [gone, stays] = others(made, leader);
  assert.ok(gone && stays);
  await changeMembers(made, { type: "remove", id: gone.id });
  await made.kill(gone.id);
  await made.submit("two");
  const commands = await made.agreed();
  assert.deepEqual([commands[0], commands.at(-1)], ["one", "two"]);
  assert.deepEqual(stays.runner.status.members.voters, [leader.id, stays.id].sort());
  assert.deepEqual(
    leader.raft?.nodes.map(({ address }) => address),
    [stays.id],
  );
});

test("a failed sync stops the node and is told; the group goes on without it", async (t) => {
  const made = await group(t, inProcessLinks);
  await startAll(made);
  const leader = await made.leader();
  await made.submit("one");
  const disk = made.disks.get(leader.id);
  assert.ok(disk);
  disk.failSyncs = true;
  await assert.rejects(leader.submit("lost"), { code: "unknown" });
  assert.match(String(leader.failure), /wal-failed|EIO|failed/);
  assert.equal(leader.runner.isRunning, false);
  assert.equal(leader.runner.leader, undefined);
  await assert.rejects(leader.submit("more"), { code: "stopped" });
  await made.submit("two");
  // What the failed node had sent before its sync failed may count, or not.
  const rest = others(made, leader).map(({ machine }) => machine.commands);
  await reached(() => rest.every((commands) => commands.includes("two")));
  await made.kill(leader.id);
});

test("without a quorum a write is not acknowledged and a read refused, in time", async (t) => {
  const made = await group(t, inProcessLinks, { runner: { requestTimeoutMs: 600 } });
  await startAll(made);
  const leader = await made.leader();
  await made.submit("one");
  for (const { id } of others(made, leader)) await made.kill(id);
  await assert.rejects(leader.submit("two"), { code: "unknown" });
  await reached(() => leader.runner.leader === undefined);
  await assert.rejects(leader.client.barrier(), { code: "not-leader" });
  assert.deepEqual(leader.machine.commands, ["one"]);
});

test("a read on any member sees what was acknowledged before it", async (t) => {
  const made = await group(t, inProcessLinks);
  await startAll(made);
  await made.leader();
  for (let i = 0; i < 30; i++) {
    await made.submit(`write ${i}`);
    for (const { client, machine } of made.members.values()) {
      await client.barrier();
      assert.ok(machine.commands.includes(`write ${i}`));
    }
  }
});

test("a member that writes a checkpoint slowly can be stopped at once", async (t) => {
  const made = await group(t, inProcessLinks, {
    runner: { checkpointEntries: 20, checkpointBytesPerSecond: 1 },
  });
  await startAll(made);
  const leader = await made.leader();
  await submitMany(made, 0, 40);
  await reached(() => leader.machine.commands.length >= 40);
  made.members.delete(leader.id);
  // At this rate the checkpoint would take minutes.
  await leader.stop();
  assert.equal(leader.runner.figures.checkpoints.made, 0);
});
