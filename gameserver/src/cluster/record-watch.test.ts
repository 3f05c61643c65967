import assert from "node:assert/strict";
import { test } from "node:test";
import { type ControlStore, noopLogger, type WatchEvents } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { TinyStore } from "@atlasnet/core/testing";
import { FakeControlPlane } from "../testing/fake-control-plane.ts";
import { RecordWatch } from "./record-watch.ts";

test("after a gap or a failure everything is read again, and what is older comes no more", async () => {
  const tiny = new TinyStore();
  const { store } = new FakeControlPlane({ tiny });
  const put = (key: string) =>
    tiny.txn({ compare: [], then: [{ type: "put", key, value: new Uint8Array() }] });
  const opened: WatchEvents[] = [];
  let broken = false;
  const scripted: Pick<ControlStore, "range" | "watch" | "txn" | "leader"> = {
    ...store,
    range: async (request) => {
      if (broken) throw new Error("planted");
      return store.range(request);
    },
    watch: (_, events) => {
      opened.push(events);
      return { close: () => undefined };
    },
  };
  const clock = new SimClock();
  const told: string[] = [];
  const watch = new RecordWatch(
    "nodes/",
    { store: scripted, clock, logger: noopLogger },
    {
      view: (_, items) => told.push(`view ${items.map(({ key }) => key)}`),
      changes: (changes) => told.push(`changes ${changes.length}`),
    },
  );
  put("nodes/a");
  put("other/a");
  watch.start();
  await clock.elapse(1, settle);
  assert.deepEqual(told, ["view nodes/a"]);
  const change = { type: "delete", key: "nodes/a", modified: 9 } as const;
  opened[0]?.changed({ revision: 9, changes: [change] });
  opened[0]?.changed({ revision: 10, changes: [] });
  assert.deepEqual(told.splice(0), ["view nodes/a", "changes 1"]);
  put("nodes/b");
  opened[0]?.compacted({ revision: 20 });
  await clock.elapse(1, settle);
  opened[0]?.changed({ revision: 21, changes: [change] });
  assert.deepEqual(told.splice(0), ["view nodes/a,nodes/b"]);
  broken = true;
  opened[1]?.failed(new Error("planted"));
  await clock.elapse(1000, settle);
  broken = false;
  await clock.elapse(5000, settle);
  assert.deepEqual(told.splice(0), ["view nodes/a,nodes/b"]);
  watch.stop();
  opened.at(-1)?.changed({ revision: 22, changes: [change] });
  assert.deepEqual(told, []);
});
