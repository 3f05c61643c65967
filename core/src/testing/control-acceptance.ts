import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ControlErrorCode } from "../control/control-error.ts";
import { ControlError } from "../control/control-error.ts";
import {
  type Compare,
  type ControlStore,
  MAX_KEY_BYTES,
  MAX_RANGE_ITEMS,
  MAX_TXN_PARTS,
  MAX_VALUE_BYTES,
  type Operation,
  type TxnRequest,
} from "../control/control-store.ts";
import { readAll } from "../control/read-all.ts";
import {
  type ControlFixture,
  type ControlSupport,
  follow,
  type MakeControlFixture,
} from "./control-fixture.ts";

const EVERYTHING: ControlSupport = {
  term: true,
  leases: true,
  versions: true,
  maxParts: MAX_TXN_PARTS,
};
/** Clients that write against each other, and how often each does. */
const WRITERS = 4;
const WRITES = 6;

/** What every adapter of the control store has to pass. */
export function controlStoreAcceptance(
  name: string,
  makeFixture: MakeControlFixture,
  lacks: Partial<ControlSupport> = {},
): void {
  const supports = { ...EVERYTHING, ...lacks };
  const storeTest = (
    title: string,
    body: (near: ControlStore, f: ControlFixture) => Promise<void>,
    skip = false,
  ) =>
    test(`${title}${skip ? " (the adapter lacks it)" : ""}`, {
      timeout: 60_000,
      skip,
    }, async () => {
      const fixture = await makeFixture();
      try {
        await fixture.run(body(fixture.near, fixture));
      } finally {
        await fixture.close();
      }
    });

  describe(`control store: ${name}`, () => {
    storeTest("what was put is read, by key and by prefix, in order", async (near, { far }) => {
      const first = await near.txn(puts("b/2", "b/10", "a"));
      const second = await far.txn(puts("b", "b/1", "c"));
      assert.ok(first.succeeded && second.succeeded);
      assert.ok(second.revision > first.revision);
      const { items, more, revision } = await near.range({ prefix: "b/" });
      assert.deepEqual(
        items.map(({ key }) => key),
        ["b/1", "b/10", "b/2"],
      );
      assert.equal(more, false);
      assert.ok(revision >= second.revision);
      const one = (await far.range({ key: "b/10" })).items[0];
      assert.deepEqual(one && { ...one, value: text(one.value) }, {
        key: "b/10",
        value: "b/10",
        created: first.revision,
        modified: first.revision,
        version: 1,
      });
      assert.deepEqual((await near.range({ key: "b/" })).items, []);
      assert.equal((await near.range({ prefix: "" })).items.length, 6);
    });

    storeTest("pages follow on each other", async (near) => {
      const keys = ["p", "p/1", "p/2", "p/3", "p/4", "q"];
      await near.txn(puts(...keys));
      const first = await near.range({ prefix: "p/", limit: 3 });
      assert.deepEqual(
        first.items.map(({ key }) => key),
        ["p/1", "p/2", "p/3"],
      );
      assert.equal(first.more, true);
      const second = await near.range({ prefix: "p/", limit: 3, after: "p/3" });
      assert.deepEqual(
        second.items.map(({ key }) => key),
        ["p/4"],
      );
      assert.equal(second.more, false);
      assert.equal((await readAll(near, "p")).items.length, 5);
    });

    storeTest("a change keeps `created`; a deletion and a put begin anew", async (near) => {
      const made = await near.txn(puts("k"));
      const changed = await near.txn(puts("k"));
      const [item] = (await near.range({ key: "k" })).items;
      assert.equal(item?.created, made.revision);
      assert.equal(item?.modified, changed.revision);
      assert.equal(item?.version, supports.versions ? 2 : 1);
      await near.txn(txn({ then: [{ type: "delete", key: "k" }] }));
      assert.deepEqual((await near.range({ key: "k" })).items, []);
      const again = await near.txn(puts("k"));
      const [anew] = (await near.range({ key: "k" })).items;
      assert.equal(anew?.created, again.revision);
      assert.equal(anew?.version, 1);
    });

    storeTest("compares decide which operations are applied", async (near) => {
      const { revision } = await near.txn(puts("k"));
      const modified = (is: "equal" | "greater" | "less", key: string, than: number): Compare => ({
        type: "modified",
        key,
        is,
        revision: than,
      });
      const cases: [Compare, boolean][] = [
        [modified("equal", "k", revision), true],
        [modified("equal", "k", revision - 1), false],
        [modified("greater", "k", revision - 1), true],
        [modified("greater", "k", revision), false],
        [modified("less", "k", revision + 1), true],
        [modified("less", "k", revision), false],
        [modified("equal", "absent", 0), true],
        [modified("greater", "absent", 0), false],
        [modified("less", "absent", 1), true],
        [modified("equal", "k", 0), false],
        [{ type: "value", key: "k", equals: bytes("k") }, true],
        [{ type: "value", key: "k", equals: bytes("kk") }, false],
        [{ type: "value", key: "absent", equals: bytes("") }, false],
      ];
      for (const [at, [compare, expected]] of cases.entries()) {
        const result = await near.txn(
          txn({ compare: [compare], then: [put(`then/${at}`)], otherwise: [put(`else/${at}`)] }),
        );
        assert.equal(result.succeeded, expected, JSON.stringify(compare));
        assert.equal((await near.range({ key: `then/${at}` })).items.length, expected ? 1 : 0);
        assert.equal((await near.range({ key: `else/${at}` })).items.length, expected ? 0 : 1);
      }
      const failing: Compare[] = cases.slice(0, 2).map(([compare]) => compare);
      const before = (await near.range({ key: "k" })).revision;
      const result = await near.txn(txn({ compare: failing, then: [put("then/all")] }));
      assert.equal(result.succeeded, false, "one compare of two was enough");
      assert.ok(result.revision >= before);
      assert.deepEqual((await near.range({ key: "then/all" })).items, []);
    });

    storeTest("a transaction is one revision, and nothing or all", async (near, { far }) => {
      await near.txn(puts("old/1", "old/2", "older"));
      const result = await near.txn(
        txn({ then: [put("new/1"), put("new/2"), { type: "delete", prefix: "old/" }] }),
      );
      const { items } = await far.range({ prefix: "" });
      assert.deepEqual(
        items.map(({ key, modified }) => [key, modified === result.revision]),
        [
          ["new/1", true],
          ["new/2", true],
          ["older", false],
        ],
      );
    });

    storeTest("what changes nothing has no revision of its own", async (near) => {
      const { revision } = await near.txn(puts("k"));
      const nothing = await near.txn(txn({ then: [{ type: "delete", key: "absent" }] }));
      assert.deepEqual(nothing, { succeeded: true, revision });
      assert.equal((await near.range({ key: "k" })).revision, revision);
    });

    storeTest("a retry with the same id changes nothing and gets the answer", async (near, f) => {
      const absent: Compare = { type: "modified", key: "k", is: "equal", revision: 0 };
      const request = txn({ id: "once", compare: [absent], then: [put("k")] });
      const first = await near.txn(request);
      assert.equal(first.succeeded, true);
      assert.deepEqual(await f.far.txn(request), first);
      const twice = { ...puts("n"), id: "twice" };
      const [a, b] = await Promise.all([near.txn(twice), f.far.txn(twice)]);
      assert.deepEqual(a, b);
      const [item] = (await near.range({ key: "n" })).items;
      assert.equal(item?.version, 1);
      assert.equal(item?.created, item?.modified);
    });

    storeTest("no update is lost among clients that compare first", async (near, { far }) => {
      const writer = async (store: ControlStore) => {
        for (let done = 0; done < WRITES; ) {
          const [item] = (await store.range({ key: "n" })).items;
          const next = Number(item === undefined ? 0 : text(item.value)) + 1;
          const { succeeded } = await store.txn(
            txn({
              compare: [{ type: "modified", key: "n", is: "equal", revision: item?.modified ?? 0 }],
              then: [put("n", String(next))],
            }),
          );
          if (succeeded) done += 1;
        }
      };
      await Promise.all(
        Array.from({ length: WRITERS }, (_, i) => writer(i % 2 === 0 ? near : far)),
      );
      const [item] = (await near.range({ key: "n" })).items;
      assert.equal(item && text(item.value), String(WRITERS * WRITES));
    });

    storeTest("a read shows every transaction that was answered before", async (near, { far }) => {
      for (let i = 0; i < 10; i++) {
        const [writer, reader] = i % 2 === 0 ? [near, far] : [far, near];
        const { revision } = await writer.txn(txn({ then: [put("k", String(i))] }));
        const read = await reader.range({ key: "k" });
        assert.equal(read.items[0] && text(read.items[0].value), String(i));
        assert.ok(read.revision >= revision);
        const local = await reader.range({ key: "k", consistency: "local" });
        assert.ok(local.items.length <= 1);
      }
    });

    storeTest("what breaks a bound is refused with a code", async (near) => {
      const long = "x".repeat(MAX_KEY_BYTES + 1);
      const refused: [Promise<unknown>, ControlErrorCode][] = [
        [near.txn(puts("")), "bad-request"],
        [near.txn(puts(long)), "bad-request"],
        [near.txn(puts("line\nbreak")), "bad-request"],
        [near.txn(puts("half \ud800")), "bad-request"],
        [near.txn(txn({ id: "i".repeat(65), then: [] })), "bad-request"],
        [near.txn(puts("same", "same")), "bad-request"],
        [near.txn(txn({ then: [put("a/1"), { type: "delete", prefix: "a" }] })), "bad-request"],
        [near.txn(puts(...numbered(MAX_TXN_PARTS + 1))), "too-large"],
        [near.txn(txn({ then: [put("k", "x".repeat(MAX_VALUE_BYTES + 1))] })), "too-large"],
        [near.range({ key: "" }), "bad-request"],
        [near.range({ prefix: "", limit: 0 }), "bad-request"],
        [near.range({ prefix: "", limit: MAX_RANGE_ITEMS + 1 }), "bad-request"],
      ];
      for (const [at, [request, code]] of refused.entries())
        await assert.rejects(
          request,
          (error) => error instanceof ControlError && error.code === code,
          `case ${at}`,
        );
      assert.deepEqual((await near.range({ prefix: "" })).items, []);
    });

    storeTest("keys and values of every kind come back as they were", async (near, { far }) => {
      const keys = ["ä/ö", "a b", "%2F/?&#", "𐀀", "x".repeat(MAX_KEY_BYTES)];
      const value = Uint8Array.from({ length: 256 }, (_, i) => i);
      await near.txn(txn({ then: keys.map((key) => ({ type: "put", key, value })) }));
      const empty = new Uint8Array(0);
      await near.txn(txn({ then: [{ type: "put", key: "empty", value: empty }] }));
      const { items } = await far.range({ prefix: "" });
      assert.deepEqual(items.map(({ key }) => key).sort(), [...keys, "empty"].sort());
      for (const item of items)
        assert.deepEqual([...item.value], item.key === "empty" ? [] : [...value]);
    });

    storeTest("the largest transaction is taken", async (near, { far }) => {
      const keys = numbered(supports.maxParts);
      await near.txn(puts(...keys));
      assert.equal((await readAll(far, "n/")).items.length, keys.length);
    });

    storeTest("a watch tells what changes behind its revision", async (near, { far }) => {
      const { revision } = await near.txn(puts("w/before", "w/deleted"));
      const watch = follow(near, { prefix: "w/", after: revision });
      await far.txn(puts("w/1", "other"));
      await far.txn(txn({ then: [{ type: "delete", key: "w/deleted" }] }));
      const last = await far.txn(puts("w/2"));
      await watch.until(() => watch.revision >= last.revision);
      assert.deepEqual([...watch.state.keys()].sort(), ["w/1", "w/2"]);
      const deleted = watch.changes.find((change) => change.type === "delete");
      assert.equal(deleted?.key, "w/deleted");
      assert.deepEqual(watch.problems, []);
      watch.close();
    });

    storeTest("a watch of one key tells of this key", async (near, { far }) => {
      const { revision } = await near.txn(puts("k/1"));
      const watch = follow(far, { key: "k", after: revision });
      await near.txn(puts("k/2", "kk"));
      const { revision: last } = await near.txn(puts("k"));
      await watch.until(() => watch.revision >= last);
      assert.deepEqual([...watch.state.keys()], ["k"]);
      assert.deepEqual(watch.problems, []);
      watch.close();
    });

    storeTest("a watch that begins in the past catches up", async (near, { far }) => {
      const { revision } = await near.txn(puts("w/1"));
      for (let i = 2; i <= 5; i++) await near.txn(puts(`w/${i}`));
      const last = await near.txn(txn({ then: [{ type: "delete", key: "w/1" }] }));
      const watch = follow(far, { prefix: "w/", after: revision }, []);
      await watch.until(() => watch.revision >= last.revision || watch.end !== undefined);
      // Whoever keeps no history says so, and the reader begins anew.
      if (watch.end === undefined) assert.equal(watch.state.size, 4);
      else assert.ok((watch.end.compacted ?? 0) >= last.revision);
      assert.deepEqual(watch.problems, []);
      watch.close();
    });

    storeTest("a watch without a revision begins now", async (near, f) => {
      const before = await near.txn(puts("w/before"));
      const watch = follow(near, { prefix: "w/" });
      let count = 0;
      let seen = false;
      const see = watch
        .until(() => watch.changes.length > 0)
        .then(() => {
          seen = true;
        });
      // "Now" may come a little later than the call.
      while (!seen) {
        await near.txn(puts(`w/${count++}`));
        await Promise.race([see, pause(f, 20)]);
      }
      for (const change of watch.changes)
        assert.ok((change.type === "put" ? change.item.modified : 0) > before.revision);
      assert.deepEqual(watch.problems, []);
      watch.close();
    });

    storeTest("a read and a watch behind it end at what is there", async (near, { far }) => {
      await near.txn(puts(...numbered(8)));
      const start = await readAll(near, "");
      const watches = [near, far].map((store) =>
        follow(store, { prefix: "", after: start.revision }, start.items),
      );
      const write = async (store: ControlStore, writer: number) => {
        for (let i = 0; i < 12; i++) {
          const key = `n/${(i * 5 + writer) % 8}`;
          await store.txn(
            i % 3 === 2
              ? txn({ then: [{ type: "delete", key }] })
              : txn({ then: [put(key, `${writer}/${i}`)] }),
          );
        }
      };
      await Promise.all([write(near, 1), write(far, 2)]);
      const { revision: last } = await near.txn(puts("last"));
      const { items } = await near.range({ prefix: "" });
      for (const watch of watches) {
        await watch.until(() => watch.revision >= last);
        assert.deepEqual(
          [...watch.state.values()].map(plain).sort(byKey),
          items.map(plain).sort(byKey),
        );
        assert.deepEqual(watch.problems, []);
        watch.close();
      }
    });

    storeTest("nothing comes after close", async (near, f) => {
      const { revision } = await near.txn(puts("w/0"));
      const closed = follow(near, { prefix: "w/", after: revision });
      const open = follow(near, { prefix: "w/", after: revision });
      closed.close();
      closed.close();
      const last = await f.far.txn(puts("w/1"));
      await open.until(() => open.revision >= last.revision);
      assert.deepEqual(closed.events, []);
      assert.equal(closed.end, undefined);
      open.close();
    });

    storeTest("a watch behind what is forgotten is told, and can begin anew", async (near, f) => {
      const { revision } = await near.txn(puts("w/1"));
      const last = await near.txn(puts("w/2"));
      if (f.forgetHistory === undefined) return;
      await f.forgetHistory();
      const watch = follow(near, { prefix: "w/", after: revision });
      await watch.until(() => watch.end !== undefined);
      assert.ok((watch.end?.compacted ?? 0) >= last.revision);
      const anew = await readAll(near, "w/");
      const second = follow(near, { prefix: "w/", after: anew.revision }, anew.items);
      const then = await near.txn(puts("w/3"));
      await second.until(() => second.revision >= then.revision);
      assert.equal(second.state.size, 3);
      assert.deepEqual([...watch.problems, ...second.problems], []);
      second.close();
    });

    storeTest("somebody leads", async (near) => {
      await near.txn(puts("k"));
      assert.notEqual(near.leader(), undefined);
    });

    storeTest(
      "the compare `term` holds for the present term only",
      async (near) => {
        await near.txn(puts("k"));
        const term = near.leader()?.term ?? 0;
        const compare = (given: number): Compare => ({ type: "term", term: given });
        const now = await near.txn(txn({ compare: [compare(term)], then: [put("now")] }));
        assert.equal(now.succeeded, true);
        const other = await near.txn(txn({ compare: [compare(term + 1)], then: [put("other")] }));
        assert.equal(other.succeeded, false);
      },
      !supports.term,
    );

    storeTest(
      "a transaction that names a lease needs it when it is taken in",
      async (near, f) => {
        f.setLease?.("gs-1", true);
        f.setLease?.("gs-2", false);
        await near.txn({ ...puts("held"), leases: ["gs-1"] });
        const isNoLease = (error: unknown) =>
          error instanceof ControlError && error.code === "no-lease";
        const both = { ...puts("not-held"), leases: ["gs-1", "gs-2"] };
        await assert.rejects(near.txn(both), isNoLease);
        await assert.rejects(f.far.txn({ ...both, id: "refused" }), isNoLease);
        f.setLease?.("gs-2", true);
        // The id has its answer; a new attempt takes a new one.
        await assert.rejects(near.txn({ ...both, id: "refused" }), isNoLease);
        assert.deepEqual((await near.range({ key: "not-held" })).items, []);
        await near.txn({ ...both, id: "again" });
        assert.equal((await near.range({ key: "not-held" })).items.length, 1);
      },
      !supports.leases,
    );
  });
}

function txn(request: Partial<TxnRequest>): TxnRequest {
  return { compare: [], then: [], ...request };
}

function put(key: string, value = key): Operation {
  return { type: "put", key, value: bytes(value) };
}

function puts(...keys: string[]): TxnRequest {
  return txn({ then: keys.map((key) => put(key)) });
}

function numbered(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `n/${i}`);
}

function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}

function plain<T extends { readonly key: string; readonly value: Uint8Array }>(item: T) {
  return { ...item, value: text(item.value) };
}

function byKey(a: { readonly key: string }, b: { readonly key: string }): number {
  return a.key < b.key ? -1 : 1;
}

function pause(f: ControlFixture, ms: number): Promise<void> {
  return new Promise((resolve) => {
    f.clock.setTimer(ms, resolve);
  });
}
