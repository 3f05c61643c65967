import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  type Change,
  encodeRecord,
  firstRevision,
  generationOf,
  type KeyValue,
  nodeKey,
  type Operation,
  ownerKey,
  type TxnRequest,
} from "@atlasnet/core";
import { nodeRecord } from "@atlasnet/core/testing";
import fc from "fast-check";
import { CheckpointDecoder } from "./checkpoint-decoder.ts";
import { encodeCheckpoint } from "./checkpoint-encoder.ts";
import { type Command, encodeCommand, type TxnCommand } from "./commands.ts";
import { fenced, fenceMs, RESTORE_FENCE } from "./restore-fence.ts";
import { type FrozenState, type LogEntry, StateMachine } from "./state-machine.ts";
import { txnArbitrary } from "./store-arbitraries.ts";
import { StoreModel } from "./store-model.ts";

const QUOTA = 3000;
const HISTORY = { maxChanges: 12, maxBytes: 4000 };

const batches = fc.array(
  fc.record({
    txns: fc.array(txnArbitrary, { minLength: 1, maxLength: 4 }),
    termUp: fc.boolean(),
    /** After it: a checkpoint is begun; earlier ones are written to their end. */
    freeze: fc.boolean(),
    cut: fc.integer({ min: 1, max: 5000 }),
  }),
  { maxLength: 40, size: "max" },
);

describe("state machine", () => {
  test("answers, states, changes and hashes are the model's, also behind a checkpoint", () => {
    fc.assert(
      fc.property(batches, (steps) => {
        const log = new Log();
        const machine = new StateMachine({ history: HISTORY });
        const replicas: StateMachine[] = [];
        const frozen: { readonly state: FrozenState; readonly cut: number }[] = [];
        const model = new StoreModel(QUOTA);
        machine.apply(log.add({ type: "quota", bytes: QUOTA }));
        for (const { txns, termUp, freeze, cut } of steps) {
          if (termUp) log.term += 1;
          const entry = log.add({ type: "txns", txns });
          const before = model.revision;
          const expected = txns.map((txn) => model.apply(txn, log.term));
          const applied = machine.apply(entry);
          assert.deepEqual(applied.outcomes, expected);
          assert.deepEqual(all(machine), plain(model.items));
          assert.equal(machine.revision, model.revision);
          checkChanges(applied.changes, model, before);
          checkHistory(machine, model);
          for (const replica of replicas) {
            assert.deepEqual(replica.apply(entry).outcomes, expected);
            assert.equal(replica.hash, machine.hash);
          }
          if (freeze && frozen.length < 3) frozen.push({ state: machine.freeze(), cut });
          else if (frozen.length > 0) {
            // The machine went on since; the checkpoint is of then, and the log brings it up.
            const { state, cut: at } = frozen.shift() ?? assert.fail();
            const restored = decode(state, at);
            assert.equal(restored.hash, state.hash);
            log.replay(restored);
            assert.equal(restored.hash, machine.hash);
            assert.deepEqual(all(restored), plain(model.items));
            if (replicas.length < 3) replicas.push(restored);
          }
        }
        const replayed = new StateMachine();
        log.replay(replayed);
        assert.equal(replayed.hash, machine.hash);
      }),
      { numRuns: 40 },
    );
  });

  test("ranges are slices of the model, page by page", () => {
    fc.assert(
      fc.property(
        fc.array(txnArbitrary, { maxLength: 30 }),
        fc.constantFrom("", "a", "a/", "b/", "x"),
        fc.integer({ min: 1, max: 4 }),
        (txns, prefix, limit) => {
          const machine = new StateMachine();
          const log = new Log();
          for (const txn of txns) machine.apply(log.add({ type: "txns", txns: [txn] }));
          const paged: KeyValue[] = [];
          for (let after: string | undefined; ; ) {
            const page = machine.range({ prefix, limit, ...(after && { after }) });
            paged.push(...page.items);
            assert.ok(page.items.length <= limit);
            after = page.items.at(-1)?.key;
            if (!page.more) break;
            assert.equal(page.items.length, limit);
          }
          const keys = all(machine).filter(({ key }) => key.startsWith(prefix));
          assert.deepEqual(plain(paged), keys);
        },
      ),
      { numRuns: 100 },
    );
  });

  test("a full store refuses what makes it larger and takes what makes it smaller", () => {
    const { run } = machineWithLog();
    run({ type: "quota", bytes: 1500 });
    assert.equal(run(put("big", 1000)).outcomes[0]?.code, "done");
    assert.equal(run(put("more", 400)).outcomes[0]?.code, "quota");
    assert.equal(run(put("big", 900)).outcomes[0]?.code, "done");
    run({ type: "quota", bytes: 100 });
    assert.equal(run(put("big", 899)).outcomes[0]?.code, "done");
    assert.equal(run(put("big", 899)).outcomes[0]?.code, "done");
    assert.equal(run(put("big", 900)).outcomes[0]?.code, "quota");
    assert.equal(run(remove("big")).outcomes[0]?.code, "done");
  });

  test("a prefix with more keys than a transaction may change is not deleted in part", () => {
    const { machine, run } = machineWithLog();
    for (let i = 0; i < 17; i++) run(puts(`many/${i}/`, 256));
    const { revision } = machine;
    assert.deepEqual(run(remove(undefined, "many/")).outcomes, [{ code: "too-large" }]);
    assert.equal(machine.revision, revision);
    assert.equal(machine.figures.keys, 17 * 256);
    assert.equal(run(remove(undefined, "many/1/")).outcomes[0]?.code, "done");
    assert.equal(run(remove(undefined, "many/")).outcomes[0]?.code, "done");
    assert.equal(machine.figures.keys, 0);
    assert.equal(machine.figures.bytes, 0);
  });

  test("answers are forgotten by number and by distance in the log, on all replicas alike", () => {
    const remembered = { count: 3, distance: 10 };
    const { machine, log, run } = machineWithLog({ remembered });
    for (const id of ["a", "b", "c", "d"]) run(put("k", 1, id));
    assert.equal(machine.answered("a"), undefined);
    assert.deepEqual(machine.answered("b"), { code: "done", succeeded: true, revision: 2 });
    const half = decode(machine.freeze(), 100, { remembered });
    for (let i = 0; i < 10; i++) run(put("other", 1));
    assert.equal(machine.answered("c"), undefined);
    assert.ok(machine.answered("d"));
    log.replay(half);
    assert.equal(half.hash, machine.hash);
  });

  test("an entry that was left out, or that nobody can read, stops the machine", () => {
    const machine = new StateMachine();
    assert.throws(() => machine.apply({ index: 2, term: 1, command: undefined }), /entry 2/);
    const command = Uint8Array.of(0xa1, 1);
    assert.throws(() => machine.apply({ index: 1, term: 1, command }), {
      code: "unreadable-command",
    });
    assert.equal(machine.applied.index, 0);
  });

  test("a restore replaces everything at its end, in a generation above all", () => {
    const { machine, log, run } = machineWithLog();
    run(put("old", 1, "before"));
    const value = Uint8Array.of(7);
    const old = firstRevision(4) + 9;
    const item = { key: "new", value, created: 3, modified: old, version: 2 };
    run({ type: "restore-begin", restore: "r" });
    run({ type: "restore-part", restore: "r", part: 0, items: [item] });
    const between = decode(machine.freeze(), 50);
    assert.ok(machine.get("old"), "it took effect before its end");
    run({ type: "restore-end", restore: "r", parts: 2 });
    assert.ok(machine.get("old"), "a restore that lacks a part took effect");

    log.replay(between);
    assert.equal(between.hash, machine.hash);
    run({ type: "restore-begin", restore: "s" });
    run({ type: "restore-part", restore: "s", part: 0, items: [item] });
    const staged = decode(machine.freeze(), 50);
    const applied = run({ type: "restore-end", restore: "s", parts: 1 });
    assert.ok(applied.replaced);
    assert.deepEqual(machine.range({ prefix: "" }).items, [item]);
    assert.equal(machine.revision, firstRevision(5));
    assert.equal(machine.history.floor, machine.revision);
    assert.deepEqual(run(put("new", 1, "before")).outcomes[0], {
      code: "done",
      succeeded: true,
      revision: 1,
    });
    const after = run(put("new", 1)).outcomes[0];
    assert.equal(after?.code === "done" && generationOf(after.revision), 5);
    log.replay(staged);
    assert.equal(staged.hash, machine.hash);
  });

  test("a restore puts up a fence as long as the longest lease on either side, and no claim passes it", () => {
    const { machine, run } = machineWithLog();
    const nodePut = (node: string, leaseMs: number): Operation => ({
      type: "put",
      key: nodeKey(node),
      value: encodeRecord("node", { ...NODE, leaseMs }),
    });
    const txns = (...then: Operation[]): Command => ({
      type: "txns",
      txns: [{ compare: [], then }],
    });
    const restored = (items: readonly KeyValue[]) => {
      run({ type: "restore-begin", restore: "r" });
      run({ type: "restore-part", restore: "r", part: 0, items });
      run({ type: "restore-end", restore: "r", parts: 1 });
      const fence = machine.get(RESTORE_FENCE);
      return fence && { ms: fenceMs(fence), modified: fence.modified };
    };
    assert.equal(restored([]), undefined);
    run(txns(nodePut("gs-1", 7000), nodePut("gs-2", 2000)));
    const backup = machine.range({ prefix: "nodes/gs-2" }).items;
    assert.deepEqual(restored(backup), { ms: 7000, modified: firstRevision(2) });
    // The one before still stands, and gs-1 is known to nobody any more.
    assert.deepEqual(restored(backup), { ms: 7000, modified: firstRevision(3) });
    run(txns({ type: "delete", key: RESTORE_FENCE }));
    assert.deepEqual(restored([]), { ms: 2000, modified: firstRevision(4) });

    const owner = (state: "owned" | "released"): TxnRequest => {
      const record = { world: 1, node: "gs-1", boot: "b", state };
      const value = encodeRecord("owner", record);
      return { compare: [], then: [{ type: "put", key: ownerKey("w/0"), value }] };
    };
    const applied = (request: TxnRequest) => {
      const txn = { compare: fenced(request), then: request.then };
      const [outcome] = run({ type: "txns", txns: [txn] }).outcomes;
      return outcome?.code === "done" && outcome.succeeded;
    };
    assert.equal(applied(owner("owned")), false);
    assert.equal(applied(owner("released")), true);
    run(txns({ type: "delete", key: RESTORE_FENCE }));
    assert.equal(applied(owner("owned")), true);
  });
});

const NODE = { ...nodeRecord({ state: "ready" }), cordoned: false };

/** The log of a group, to be replayed into any machine. */
class Log {
  term = 1;
  private readonly entries: LogEntry[] = [];

  add(command: Command): LogEntry {
    const index = this.entries.length + 1;
    const entry = { index, term: this.term, command: encodeCommand(command) };
    this.entries.push(entry);
    return entry;
  }

  replay(machine: StateMachine): void {
    for (const entry of this.entries.slice(machine.applied.index)) machine.apply(entry);
  }
}

function machineWithLog(options: ConstructorParameters<typeof StateMachine>[0] = {}) {
  const machine = new StateMachine(options);
  const log = new Log();
  return { machine, log, run: (command: Command) => machine.apply(log.add(command)) };
}

/** Through bytes that are cut every `cut` bytes. */
function decode(
  state: FrozenState,
  cut: number,
  options: ConstructorParameters<typeof StateMachine>[0] = {},
): StateMachine {
  const bytes = Buffer.concat([...encodeCheckpoint(state)]);
  const decoder = new CheckpointDecoder({ history: HISTORY, ...options });
  for (let at = 0; at < bytes.length; at += cut) decoder.push(bytes.subarray(at, at + cut));
  return decoder.finish();
}

/** Changes lead from state to state, each key once, and name only what is different. */
function checkChanges(
  all: readonly { readonly revision: number; readonly changes: readonly Change[] }[],
  model: StoreModel,
  before: number,
): void {
  let at = before;
  for (const { revision, changes } of all) {
    assert.equal(revision, at + 1);
    const state = new Map((model.states[at] ?? []).map((item) => [item.key, item]));
    const keys = new Set<string>();
    for (const change of changes) {
      const key = change.type === "put" ? change.item.key : change.key;
      assert.ok(!keys.has(key));
      keys.add(key);
      if (change.type === "put") state.set(key, change.item);
      else {
        assert.ok(state.delete(key), "a deletion of what was not there");
        assert.equal(change.modified, revision);
      }
    }
    const items = [...state.values()].sort((a, b) => (a.key < b.key ? -1 : 1));
    assert.deepEqual(plain(items), plain(model.states[revision] ?? []));
    at = revision;
  }
  assert.equal(at, model.revision);
}

function checkHistory({ history, revision }: StateMachine, model: StoreModel): void {
  const { floor, size } = history;
  assert.ok(size.changes <= HISTORY.maxChanges && size.bytes <= HISTORY.maxBytes);
  const revisions = [...history.after(floor)].map((entry) => entry.revision);
  assert.deepEqual(
    revisions,
    Array.from({ length: revision - floor }, (_, i) => floor + 1 + i),
  );
  assert.equal(revision, model.revision);
}

function all(machine: StateMachine): (Omit<KeyValue, "value"> & { value: number[] })[] {
  return plain(machine.range({ prefix: "" }).items);
}

/** Buffers and arrays of bytes compare alike. */
function plain(items: readonly KeyValue[]): (Omit<KeyValue, "value"> & { value: number[] })[] {
  return items.map((item) => ({ ...item, value: [...item.value] }));
}

function put(key: string, bytes: number, id?: string): Command {
  const value = new Uint8Array(bytes);
  return txn({ ...(id && { id }), compare: [], then: [{ type: "put", key, value }] });
}

function puts(prefix: string, count: number): Command {
  const keys = Array.from({ length: count }, (_, i) => `${prefix}${i}`);
  const value = Uint8Array.of(1);
  return txn({ compare: [], then: keys.map((key) => ({ type: "put", key, value })) });
}

function remove(key: string | undefined, prefix = ""): Command {
  return txn({
    compare: [],
    then: [key === undefined ? { type: "delete", prefix } : { type: "delete", key }],
  });
}

function txn(command: TxnCommand): Command {
  return { type: "txns", txns: [command] };
}
