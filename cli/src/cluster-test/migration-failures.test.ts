import assert from "node:assert/strict";
import { FAULT_CLUSTER, type Fault, FaultyMoves, SHORT_MS } from "./migration-faults.ts";
import { follow } from "./operator.ts";
import { chaos } from "./scene.ts";

/** A run of all tests has these; who does not come back soon is given up. `npm run test:chaos -- migration` goes on with more. */
const FAULTS: readonly Fault[] = [
  { victim: "source", deed: "kill", when: "copying", lastsMs: SHORT_MS },
  { victim: "target", deed: "kill", when: "sealed", lastsMs: SHORT_MS },
];

chaos(
  "whoever is killed while a world moves, it runs in one place afterwards, and its players miss nothing",
  FAULT_CLUSTER,
  async (scene) => {
    const moves = await FaultyMoves.begin(scene);
    for (const fault of FAULTS) await moves.suffer(fault);
    const stop = new AbortController();
    scene.whenOver(() => stop.abort());
    const events = follow(scene.cluster, stop.signal, "events");
    const { from, to, problem } = await moves.stuck();
    assert.match(problem, /took longer than 1500 ms/);
    await events.wrote(
      "out",
      new RegExp(`aborted, not moved from ${from} to ${to}: ${problem}$`, "m"),
    );
    stop.abort();
    await events.done;
    await moves.players.assertHistory();
  },
);
