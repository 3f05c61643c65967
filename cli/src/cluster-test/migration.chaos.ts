import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { anyFaults, FAULT_CLUSTER, FaultyMoves } from "./migration-faults.ts";
import { chaos, type Scene } from "./scene.ts";

const MOVES = 6;

const store = mkdtempSync(join(tmpdir(), "atlasnet-migrations-"));
after(() => rmSync(store, { recursive: true, force: true }));

/** What happened goes along with a failure. */
async function move(scene: Scene): Promise<void> {
  const moves = await FaultyMoves.begin(scene);
  const plan: string[] = [];
  try {
    for (let step = 0; step < MOVES; step++) {
      const faults = anyFaults(scene.random);
      plan.push(JSON.stringify(faults));
      const { outcome, by, problem } = await moves.suffer(...faults);
      plan.push(`${outcome} by ${by}: ${problem}`);
    }
    await moves.players.assertHistory();
    console.log([...plan, `rollbacks heard: ${moves.players.rollbacks}`].join("\n"));
  } catch (error) {
    throw new Error(`the faults so far:\n${plan.join("\n")}`, { cause: error });
  }
}

chaos(
  "a world moves while gameservers, proxies and apiservers are killed, cut off and paused",
  FAULT_CLUSTER,
  move,
);

chaos(
  "the same with a snapshot store, where a lost owner's world goes on elsewhere",
  {
    ...FAULT_CLUSTER,
    settings: { ...FAULT_CLUSTER.settings, "snapshot.store": store },
  },
  move,
);
