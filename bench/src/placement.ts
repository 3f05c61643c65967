import { parseArgs } from "node:util";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import {
  CHANGES_AT_ONCE,
  ClusterView,
  DEFAULT_PLACEMENT,
  type Intent,
  PlacementPlanner,
  type Proposed,
} from "@atlasnet/apiserver";
import {
  type Change,
  encodeRecord,
  nodeKey,
  type Operation,
  ownerKey,
  worldKey,
} from "@atlasnet/core";
import { atMost, machine, printReport } from "./lib/report.ts";
import { median, round } from "./lib/statistics.ts";
import { fillApiserver } from "./placement/filled-apiserver.ts";
import { nodeOf, worldOf } from "./placement/records.ts";

/**
 * What placement costs the leader of a large cluster. Time is simulated: transactions are applied in
 * the order in which they are proposed, and every node takes at once what it is asked to take. What
 * is measured is the work of the planner and its view alone.
 */

const HELP = `npm run bench -- placement [options]
  --nodes N    gameservers (default 1000)
  --worlds N   (default 100000)
  --lost N     gameservers that are lost at once (default 100)
  --rounds N   each with a new view (default 3)`;

const { values: flags } = parseArgs({
  options: {
    nodes: { type: "string", default: "1000" },
    worlds: { type: "string", default: "100000" },
    lost: { type: "string", default: "100" },
    rounds: { type: "string", default: "3" },
    help: { type: "boolean", default: false },
  },
});
const nodes = Number(flags.nodes);
const worlds = Number(flags.worlds);
const lost = Number(flags.lost);
const rounds = Number(flags.rounds);
const worldsPerNode = worlds / nodes;

/** The longest of some pieces of work, and their sum. */
class Stopwatch {
  totalMs = 0;
  longestMs = 0;

  run<T>(work: () => T): T {
    const begin = performance.now();
    const result = work();
    const ms = performance.now() - begin;
    this.totalMs += ms;
    this.longestMs = Math.max(this.longestMs, ms);
    return result;
  }
}

class Bench {
  readonly view = new ClusterView(DEFAULT_PLACEMENT);
  readonly planner = new PlacementPlanner(DEFAULT_PLACEMENT, this.view);
  revision = 0;
  now = 0;
  intents = 0;
  transactions = 0;

  /** The changes as a watch brings them, in pieces. */
  apply(changes: readonly Change[], watch: Stopwatch): void {
    for (let at = 0; at < changes.length; at += CHANGES_AT_ONCE) {
      const piece = changes.slice(at, at + CHANGES_AT_ONCE);
      watch.run(() => this.view.apply(piece, this.now));
    }
  }

  private changeOf(operation: Operation): Change {
    if (operation.type === "delete") throw new Error("nothing is deleted here");
    return this.put(operation.key, operation.value);
  }

  put(key: string, value: Uint8Array): Change {
    const revision = ++this.revision;
    // Placement asks for `created` of worlds only, and those are written once.
    return {
      type: "put",
      item: { key, value, created: revision, modified: revision, version: 1 },
    };
  }

  /** Steps until there is nothing to do, with transactions applied and claims made in between. */
  reconcile(steps: Stopwatch, views: Stopwatch, proposing: Stopwatch): void {
    for (;;) {
      this.now += 1;
      const step = steps.run(() => this.planner.step(this.now));
      if (step.intents.length === 0 && !step.more) return;
      this.intents += step.intents.length;
      const proposed = proposing.run(() => this.planner.transactions(step.intents));
      for (const each of proposed) this.commit(each, steps, views);
    }
  }

  private commit(proposed: Proposed, steps: Stopwatch, views: Stopwatch): void {
    this.transactions += 1;
    const changes = proposed.txn.then.map((operation) => this.changeOf(operation));
    steps.run(() => this.planner.settled(proposed, "done", this.now));
    this.apply(changes, views);
    this.apply(
      proposed.intents.flatMap((intent) => this.claim(intent)),
      views,
    );
  }

  private claim(intent: Intent): Change[] {
    if (intent.type !== "want" || intent.node === undefined) return [];
    const boot = this.view.nodes.get(intent.node)?.record?.boot ?? "";
    const world = this.view.shards.get(intent.shard)?.world?.created ?? 0;
    const record = { world, node: intent.node, boot, state: "owned" } as const;
    const value = encodeRecord("owner", record);
    return [this.put(ownerKey(intent.shard), value)];
  }
}

/** Bytes in use after everything that can go has gone. */
function heapBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect: unknown = runInNewContext("gc");
  if (typeof collect !== "function") throw new Error("this Node gives no access to its collector");
  collect();
  collect();
  return process.memoryUsage().heapUsed;
}

function measure() {
  const bench = new Bench();
  const [loading, reconciling, failing, idle] = Array.from({ length: 4 }, () => new Stopwatch());
  const [placedViews, failedViews, proposing] = Array.from({ length: 3 }, () => new Stopwatch());
  if (!loading || !reconciling || !failing || !idle) throw new Error("no stopwatch");
  if (!placedViews || !failedViews || !proposing) throw new Error("no stopwatch");
  const before = heapBytes();

  for (let at = 0; at < nodes + worlds; at += CHANGES_AT_ONCE) {
    const piece: Change[] = [];
    for (let i = at; i < Math.min(at + CHANGES_AT_ONCE, nodes + worlds); i++)
      piece.push(
        i < nodes
          ? bench.put(
              nodeKey(`gs-${i}`),
              encodeRecord("node", nodeOf(i, { state: "ready", worldsPerNode })),
            )
          : bench.put(worldKey(`w${i - nodes}`), worldOf(i - nodes)),
      );
    bench.apply(piece, loading);
  }
  const lead = new Stopwatch();
  lead.run(() => bench.planner.lead(1, bench.now));
  bench.reconcile(reconciling, placedViews, proposing);
  const placedIntents = bench.intents;
  const reconcileMs = reconciling.totalMs + placedViews.totalMs + proposing.totalMs;

  const placed = [...bench.view.shards.values()].filter((shard) => shard.isOwned(0)).length;
  if (placed !== worlds) throw new Error(`${placed} of ${worlds} worlds were placed`);
  const viewBytes = heapBytes() - before;

  const loads = [...bench.view.nodes.values()].map(({ weight }) => weight);
  const spread = Math.max(...loads) - Math.min(...loads);

  // A leader that takes over a settled cluster looks at everything and asks for nothing.
  lead.run(() => bench.planner.lead(2, bench.now));
  bench.reconcile(idle, placedViews, proposing);
  if (bench.intents !== placedIntents) throw new Error("a settled cluster was changed");

  const gone: Change[] = [];
  for (let i = 0; i < lost; i++) {
    const index = Math.floor((i * nodes) / lost);
    const value = encodeRecord("node", nodeOf(index, { state: "lost", worldsPerNode }));
    gone.push(bench.put(nodeKey(`gs-${index}`), value));
  }
  bench.apply(gone, failedViews);
  bench.reconcile(failing, failedViews, proposing);
  const alive = [...bench.view.shards.values()].filter((shard) => shard.isOwned(0)).length;
  if (alive !== worlds) throw new Error(`only ${alive} worlds are placed after the loss`);

  const longest = Math.max(
    ...[loading, reconciling, failing, idle, placedViews, failedViews, proposing, lead].map(
      ({ longestMs }) => longestMs,
    ),
  );
  return {
    loadMs: loading.totalMs,
    reconcileMs,
    plannerMs: reconciling.totalMs,
    settledMs: idle.totalMs,
    replaceMs: failing.totalMs + failedViews.totalMs,
    replaced: bench.intents - placedIntents,
    leadMs: lead.longestMs,
    longestStepMs: longest,
    longestPlannerStepMs: Math.max(reconciling.longestMs, failing.longestMs, idle.longestMs),
    longestViewStepMs: Math.max(loading.longestMs, placedViews.longestMs, failedViews.longestMs),
    viewMB: viewBytes / 1e6,
    viewBytesPerWorld: viewBytes / worlds,
    transactions: bench.transactions,
    spread,
  };
}

async function run(): Promise<void> {
  const { cpu, cores, node } = machine();
  console.log(`On ${cpu}, ${cores} cores, Node ${node}.`);
  const measured = Array.from({ length: rounds }, () => {
    const figures = measure();
    console.log(
      `placed ${worlds} worlds in ${round(figures.reconcileMs, 0)} ms, re-placed ${figures.replaced} in ` +
        `${round(figures.replaceMs, 0)} ms; longest step ${round(figures.longestStepMs, 1)} ms; ` +
        `view ${round(figures.viewMB, 0)} MB`,
    );
    return figures;
  });
  const names = Object.keys(measured[0] ?? {});
  const medians = Object.fromEntries(
    names.map((name) => [
      name,
      round(
        median(
          measured.map((figures) =>
            Number(Object.entries(figures).find(([key]) => key === name)?.[1]),
          ),
        ),
      ),
    ]),
  );
  const filled = await fillApiserver({ nodes, worlds });
  console.log(
    `an apiserver with all of it: ${round(filled.filledMB, 0)} MB resident (${round(filled.emptyMB, 0)} MB without), ` +
      `its state ${round(filled.checkpointMB, 1)} MB`,
  );
  const longest = round(Math.max(...measured.map(({ longestStepMs }) => longestStepMs)));
  printReport({
    bench: "placement",
    settings: { nodes, worlds, lost, rounds, changesAtOnce: CHANGES_AT_ONCE },
    figures: {
      ...medians,
      apiserverEmptyMB: round(filled.emptyMB, 0),
      apiserverMB: round(filled.filledMB, 0),
      checkpointMB: round(filled.checkpointMB, 1),
    },
    goals: [atMost("longest step, in all rounds", 50, "ms", longest)],
  });
}

if (flags.help) console.log(HELP);
else await run();
