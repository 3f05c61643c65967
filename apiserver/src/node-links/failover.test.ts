import assert from "node:assert/strict";
import { test } from "node:test";
import type { TxnRequest } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimNetwork } from "@atlasnet/core/sim";
import { follow } from "@atlasnet/core/testing";
import { API_1, API_2, NodeScene } from "./testing/node-scene.ts";

const GS = "gs-1";

function put(key: string): TxnRequest {
  return { compare: [], then: [{ type: "put", key, value: Uint8Array.of(1) }] };
}

async function sceneOf(seed: string) {
  const clock = new SimClock();
  const random = new SeededRandom(seed);
  const network = new SimNetwork({}, { clock, random });
  const scene = await NodeScene.create({ clock, network, seed, delayMs: () => random.int(0, 5) });
  const node = scene.node({ role: "gameserver", node: GS }, [API_1, API_2]);
  const run = <T>(work: Promise<T>) => clock.drive(work, settle);
  await run(node.store.txn(put("first")));
  return { clock, network, scene, run, ...node };
}

test("an apiserver that is cut off without a word costs less than a lease", async () => {
  const { clock, network, scene, run, store, link } = await sceneOf("cut");
  const watch = follow(store, { prefix: "", after: 0 });
  for (let i = 0; i < 6; i++) {
    const own = link.connected?.node;
    assert.ok(own !== undefined);
    network.cut(own, GS);
    const began = clock.now();
    const { revision } = await run(store.txn(put(`k/${i}`)));
    assert.ok(clock.now() - began < 3_500, `${clock.now() - began} ms`);
    await run(watch.until(() => watch.revision >= revision));
    network.heal(own, GS);
    await clock.elapse(10_000, settle);
  }
  const { items } = await run(store.range({ prefix: "k/" }));
  assert.deepEqual(
    items.map(({ key, version }) => [key, version]),
    Array.from({ length: 6 }, (_, i) => [`k/${i}`, 1]),
  );
  assert.deepEqual([watch.problems, watch.end], [[], undefined]);
  assert.ok(link.counts.connected >= 7);
  scene.stop();
});

test("a watch tells every key once although its links end all the time, and leaves nothing behind", async () => {
  const { clock, scene, run, store, link } = await sceneOf("watch");
  const random = new SeededRandom("cuts");
  const watch = follow(store, { prefix: "k/", after: 0 });
  let cuts = 0;
  for (let i = 0; i < 200; i++) {
    await run(scene.store.txn(put(`k/${String(i).padStart(3, "0")}`)));
    if (random.float() < 0.3 && link.connected !== undefined) {
      scene.opened.at(-1)?.close({ code: "peer-gone" });
      cuts += 1;
    }
    // Long enough for links that end soon, which are made again only after a pause.
    await clock.elapse(random.int(0, 400), settle);
  }
  await run(watch.until(() => watch.state.size === 200 || watch.end !== undefined));
  assert.deepEqual([watch.problems, watch.end], [[], undefined]);
  assert.equal(watch.changes.length, 200);
  assert.equal(scene.store.figures.watches, 1);
  watch.close();
  await clock.elapse(1000, settle);
  assert.equal(scene.store.figures.watches, 0);
  assert.ok(cuts > 10, `${cuts} links were ended`);
  assert.equal(link.counts.connected, cuts + 1);
  scene.stop();
});
