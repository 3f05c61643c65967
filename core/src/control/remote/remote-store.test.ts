import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallAnswer, callCode } from "../../link/calls.ts";
import { settle } from "../../node/settle.ts";
import { SeededRandom } from "../../sim/seeded-random.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { ControlError, type ControlErrorCode } from "../control-error.ts";
import type { LeaderInfo, TxnRequest } from "../control-store.ts";
import {
  CONTROL_CALLS_VERSION,
  nothing,
  renewalAnswer,
  renewalRequest,
  txnAnswer,
  txnRequest,
  watchAnswer,
  watchName,
  watchNews,
  watchRequest,
} from "./control-call-codec.ts";
import type { ControlCalls } from "./control-calls.ts";
import { encodeRefusal } from "./refusal.ts";
import { RemoteStore, type RemoteStoreOptions } from "./remote-store.ts";
import type { RenewalAnswer } from "./renewal.ts";

const TXN: TxnRequest = {
  compare: [],
  then: [{ type: "put", key: "k", value: Uint8Array.of(1) }],
};
const leader = { node: "api-1", term: 4 };

type Answer = CallAnswer | ((body: Uint8Array) => CallAnswer | Promise<CallAnswer>);

/** An apiserver that answers what it was told to, question by question; then it is not linked. */
class Script implements ControlCalls {
  version = CONTROL_CALLS_VERSION;
  readonly asked: { readonly method: string; readonly body: Uint8Array }[] = [];
  readonly answers = new Map<string, Answer[]>();
  moved = 0;
  connect: (of?: LeaderInfo) => void = () => {};

  async ask(method: string, body: Uint8Array): Promise<CallAnswer> {
    this.asked.push({ method, body });
    const answer = this.answers.get(method)?.shift() ?? callCode("unreachable");
    return typeof answer === "function" ? await answer(body) : answer;
  }

  onConnected(handler: (of: LeaderInfo | undefined) => void): void {
    this.connect = (of) => handler(of);
  }

  moveOn(): void {
    this.moved += 1;
  }

  will(method: string, ...answers: Answer[]): void {
    this.answers.set(method, [...(this.answers.get(method) ?? []), ...answers]);
  }
}

function scene(options: RemoteStoreOptions = {}) {
  const clock = new SimClock();
  const script = new Script();
  const random = new SeededRandom("store");
  const store = new RemoteStore(options, { calls: script, clock, random });
  const run = <T>(work: Promise<T>) => clock.drive(work, settle);
  return { clock, script, store, run };
}

function ok(body: Uint8Array): CallAnswer {
  return { code: "ok", body };
}

function refuse(code: ControlErrorCode): CallAnswer {
  return encodeRefusal(new ControlError(code, code));
}

const isError = (code: ControlErrorCode) => (error: unknown) =>
  error instanceof ControlError && error.code === code;

test("a transaction is sent again with the same id until it is decided", async () => {
  const { script, store, run } = scene();
  const done = ok(txnAnswer.encode({ succeeded: true, revision: 5, leader }));
  script.will("txn", callCode("lost"), refuse("no-quorum"), callCode("busy"), done);
  assert.deepEqual(await run(store.txn(TXN)), { succeeded: true, revision: 5 });
  const ids = script.asked.map(({ body }) => txnRequest.decode(body).id);
  assert.equal(ids.length, 4);
  assert.equal(new Set(ids).size, 1);
  assert.match(String(ids[0]), /^[0-9a-f]{32}$/);
  assert.deepEqual(store.leader(), leader);
  assert.equal(script.moved, 1, "an apiserver without a quorum is left");
});

test("what was decided is the answer at once", async () => {
  const { script, store, run } = scene();
  for (const code of ["forbidden", "quota", "no-lease", "bad-request", "too-large"] as const) {
    script.will("txn", refuse(code));
    await assert.rejects(run(store.txn(TXN)), isError(code));
  }
  assert.equal(script.asked.length, 5);
});

test("the time is over: open when a try may have been acted upon, else not", async () => {
  const { script, store, run, clock } = scene({ timeoutMs: 1000 });
  const began = clock.now();
  await assert.rejects(run(store.txn(TXN)), isError("unreachable"));
  assert.ok(clock.now() - began <= 1000);
  script.will("txn", callCode("busy"));
  await assert.rejects(run(store.txn(TXN)), isError("unreachable"));
  for (const open of [callCode("lost"), callCode("timeout"), callCode("failed")]) {
    script.will("txn", open);
    await assert.rejects(run(store.txn(TXN)), isError("timeout"));
  }
  // An apiserver that stops may have handed it on.
  script.will("txn", refuse("unreachable"));
  await assert.rejects(run(store.txn(TXN)), isError("timeout"));
  script.will("txn", refuse("no-quorum"));
  await assert.rejects(run(store.txn(TXN)), isError("no-quorum"));
  script.will("txn", callCode("lost"), callCode("unknown-method"));
  await assert.rejects(run(store.txn(TXN)), isError("timeout"));
});

test("a new link is used at once, and no more requests wait than are allowed", async () => {
  const { script, store, clock, run } = scene({ timeoutMs: 10_000, maxPending: 1 });
  const waiting = store.txn(TXN);
  await settle();
  clock.advance(600);
  await settle();
  await assert.rejects(store.range({ key: "k" }), isError("busy"));
  script.will("txn", ok(txnAnswer.encode({ succeeded: false, revision: 1 })));
  const before = clock.now();
  script.connect();
  assert.equal((await run(waiting)).succeeded, false);
  assert.equal(clock.now(), before);
  assert.deepEqual(store.figures, { pending: 0, watches: 0 });
});

test("an answer that cannot be read is an error that says so", async () => {
  const { script, store, run } = scene();
  script.will("txn", ok(Uint8Array.of(0xff)));
  await assert.rejects(run(store.txn(TXN)), /not understood/);
});

test("a renewal is asked once", async () => {
  const { script, store, run } = scene();
  const load = { sessions: 1, memoryBytes: 2, busy: 1.2, tickMs: 3.5, bytesPerSecond: 4 };
  const request = { boot: "b", number: 1, load };
  script.will("renew", ok(renewalAnswer.encode({ ok: true, number: 1, leaseMs: 500 })));
  assert.deepEqual(await run(store.renew(request, 100)), { ok: true, number: 1, leaseMs: 500 });
  script.will("renew", callCode("timeout"));
  await assert.rejects(run(store.renew(request, 100)), isError("timeout"));
  await assert.rejects(run(store.renew(request, 100)), isError("unreachable"));
  assert.equal(script.asked.length, 3);
});

test("an apiserver of before is not told what it does not know", async () => {
  const { script, store, run } = scene();
  const load = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };
  const migrations = [
    {
      ...{ shard: "arena/0", id: "00ff00ff00ff00ff", phase: "sealed" as const },
      ...{ bytes: 1, totalBytes: 1, lagTicks: 0 },
    },
  ];
  const told: unknown[] = [];
  const asleep = { through: "arena/0", shards: ["arena/0"] };
  for (script.version = 1; script.version <= 3; script.version++) {
    script.will("renew", (body) => {
      const { migrations, asleep } = renewalRequest.decode(body);
      told.push([migrations, asleep]);
      return ok(renewalAnswer.encode({ ok: true, number: 1, leaseMs: 500 }));
    });
    await run(store.renew({ boot: "b", number: 1, load, migrations, asleep }, 100));
  }
  assert.deepEqual(told, [
    [undefined, undefined],
    [migrations, undefined],
    [migrations, asleep],
  ]);
});

test("an apiserver at which renewals find no leader for long is left", async () => {
  const { script, store, run, clock } = scene();
  const load = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };
  const renew = async (answer: RenewalAnswer) => {
    script.will("renew", ok(renewalAnswer.encode(answer)));
    await run(store.renew({ boot: "b", number: 1, load }, 100));
    clock.advance(600);
    return script.moved;
  };
  const notLeader = { ok: false, code: "not-leader" } as const;
  for (let i = 0; i < 3; i++) assert.equal(await renew(notLeader), 0);
  assert.equal(await renew({ ok: true, number: 1, leaseMs: 500 }), 0);
  for (let i = 0; i < 3; i++) assert.equal(await renew(notLeader), 0);
  assert.equal(await renew(notLeader), 1);
});

test("a watch goes on behind its last revision, under a new name", async () => {
  const { script, store, clock } = scene();
  const revisions: number[] = [];
  const hang = () => new Promise<CallAnswer>(() => {});
  const opened = (revision: number) => ok(watchAnswer.encode({ revision }));
  const told = (revision: number) =>
    ok(watchNews.encode({ type: "changed", revision, changes: [] }));
  script.will("watch", opened(7), opened(9), opened(9), opened(9));
  script.will(
    "watch-next",
    told(9),
    callCode("lost"),
    ok(watchNews.encode({ type: "ended" })),
    // Nothing new is not told.
    told(9),
    told(12),
    hang,
  );
  const watch = store.watch(
    { prefix: "w/" },
    {
      changed: ({ revision }) => revisions.push(revision),
      compacted: () => assert.fail(),
      failed: (error) => assert.fail(error),
    },
  );
  for (let i = 0; i < 10; i++) await clock.elapse(1000, settle);
  assert.deepEqual(revisions, [9, 12]);
  const requests = script.asked
    .filter(({ method }) => method === "watch")
    .map(({ body }) => watchRequest.decode(body));
  assert.deepEqual(
    requests.map(({ after }) => after),
    [undefined, 9, 9],
  );
  assert.equal(new Set(requests.map((request) => request.watch)).size, 3);
  script.will("watch-close", ok(nothing.encode({})));
  watch.close();
  watch.close();
  await settle();
  const closed = script.asked.at(-1);
  assert.equal(closed?.method, "watch-close");
  assert.equal(watchName.decode(closed?.body ?? new Uint8Array(0)).watch, requests[2]?.watch);
  assert.equal(store.figures.watches, 0);
});

test("a watch that is refused fails; too many are tried elsewhere first", async () => {
  const { script, store, clock } = scene();
  const watched = async (): Promise<unknown> => {
    let failed: unknown;
    store.watch(
      { prefix: "w/" },
      {
        changed: () => assert.fail(),
        compacted: () => assert.fail(),
        failed: (error) => {
          failed = error;
        },
      },
    );
    assert.equal(failed, undefined, "never from within the call");
    await clock.elapse(10_000, settle);
    return failed;
  };
  script.will("watch", refuse("forbidden"));
  assert.ok(isError("forbidden")(await watched()));
  const many = refuse("too-many-watches");
  script.will("watch", many, many, many, many);
  assert.ok(isError("too-many-watches")(await watched()));
  assert.equal(script.moved, 3);
  assert.equal(store.figures.watches, 0);
});

test("the end: what waits is answered, watches fail, and nothing is asked any more", async () => {
  const { script, store, run } = scene();
  let failed: unknown;
  const events = {
    changed: () => assert.fail(),
    compacted: () => assert.fail(),
    failed: (error: Error) => {
      failed = error;
    },
  };
  const hang = () => new Promise<CallAnswer>(() => {});
  script.will("watch", hang, hang);
  store.watch({ prefix: "w/" }, events);
  const silent = store.watch({ prefix: "w/" }, { ...events, failed: () => assert.fail() });
  const waiting = assert.rejects(store.range({ key: "k" }), isError("unreachable"));
  await settle();
  store.stop();
  silent.close();
  store.stop();
  await run(waiting);
  assert.ok(isError("unreachable")(failed));
  const { length } = script.asked;
  await assert.rejects(store.txn(TXN), isError("unreachable"));
  assert.equal(script.asked.length, length);
});

test("another leader, and another link to the same one, are told once each", async () => {
  const { script, store, run } = scene();
  let told = 0;
  store.onLeader(() => {
    told += 1;
  });
  const answer = (of?: LeaderInfo) =>
    ok(txnAnswer.encode({ succeeded: true, revision: 1, ...(of && { leader: of }) }));
  const later = { ...leader, term: leader.term + 1 };
  const counts: number[] = [];
  for (const of of [leader, leader, undefined, later]) {
    script.will("txn", answer(of));
    await run(store.txn(TXN));
    counts.push(told);
  }
  script.connect(later);
  counts.push(told);
  script.connect();
  counts.push(told);
  assert.deepEqual(counts, [1, 1, 1, 2, 3, 3]);
});
