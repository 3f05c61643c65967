import assert from "node:assert/strict";
import { test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { makeMembers } from "../core/members.ts";
import type { RaftMessage } from "../core/messages.ts";
import type { Entry } from "../core/types.ts";
import { openGroupLog } from "./group-log.ts";
import { pause } from "./pace.ts";
import { RaftRunner } from "./raft-runner.ts";
import type { RunnerOptions } from "./runner-options.ts";
import { LedgerMachine } from "./testing/ledger-machine.ts";

const VOTERS = ["a", "b", "c"];
const ENVELOPE = { from: "b", to: "a", term: 2, incarnation: 0 };

/** A follower "a" on a disk on which everything takes a millisecond, and what it sends. */
class Follower {
  readonly clock = new SimClock();
  readonly sent: RaftMessage[] = [];
  failure: unknown;
  private readonly voters: readonly string[];
  private readonly random = new SeededRandom(1);
  private readonly disk = new SimDisk(
    {},
    { random: this.random, latency: () => pause(this.clock, 1) },
  );

  constructor(voters: readonly string[] = VOTERS) {
    this.voters = voters;
  }

  async start(options: Partial<RunnerOptions>) {
    this.disk.crash("process");
    const { clock, random } = this;
    const dependencies = { clock, random, logger: noopLogger };
    const { log, stored } = await openGroupLog(
      { dir: "/a", identity: { cluster: "c", node: "a" }, firstVoters: this.voters },
      { ...dependencies, disk: this.disk.process() },
    );
    const machine = new LedgerMachine();
    const runner = new RaftRunner({ core: { id: "a" }, runner: options }, stored, {
      ...dependencies,
      log,
      machine,
      transport: { send: (message) => this.sent.push(message) },
      events: {
        onFailed: (error) => {
          this.failure = error;
        },
      },
    });
    await runner.start();
    return { runner, machine };
  }
}

function entries(from: number, to: number): Entry[] {
  return Array.from({ length: to - from + 1 }, (_, at) => ({
    index: from + at,
    term: 2,
    type: "command" as const,
    data: new TextEncoder().encode(`entry ${from + at}`),
  }));
}

test("a checkpoint that has come and is not installed yet is no state of this node's", async () => {
  const follower = new Follower();
  const { clock } = follower;
  const drive = <T>(work: Promise<T>) => clock.drive(work, settle);
  const { runner, machine } = await drive(follower.start({ checkpointEntries: 1 }));
  runner.receive({
    ...ENVELOPE,
    ...{ type: "append", prevIndex: 1, prevTerm: 1, commit: 5, entries: entries(2, 5) },
  });
  // Its save runs now; meanwhile the leader's checkpoint of a later state comes, whole.
  await settle();
  const theirs = new LedgerMachine();
  theirs.apply([{ index: 1, term: 1, type: "no-op", data: new Uint8Array(0) }]);
  theirs.apply(entries(2, 28));
  const [data = new Uint8Array(0)] = theirs.freeze();
  runner.receive({
    ...ENVELOPE,
    type: "checkpoint-chunk",
    checkpoint: { index: 28, term: 2, members: makeMembers(VOTERS), size: data.length },
    ...{ offset: 0, length: data.length, commit: 28, data },
  });
  assert.equal(machine.lastIndex, 0);
  await drive(runner.applied(28));
  assert.equal(machine.lastIndex, 28);
  assert.deepEqual(machine.commands, theirs.commands);
  await clock.elapse(200, settle);
  assert.equal(follower.failure, undefined);
  const again = await drive(follower.start({}));
  assert.deepEqual(again.machine.commands, theirs.commands);
});

test("nothing is acknowledged before it is on the disk", async () => {
  const follower = new Follower();
  const { clock } = follower;
  const { runner } = await clock.drive(follower.start({}), settle);
  const acknowledged = () => follower.sent.filter(({ type }) => type === "append-ok").length;
  runner.receive({
    ...ENVELOPE,
    ...{ type: "append", prevIndex: 1, prevTerm: 1, commit: 1, entries: entries(2, 5) },
  });
  await settle();
  assert.equal(acknowledged(), 0);
  await clock.elapse(20, settle);
  assert.equal(acknowledged(), 1);
  const again = await clock.drive(follower.start({}), settle);
  assert.equal(again.runner.status.lastIndex, 5);
});

test("whoever has the only vote waits for nobody", async () => {
  const alone = new Follower(["a"]);
  const { runner } = await alone.clock.drive(alone.start({ tickMs: 10_000 }), settle);
  await alone.clock.drive(runner.submit(new TextEncoder().encode("first")), settle);
  assert.equal(runner.leader?.node, "a");
  // Neither does a later life of it.
  const again = await alone.clock.drive(alone.start({ tickMs: 10_000 }), settle);
  await alone.clock.drive(again.runner.submit(new TextEncoder().encode("second")), settle);
  assert.deepEqual(again.machine.commands.length, 2);
});
