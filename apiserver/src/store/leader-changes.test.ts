import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ControlError, type LeaderInfo, type TxnRequest } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { CheckpointDecoder } from "./checkpoint-decoder.ts";
import { encodeCheckpoint } from "./checkpoint-encoder.ts";
import { decodeCommand, encodeCommand, type TxnCommand } from "./commands.ts";
import {
  ReplicatedStore,
  type ReplicatedStoreDependencies,
  type ReplicatedStoreOptions,
} from "./replicated-store.ts";
import { ScriptedLog } from "./scripted-log.ts";
import { StateMachine } from "./state-machine.ts";

const SELF: LeaderInfo = { node: "a", term: 1 };
const OTHER: LeaderInfo = { node: "b", term: 2 };
const TIMEOUT = 1000;

function make(
  leader: LeaderInfo | undefined,
  more: Partial<ReplicatedStoreDependencies> = {},
  options: ReplicatedStoreOptions = {},
) {
  const clock = new SimClock();
  const log = new ScriptedLog("a", leader);
  const store = new ReplicatedStore(
    { timeoutMs: TIMEOUT, ...options },
    { log, clock, random: new SeededRandom(1), holdsLease: () => false, ...more },
  );
  return { clock, log, store };
}

function put(key: string, id?: string): TxnRequest {
  const value = Uint8Array.of(1);
  return { ...(id && { id }), compare: [], then: [{ type: "put", key, value }] };
}

function txnsOf(command: Uint8Array): readonly TxnCommand[] {
  const decoded = decodeCommand(command, 1);
  return decoded.type === "txns" ? decoded.txns : [];
}

/** The code of the error that a promise ends with. */
function failure(work: Promise<unknown>): Promise<string> {
  return work.then(
    () => "no error",
    (error: unknown) => (error instanceof ControlError ? error.code : String(error)),
  );
}

describe("replicated store when leaders change", () => {
  test("many transactions go in few proposals, in the order they came", async () => {
    const { log, store } = make(SELF);
    const answers = Array.from({ length: 3000 }, (_, i) => store.txn(put(`k/${i}`)));
    await settle();
    const sizes: number[] = [];
    while (log.proposals.length > 0) {
      assert.ok(log.proposals.length <= 4);
      sizes.push(txnsOf(log.commit().command).length);
      await settle();
    }
    assert.ok(sizes.length < 10, `${sizes.length} proposals`);
    const revisions = (await Promise.all(answers)).map(({ revision }) => revision);
    assert.deepEqual(
      revisions,
      revisions.map((_, i) => i + 1),
    );
    assert.equal(store.figures.pending, 0);
  });

  test("nobody leads: writes and reads end with no-quorum, in time", async () => {
    const { clock, store } = make(undefined);
    const codes = Promise.all([failure(store.txn(put("k"))), failure(store.range({ key: "k" }))]);
    clock.advance(TIMEOUT - 1);
    assert.equal(store.figures.pending, 2);
    clock.advance(2);
    assert.deepEqual(await codes, ["no-quorum", "no-quorum"]);
    assert.deepEqual((await store.range({ key: "k", consistency: "local" })).items, []);
    assert.equal(store.figures.pending, 0);
  });

  test("a leader that decides nothing: timeout; a late commit is applied all the same", async () => {
    const { clock, log, store } = make(SELF);
    const code = failure(store.txn(put("k")));
    await settle();
    clock.advance(TIMEOUT + 1);
    assert.equal(await code, "timeout");
    log.commit();
    assert.equal((await store.range({ key: "k", consistency: "local" })).items.length, 1);
  });

  test("a transaction waits for a leader, and is applied once somebody leads", async () => {
    const { clock, log, store } = make(undefined);
    const answer = store.txn(put("k"));
    clock.advance(TIMEOUT / 2);
    log.setLeader(SELF);
    await settle();
    log.commit();
    assert.deepEqual(await answer, { succeeded: true, revision: 1 });
  });

  test("what another leader overwrote is forwarded to it, with an id", async () => {
    const forwarded: TxnRequest[] = [];
    const { log, store, clock } = make(SELF, {
      forward: async (leader, request) => {
        assert.deepEqual(leader, OTHER);
        forwarded.push(request);
        if (forwarded.length === 1) return { ok: false, code: "not-leader" };
        if (forwarded.length === 2) throw new ControlError("unreachable", "the link broke");
        return { ok: true, result: { succeeded: true, revision: 7 } };
      },
    });
    const answer = store.txn(put("k"));
    await settle();
    log.setLeader(OTHER);
    assert.equal(forwarded.length, 0, "it may yet be committed");
    log.overwrite(1, 2, undefined);
    assert.deepEqual(await clock.drive(answer, settle), { succeeded: true, revision: 7 });
    assert.equal(forwarded.length, 3);
    assert.ok(forwarded[0]?.id);
    assert.equal(new Set(forwarded.map(({ id }) => id)).size, 1);
    assert.notEqual(store.figures.pending, 1);
  });

  test("an answer of the leader that decides is not asked for twice", async () => {
    let count = 0;
    const { store, clock } = make(OTHER, {
      forward: async () => {
        count += 1;
        throw new ControlError("quota", "full");
      },
    });
    assert.equal(await clock.drive(failure(store.txn(put("k"))), settle), "quota");
    assert.equal(count, 1);
  });

  test("forwarded transactions are taken in by the leader, or sent back", async () => {
    const { log, store } = make(OTHER);
    assert.deepEqual(await store.takeIn(put("k", "x")), { ok: false, code: "not-leader" });
    log.setLeader({ node: "a", term: 3 });
    const taken = store.takeIn(put("k", "x"));
    await settle();
    log.setLeader(OTHER);
    log.overwrite(1, 4, undefined);
    await settle();
    // It pauses, and finds that another leads.
    const again = store.takeIn(put("k", "x"));
    assert.deepEqual(await again, { ok: false, code: "not-leader" });
    log.setLeader({ node: "a", term: 5 });
    await settle();
    log.commit();
    assert.deepEqual(await taken, { ok: true, result: { succeeded: true, revision: 1 } });
  });

  test("a checkpoint in place of the log: what has an id is answered or tried again", async () => {
    const { log, store, clock } = make(SELF);
    const applied = store.txn(put("applied", "1"));
    const open = store.txn(put("open", "2"));
    const unknown = failure(store.txn(put("unknown")));
    await settle();
    const ahead = new StateMachine();
    const txns = [put("applied", "1"), put("more")];
    ahead.apply({ index: 1, term: 1, command: encodeCommand({ type: "txns", txns }) });
    const decoder = new CheckpointDecoder();
    for (const chunk of encodeCheckpoint(ahead.freeze())) decoder.push(chunk);
    log.taker.install(decoder);
    assert.deepEqual(await applied, { succeeded: true, revision: 1 });
    assert.equal(await unknown, "timeout");
    log.proposals.length = 0;
    clock.advance(50);
    await settle();
    assert.deepEqual(
      txnsOf(log.proposals[0]?.command ?? new Uint8Array()).map(({ id }) => id),
      ["2"],
    );
    log.commit();
    assert.deepEqual(await open, { succeeded: true, revision: 3 });
  });

  test("reads share rounds, wait for what they need, and none is answered by a round begun before", async () => {
    const { log, store, clock } = make(SELF);
    let first = false;
    const early = store.range({ prefix: "" }).then(() => {
      first = true;
    });
    const late = Array.from({ length: 50 }, () => store.range({ prefix: "" }));
    await settle();
    assert.equal(log.reads.length, 1);
    log.reads.shift()?.({ ok: true, index: 1 });
    await settle();
    assert.equal(log.reads.length, 1, "the others share a second round");
    assert.equal(first, false);
    log.reads.shift()?.({ ok: false });
    await settle();
    clock.advance(100);
    await settle();
    log.reads.shift()?.({ ok: true, index: 2 });
    for (const key of ["k", "l"]) {
      const written = store.txn(put(key));
      await settle();
      log.commit();
      await written;
      if (key === "k") await early;
    }
    for (const { items } of await Promise.all(late)) assert.equal(items.length, 2);
    assert.equal(store.figures.pending, 0);
  });

  test("a transaction without its lease and with an id is refused in the log", async () => {
    const { log, store } = make(SELF);
    assert.equal(await failure(store.txn({ ...put("k"), leases: ["gs-1"] })), "no-lease");
    assert.equal(log.proposals.length, 0);
    const refused = failure(store.txn({ ...put("k", "x"), leases: ["gs-1"] }));
    await settle();
    assert.deepEqual(txnsOf(log.commit().command), [
      { id: "x", compare: [], then: [], refused: "no-lease" },
    ]);
    assert.equal(await refused, "no-lease");
    // The first try was taken in by a leader that knew the lease; only its answer got lost.
    const first = store.txn({ ...put("k", "y"), leases: ["gs-1"] });
    await settle();
    const command = encodeCommand({ type: "txns", txns: [put("k", "y")] });
    const retry = log.proposals.shift() ?? assert.fail();
    log.taker.apply([{ index: 2, term: 0, command }]);
    assert.deepEqual(await store.txn(put("k", "y")), { succeeded: true, revision: 1 });
    assert.equal(retry.index, 2);
    store.stop();
    assert.equal(await failure(first), "unreachable");
  });

  test("commands of operators are applied on the leader, or fail", async () => {
    const { log, store, clock } = make(OTHER);
    const quota = { type: "quota", bytes: 300 } as const;
    assert.equal(await failure(store.administer(quota)), "no-quorum");
    log.setLeader(SELF);
    const lost = failure(store.administer(quota));
    log.overwrite(1, 2, undefined);
    assert.equal(await lost, "no-quorum");
    const applied = store.administer(quota);
    log.commit();
    await applied;
    assert.equal(store.figures.quotaBytes, 300);
    const full = failure(store.txn({ compare: [], then: [...put("a").then, ...put("b").then] }));
    await settle();
    log.commit();
    assert.equal(await full, "quota");
    const late = failure(store.administer(quota));
    clock.advance(TIMEOUT + 1);
    assert.equal(await late, "timeout");
    assert.equal(store.figures.pending, 0);
  });

  test("more requests than may wait are refused; stop answers all", async () => {
    const { store, clock } = make(undefined, {}, { maxPending: 3 });
    const codes = ["1", "2", "3"].map((key) => failure(store.txn(put(key))));
    assert.equal(await failure(store.txn(put("k"))), "busy");
    assert.equal(await failure(store.range({ key: "k" })), "busy");
    store.stop();
    store.stop();
    assert.deepEqual(await Promise.all(codes), ["unreachable", "unreachable", "unreachable"]);
    assert.equal(await failure(store.txn(put("k"))), "unreachable");
    assert.equal(clock.pending, 0);
  });
});
