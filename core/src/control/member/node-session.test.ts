import assert from "node:assert/strict";
import { test } from "node:test";
import { noopLogger } from "../../logging/logger.ts";
import { settle } from "../../node/settle.ts";
import type { Clock } from "../../ports/clock.ts";
import { SeededRandom } from "../../sim/seeded-random.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import type { MigrationProgress } from "../remote/renewal.ts";
import { bootsInMemory } from "./boots.ts";
import { NodeSession } from "./node-session.ts";
import { SimControl } from "./testing/sim-control.ts";

const LEASE_MS = 1000;
const NO_LOAD = { sessions: 0, memoryBytes: 0, busy: 0, tickMs: 0, bytesPerSecond: 0 };

/** A node's clock: it runs at its own pace, and somebody may set its wall time. */
class NodeClock implements Clock {
  offsetMs = 0;
  private readonly base: Clock;
  private readonly pace: number;

  constructor(base: Clock, pace: number) {
    this.base = base;
    this.pace = pace;
  }

  now(): number {
    return this.base.now() * this.pace;
  }

  wallTime(): number {
    return 1e12 + Math.floor(this.now()) + this.offsetMs;
  }

  setTimer(ms: number, fn: () => void) {
    return this.base.setTimer(ms / this.pace, fn);
  }
}

function scene(seed: number | string, { pace = 1, node = "gs-1", leaseMs = LEASE_MS } = {}) {
  const clock = new SimClock();
  const random = new SeededRandom(seed);
  const control = new SimControl({ clock, random });
  control.node = node;
  const machine = new NodeClock(clock, pace);
  const told: string[] = [];
  const fatal: Error[] = [];
  const make = () => {
    const session = new NodeSession(
      { node, leaseMs },
      {
        store: control.store,
        renewals: control.store,
        clock: machine,
        random,
        logger: noopLogger,
        boots: bootsInMemory(),
        describe: async () => ({
          role: "gameserver",
          labels: {},
          capacity: { weight: 10, sessions: 0, memoryBytes: 0 },
          modules: ["*"],
          address: "10.0.0.5:2556",
          fingerprint: "ab".repeat(32),
        }),
        fatal: (error) => fatal.push(error),
      },
    );
    return session;
  };
  const session = make();
  let calls = 0;
  const tell = (what: string) => {
    assert.equal(calls, 0, `${what} was told from within a call`);
    told.push(what);
  };
  const events = {
    registered: () => tell("registered"),
    sealed: (reason: string) => tell(`sealed ${reason}`),
    unsealed: () => tell("unsealed"),
    lost: async () => tell("lost"),
  };
  const mayAct = () => {
    calls += 1;
    const may = session.mayAct();
    calls -= 1;
    return may;
  };
  const problems = new Map<string, string>();
  const migrations: MigrationProgress[] = [];
  const asleep: string[] = [];
  const start = () =>
    session.start(
      events,
      () => NO_LOAD,
      () => [...problems].map(([shard, problem]) => ({ shard, problem })),
      () => migrations,
      () => ({ shards: [...asleep] }),
    );
  const elapse = (ms: number) => clock.elapse(ms, settle);
  const drive = <T>(work: Promise<T>) => clock.drive(work, settle);
  return {
    clock,
    random,
    control,
    machine,
    told,
    problems,
    migrations,
    asleep,
    fatal,
    session,
    make,
    mayAct,
    start,
    elapse,
    drive,
  };
}

test("a node registers, gets its lease, says that it is ready, and leaves", async () => {
  const { session, control, told, mayAct, start, drive, elapse } = scene(1);
  assert.equal(mayAct(), false);
  await drive(start());
  assert.equal(control.record().record?.state, "starting");
  assert.equal(control.record().record?.boot, session.registration?.boot);
  assert.equal(session.registration?.revision, control.record().modified);
  await drive(session.setState("ready"));
  assert.equal(mayAct(), true);
  assert.deepEqual(told, ["registered", "unsealed"]);
  await elapse(10 * LEASE_MS);
  assert.equal(mayAct(), true);
  await drive(session.setState("stopped"));
  assert.equal(control.record().record?.state, "stopped");
  assert.equal(mayAct(), false);
  await elapse(10 * LEASE_MS);
  await session.stop();
  control.stop();
  assert.deepEqual(told, ["registered", "unsealed"], "who left is not lost");
});

test("renewals say what a node could not open, for as long as that is so", async () => {
  const { session, control, problems, start, drive, elapse } = scene(1);
  await drive(start());
  await elapse(LEASE_MS);
  assert.equal(control.problems, undefined);
  problems.set("arena/0", "no such file");
  await elapse(LEASE_MS);
  assert.deepEqual(control.problems, [{ shard: "arena/0", problem: "no such file" }]);
  problems.clear();
  await elapse(LEASE_MS);
  assert.equal(control.problems, undefined);
  await session.stop();
  control.stop();
});

test("each renewal takes the next part of those that sleep", async () => {
  const { session, control, asleep, start, drive, elapse } = scene(1);
  await drive(start());
  asleep.push("arena/0");
  await elapse(LEASE_MS);
  assert.deepEqual(control.asleep, { shards: ["arena/0"] });
  await session.stop();
  control.stop();
});

test("news of migrations are told soon, and no more than four times a second for it", async () => {
  const { session, control, migrations, start, drive, elapse } = scene(1, {
    leaseMs: 20 * LEASE_MS,
  });
  session.hurry();
  await drive(start());
  await elapse(LEASE_MS);
  const usual = control.renewals;
  migrations.push({
    ...{ shard: "arena/0", id: "00ff00ff00ff00ff", phase: "copying" },
    ...{ bytes: 1.5, totalBytes: Number.NaN, lagTicks: -1 },
  });
  session.hurry();
  await elapse(300);
  const [told] = control.migrations ?? [];
  assert.deepEqual(
    [told?.shard, told?.bytes, told?.totalBytes, told?.lagTicks],
    ["arena/0", 1, 0, 0],
  );
  for (let ms = 0; ms < 10_000; ms += 10) {
    session.hurry();
    await elapse(10);
  }
  assert.ok(control.renewals - usual > 30, `${control.renewals - usual} renewals`);
  assert.ok(control.renewals - usual <= 10 * 4 + 2, `${control.renewals - usual} renewals`);
  await session.stop();
  session.hurry();
  control.stop();
});

test("a node that hears of another leader has its lease from it at once", async () => {
  const { session, control, start, drive, elapse } = scene(1, { leaseMs: 20 * LEASE_MS });
  await drive(start());
  // The usual renewals come every five seconds.
  await elapse(6 * LEASE_MS);
  const usual = control.renewals;
  control.elect(true);
  assert.equal(control.tiny.leases.has("gs-1"), false);
  await elapse(200);
  assert.equal(control.tiny.leases.has("gs-1"), true);
  assert.equal(control.renewals, usual + 1);
  await elapse(3 * LEASE_MS);
  assert.equal(control.renewals, usual + 1, "the usual ones stay where they were");
  await elapse(LEASE_MS);
  assert.equal(control.renewals, usual + 2);
  // One that cannot answer yet is asked again soon, and then less and less often.
  control.elect(true);
  control.faults.loss = 1;
  await elapse(600);
  control.faults.loss = 0;
  await elapse(550);
  assert.equal(control.tiny.leases.has("gs-1"), true);
  await session.stop();
  control.elect(true);
  await elapse(LEASE_MS);
  control.stop();
});

test("a node that is cut off is sealed, declared lost, and comes again with another boot", async () => {
  const { session, control, told, mayAct, start, drive, elapse } = scene(2);
  await drive(start());
  await drive(session.setState("ready"));
  const first = session.registration;
  control.faults.cut = true;
  await elapse(3 * LEASE_MS);
  assert.equal(mayAct(), false);
  assert.equal(control.record().record?.state, "lost");
  assert.equal(session.registration, first, "it does not know yet");
  control.faults.cut = false;
  await elapse(10 * LEASE_MS);
  assert.equal(mayAct(), true);
  assert.notEqual(session.registration?.boot, first?.boot);
  assert.equal(control.record().record?.state, "starting");
  assert.deepEqual(told, [
    "registered",
    "unsealed",
    "sealed expired",
    "lost",
    "registered",
    "unsealed",
  ]);
  await session.stop();
});

test("a restore makes a node register anew, in the new generation", async () => {
  const { session, control, mayAct, start, drive, elapse, told } = scene(3);
  await drive(start());
  await elapse(LEASE_MS);
  const before = session.registration;
  control.restore(control.tiny.backup());
  await elapse(5 * LEASE_MS);
  assert.equal(session.registration?.generation, (before?.generation ?? 0) + 1);
  assert.notEqual(session.registration?.boot, before?.boot);
  assert.equal(mayAct(), true);
  assert.deepEqual(told.slice(2), ["sealed lost", "lost", "registered", "unsealed"]);
  await session.stop();
});

test("a second process of the same name waits for the lease of the first, and says who holds the name", async () => {
  const { session, make, control, start, drive, elapse, mayAct } = scene(4);
  await drive(start());
  await elapse(LEASE_MS);
  const second = make();
  const told: string[] = [];
  const starting = second.start(
    {
      registered: () => told.push("registered"),
      sealed: () => told.push("sealed"),
      unsealed: () => told.push("unsealed"),
      lost: async () => void told.push("lost"),
    },
    () => NO_LOAD,
  );
  await elapse(5 * LEASE_MS);
  assert.equal(mayAct(), true);
  assert.equal(second.mayAct(), false);
  assert.match(second.waitsFor ?? "", /registered as gs-1, at 10\.0\.0\.5:2556.*1 s after/);
  await session.stop();
  await drive(starting);
  await elapse(LEASE_MS);
  assert.equal(second.mayAct(), true);
  assert.equal(second.waitsFor, undefined);
  assert.equal(control.record().record?.boot, second.registration?.boot);
  await second.stop();
});

test("a jump of the wall clock seals the node until its next renewal", async () => {
  const { session, machine, mayAct, start, drive, elapse, told } = scene(5);
  await drive(start());
  await elapse(LEASE_MS);
  machine.offsetMs = 60_000;
  assert.equal(mayAct(), false);
  await elapse(LEASE_MS / 2);
  assert.equal(mayAct(), true);
  assert.deepEqual(told.slice(2), ["sealed clock-jump", "unsealed"]);
  await session.stop();
});

test("a role that cannot close what it has ends the process: the node never acts again", async () => {
  const { session, control, fatal, drive, elapse } = scene(6);
  await drive(
    session.start(
      {
        registered: () => undefined,
        sealed: () => undefined,
        unsealed: () => undefined,
        lost: () => Promise.reject(new Error("cannot close arena")),
      },
      () => NO_LOAD,
    ),
  );
  await elapse(LEASE_MS);
  control.restore(control.tiny.backup());
  await elapse(10 * LEASE_MS);
  assert.deepEqual(
    fatal.map(({ message }) => message),
    ["cannot close arena"],
  );
  assert.equal(session.mayAct(), false);
  assert.equal(session.registration, undefined);
});

test("a stop while nobody answers ends the waiting", async () => {
  const { session, control, start, drive, elapse } = scene(7);
  control.faults.cut = true;
  const starting = start();
  const refusal = assert.rejects(starting, { code: "stopped" });
  await elapse(5 * LEASE_MS);
  assert.match(session.waitsFor ?? "", /no answer in time/);
  await session.stop();
  await drive(refusal);
});

test("what waiting cannot help with is said", async () => {
  const { session, control, drive } = scene(8);
  const { store } = control;
  const { ControlError } = await import("../control-error.ts");
  store.range = () => Promise.reject(new ControlError("forbidden", "this is a proxy's name"));
  const events = {
    registered: () => undefined,
    sealed: () => undefined,
    unsealed: () => undefined,
    lost: async () => undefined,
  };
  await drive(
    assert.rejects(
      session.start(events, () => NO_LOAD),
      { code: "forbidden" },
    ),
  );
  assert.equal(session.registration, undefined);
});

/** What may happen to a node within a simulated minute. */
async function live(seed: number) {
  const pace = 1 + ((seed % 5) - 2) * 0.0045;
  const { clock, control, random, machine, told, session, mayAct, start, elapse, fatal } = scene(
    seed,
    { pace },
  );
  let acted = 0;
  control.onDeclare = (_node, boot) => {
    if (session.registration?.boot === boot)
      assert.equal(mayAct(), false, `seed ${seed}: declared lost while it acts`);
  };
  let ended = false;
  const probe = () => {
    if (ended) return;
    clock.setTimer(7, probe);
    if (!mayAct()) return;
    acted += 1;
    const { boot, generation } = session.registration ?? {};
    const { record } = control.record();
    // Between a restore and its news nobody else owns anything: new owners wait for leases.
    if (generation !== control.tiny.generation) return;
    assert.equal(record?.boot, boot, `seed ${seed}: acts, and another boot is registered`);
    assert.notEqual(record?.state, "lost", `seed ${seed}: acts, and is lost`);
    assert.ok(clock.now() < (control.mayActUntil() ?? 0), `seed ${seed}: acts beyond its lease`);
  };
  probe();
  const starting = start();
  const backup = control.tiny.backup();
  let kept = backup;
  for (let round = 0; round < 25; round++) {
    control.faults.cut = random.float() < 0.2;
    control.faults.loss = random.float() < 0.5 ? random.float() * 0.5 : 0;
    control.faults.delayMs = random.float() < 0.3 ? random.float() * LEASE_MS : 5;
    if (random.float() < 0.2) control.elect();
    if (random.float() < 0.1) control.compact();
    if (random.float() < 0.1) machine.offsetMs += random.int(-5000, 5000);
    if (random.float() < 0.1) kept = control.tiny.backup();
    if (random.float() < 0.05) control.restore(kept);
    await elapse(random.int(50, 3 * LEASE_MS));
  }
  Object.assign(control.faults, { cut: false, loss: 0, delayMs: 3 });
  await elapse(20 * LEASE_MS);
  await starting;
  assert.equal(mayAct(), true, `seed ${seed}: it did not come again`);
  assert.equal(control.record().record?.boot, session.registration?.boot);
  assert.equal(session.registration?.generation, control.tiny.generation);
  ended = true;
  await session.stop();
  control.stop();
  assert.deepEqual(fatal, []);
  return { told, acted };
}

test("under faults it never acts beyond its lease, and always comes again", async () => {
  const kinds = new Map<string, number>();
  let acted = 0;
  for (let seed = 100; seed < 125; seed++) {
    const lived = await live(seed);
    acted += lived.acted;
    let before = "lost";
    for (const what of lived.told) {
      const [kind = ""] = what.split(" ");
      assert.ok(
        NEXT[before]?.includes(kind),
        `seed ${seed}: ${kind} after ${before} in ${lived.told.join(", ")}`,
      );
      before = kind;
      kinds.set(what, (kinds.get(what) ?? 0) + 1);
    }
  }
  assert.ok(acted > 10_000);
  for (const kind of ["lost", "sealed expired", "sealed lost", "sealed clock-jump"])
    assert.ok((kinds.get(kind) ?? 0) > 5, `too few of ${kind}: ${[...kinds].join("; ")}`);
});

/** What may be told after what. */
const NEXT: { readonly [kind: string]: readonly string[] } = {
  registered: ["unsealed", "lost"],
  unsealed: ["sealed"],
  sealed: ["unsealed", "lost"],
  lost: ["registered"],
};
