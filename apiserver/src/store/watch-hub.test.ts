import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Change, KeyValue, WatchRequest } from "@atlasnet/core";
import fc from "fast-check";
import { changeKey, History } from "./history.ts";
import { MAX_WAITING_KEYS } from "./limits.ts";
import { type HubWatch, selects, type WatchEvent, WatchHub } from "./watch-hub.ts";

class State {
  revision = 0;
  readonly items = new Map<string, number>();
  readonly history = new History({ maxChanges: 60, maxBytes: 1e6 }, 0);

  change(changes: readonly { readonly key: string; readonly put: boolean }[]) {
    this.revision += 1;
    const { revision } = this;
    const all = changes.map(({ key, put }): Change => {
      if (put) this.items.set(key, revision);
      else this.items.delete(key);
      return put
        ? { type: "put", item: itemAt(key, revision) }
        : { type: "delete", key, modified: revision };
    });
    const entry = { revision, changes: all };
    this.history.push(entry);
    return entry;
  }
}

function itemAt(key: string, modified: number): KeyValue {
  return { key, value: new Uint8Array(0), created: modified, modified, version: 1 };
}

/** Follows a watch, and checks what is promised of it. */
class Reader {
  readonly view: Map<string, number>;
  position: number;
  awake = true;
  compacted = false;
  events = 0;
  readonly watch: HubWatch;
  private readonly request: WatchRequest;

  constructor(hub: WatchHub, state: State, request: WatchRequest, view: Map<string, number>) {
    this.request = request;
    this.view = view;
    this.position = request.after ?? state.revision;
    this.watch = hub.watch(request, () => {
      assert.equal(this.awake, false, "woken twice");
      this.awake = true;
    });
  }

  take(most: number): void {
    for (let i = 0; i < most && this.awake && !this.compacted; i++) {
      const event = this.watch.next();
      if (event === undefined) this.awake = false;
      else this.event(event);
    }
  }

  private event(event: WatchEvent): void {
    assert.notEqual(event.type, "stopped");
    if (event.type !== "changed") {
      this.compacted = true;
      return;
    }
    this.events += 1;
    assert.ok(event.revision > this.position, "an event that does not go on");
    this.position = event.revision;
    assert.equal(new Set(event.changes.map(changeKey)).size, event.changes.length);
    for (const change of event.changes) {
      const key = changeKey(change);
      assert.ok(selects(this.request, key), `${key} is none of it`);
      if (change.type === "put") this.view.set(key, change.item.modified);
      else this.view.delete(key);
    }
  }
}

const key = fc.constantFrom("a", "a/1", "a/2", "ab", "b", "c/1", "c/2");
const request = fc.oneof(
  key.map((k) => ({ key: k })),
  fc.constantFrom("", "a", "a/", "c/", "zz").map((prefix) => ({ prefix })),
);
const steps = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        type: fc.constant("change" as const),
        changes: fc.uniqueArray(fc.record({ key, put: fc.boolean() }), {
          selector: (change) => change.key,
          minLength: 1,
          maxLength: 4,
        }),
        times: fc.constantFrom(1, 1, 1, 40),
      }),
    },
    {
      weight: 2,
      arbitrary: fc.record({ type: fc.constant("watch" as const), request, back: fc.nat(30) }),
    },
    {
      weight: 3,
      arbitrary: fc.record({ type: fc.constant("take" as const), who: fc.nat(9), most: fc.nat(5) }),
    },
    { weight: 1, arbitrary: fc.record({ type: fc.constant("compact" as const) }) },
  ),
  { maxLength: 80, size: "max" },
);

describe("watch hub", () => {
  test("every watch ends at the state, or says that it cannot", () => {
    fc.assert(
      fc.property(steps, (all) => {
        const state = new State();
        const hub = new WatchHub({ maxWatches: 50 }, { state });
        const readers: Reader[] = [];
        /** What a reader knew at each revision. */
        const past: Map<string, number>[] = [new Map()];
        for (const step of all) {
          if (step.type === "change")
            for (let i = 0; i < step.times; i++) {
              hub.publish([state.change(step.changes)]);
              past.push(new Map(state.items));
            }
          else if (step.type === "watch" && readers.length < 10) {
            const after = Math.max(0, state.revision - step.back);
            const forgotten = after < state.history.floor;
            const view = new Map(
              [...(past[after] ?? [])].filter(([k]) => selects(step.request, k)),
            );
            const reader = new Reader(hub, state, { ...step.request, after }, view);
            readers.push(reader);
            if (!forgotten) continue;
            reader.take(1);
            assert.equal(reader.compacted, true);
          } else if (step.type === "take") readers[step.who]?.take(step.most);
          else if (step.type === "compact") state.history.compact(state.revision - 5);
        }
        for (const [at, reader] of readers.entries()) {
          reader.take(Number.POSITIVE_INFINITY);
          if (reader.compacted) continue;
          const request = all.filter((step) => step.type === "watch")[at]?.request ?? assert.fail();
          const expected = [...state.items].filter(([k]) => selects(request, k));
          assert.deepEqual([...reader.view].sort(), expected.sort());
          reader.watch.close();
        }
        assert.equal(hub.size, 0);
      }),
      { numRuns: 150 },
    );
  });

  test("a slow watch gets the newest of each key; one that is too slow begins anew", () => {
    const state = new State();
    const hub = new WatchHub({ maxWatches: 9 }, { state });
    const slow = new Reader(hub, state, { prefix: "" }, new Map());
    slow.take(1);
    for (let i = 0; i < 5000; i++) hub.publish([state.change([{ key: `k${i % 7}`, put: true }])]);
    slow.take(100);
    assert.equal(slow.events, 1);
    assert.deepEqual([...slow.view].sort(), [...state.items].sort());
    for (let i = 0; i <= MAX_WAITING_KEYS; i++)
      hub.publish([state.change([{ key: `many/${i}`, put: true }])]);
    slow.take(1);
    assert.equal(slow.compacted, true);
    assert.equal(hub.size, 0);
  });

  test("a watch that nothing concerns is told how far it is, before that is forgotten", () => {
    const state = new State();
    const hub = new WatchHub({ maxWatches: 9 }, { state });
    const idle = new Reader(hub, state, { key: "quiet" }, new Map());
    idle.take(1);
    for (let i = 0; i < 1000; i++) {
      hub.publish([state.change([{ key: "loud", put: true }])]);
      idle.take(1);
      idle.take(1);
      // So it could begin again at any time.
      assert.ok(idle.position >= state.history.floor, `at ${i}: ${idle.position}`);
    }
    assert.ok(idle.events >= 10 && idle.events <= 20, `${idle.events} events`);
  });

  test("more watches than allowed are refused; a closed one makes room", () => {
    const state = new State();
    const hub = new WatchHub({ maxWatches: 2 }, { state });
    const first = hub.watch({ prefix: "" }, () => {});
    hub.watch({ prefix: "" }, () => {});
    assert.throws(() => hub.watch({ key: "k" }, () => {}), { code: "too-many-watches" });
    first.close();
    first.close();
    hub.watch({ key: "k" }, () => {});
  });

  test("a replica that is behind tells a watch nothing that its reader knows", () => {
    const state = new State();
    const hub = new WatchHub({ maxWatches: 2 }, { state });
    const ahead = new Reader(hub, state, { prefix: "", after: 2 }, new Map());
    for (let i = 0; i < 4; i++) hub.publish([state.change([{ key: "k", put: true }])]);
    ahead.take(9);
    assert.equal(ahead.events, 2);
  });
});
