import { SimViolation, Violations } from "@atlasnet/apiserver/sim";
import { encodeRecord, worldKey } from "@atlasnet/core";
import { SeededRandom, SimClock, SimNetwork, type SimPassage } from "@atlasnet/core/sim";
import type { HistoryRecord } from "@atlasnet/history";
import { Checkers } from "./checkers/all.ts";
import { Moves } from "./checkers/moves.ts";
import { drive } from "./driver.ts";
import type { ClusterFaults } from "./faults.ts";
import { names } from "./names.ts";
import { spoilStates } from "./nodes/disturbance.ts";
import { SimApiservers } from "./nodes/sim-apiservers.ts";
import { SIM_LIMITS } from "./nodes/sim-proxy.ts";
import { drawPlan, type Plan } from "./plan.ts";
import { PublicNet } from "./players/public-net.ts";
import { Processes } from "./processes.ts";
import { Trace } from "./trace.ts";
import { Trouble } from "./trouble.ts";
import { worldsOf } from "./world/worlds.ts";

const TROUBLE_EVERY_MS = 1_000;
const LOOK_EVERY_MS = 500;
/** What a look at the time takes: what was ahead at one look may be past at the next. */
const LOOK_MS = 1e-5;
const MAX_EVENTS = 50_000_000;
const BACKLOG = "bytes that waited for a client";
/** One write is looked at as a whole: what its parts come to waits when the last of them is added. */
const BACKLOG_SLACK_BYTES = 512;

export interface ClusterResult {
  readonly plan: Plan;
  readonly trace: string;
  readonly simulatedMs: number;
  readonly events: number;
  readonly figures: { readonly [name: string]: number };
}

/**
 * A whole cluster under one seed: apiservers, gameservers, proxies and clients; first in trouble, then healed. `run`
 * rejects with a SimViolation when a rule was broken. The same seed is the same run, event by event.
 */
export class ClusterSimulation {
  readonly trace: Trace;
  readonly violations: Violations;
  private readonly clock = new SimClock({ lookMs: LOOK_MS });
  private readonly plan: Plan;
  private readonly faults: ClusterFaults;
  private readonly worlds: readonly string[];
  private readonly net: PublicNet;
  private readonly apiservers: SimApiservers;
  private readonly processes: Processes;
  private readonly trouble: Trouble;
  private readonly checkers: Checkers;
  private readonly moves: Moves;
  private messages = 0;

  constructor(
    seed: number,
    {
      faults = new Set(),
      plan = {},
      traceTail = 0,
    }: {
      readonly faults?: ClusterFaults;
      readonly plan?: Partial<Plan>;
      readonly traceTail?: number;
    } = {},
  ) {
    const random = new SeededRandom(`cluster/${seed}`);
    this.faults = faults;
    const later = new SeededRandom(`cluster/${seed}/later`);
    this.plan = { ...drawPlan(random, later), ...plan };
    this.worlds = names("w", this.plan.worlds);
    this.trace = new Trace({ keep: traceTail });
    const { clock, worlds } = this;
    this.violations = new Violations(() => clock.now());
    const note = (event: string) => this.note(event);
    this.checkers = new Checkers(
      { worlds },
      {
        violations: this.violations,
        item: (key) => this.apiservers.item(key),
        bootOf: (node) => this.processes.bootOf(node),
        leads: () => this.apiservers.store.leader() !== undefined,
        spoil: spoilStates(faults),
      },
    );
    const network = new SimNetwork(
      { maxDelayMs: this.plan.delayMs, minDelayMs: 0.1 },
      {
        clock,
        random: random.fork("network"),
        tap: (passage) => this.sent(passage),
        at: (node, arrive) => this.processes.at(node, arrive),
      },
    );
    const { delayMs } = this.plan;
    const net = new PublicNet({ delayMs }, { clock, random: random.fork("public") });
    this.net = net;
    this.moves = new Moves({ worlds });
    const apiservers = new SimApiservers(
      { ids: names("a", this.plan.apiservers), commitMs: 5 },
      {
        ...{ clock, network, random: random.fork("apiservers") },
        onCommitted: (entries) => {
          note(`commit ${entries.at(-1)?.index}`);
          this.moves.look(
            (key) => this.apiservers.item(key),
            (record) => this.trouble.ended(record),
          );
          this.checkers.committed();
          this.trouble.committed();
        },
      },
    );
    this.apiservers = apiservers;
    this.processes = new Processes(
      { plan: this.plan, faults, apiservers: apiservers.ids },
      {
        ...{ clock, random, network, net, note },
        watch: this.checkers.watch,
        recorded: (record) => this.recorded(record),
        lostThread: (node) => this.checkers.lostThread(node),
        fellAsleep: (shard, node) => {
          note(`${node} ${shard} sleeps`);
          this.checkers.fellAsleep(shard, node);
        },
        fault: (where, error) => this.fault(where, error),
      },
    );
    const { processes } = this;
    this.trouble = new Trouble(
      { plan: this.plan, faults, worlds },
      { clock, random, later, network, net, apiservers, processes, note },
    );
    processes.addPlayers();
  }

  async run(): Promise<ClusterResult> {
    const { violations, clock } = this;
    let over = false;
    this.story().then(
      () => {
        over = true;
      },
      (error: unknown) => this.fault("the simulation", error),
    );
    const isOver = () => over || violations.first !== undefined;
    const events = await drive(clock, { isOver, maxEvents: MAX_EVENTS });
    if (violations.first) throw violations.first;
    return {
      plan: this.plan,
      trace: String(this.trace),
      simulatedMs: clock.now(),
      events,
      figures: this.figures,
    };
  }

  private get figures(): { readonly [name: string]: number } {
    const { moved, aborted, upgradesAborted } = this.moves;
    return {
      ...this.processes.counts,
      ...{ messages: this.messages, moved, aborted, upgradesAborted },
      ...this.trouble.figures,
      ...this.checkers.figures,
    };
  }

  private async story(): Promise<void> {
    const { plan, clock, trouble, processes } = this;
    await this.apiservers.start();
    processes.startNodes();
    await this.createWorlds();
    processes.startPlayers();
    this.looking();
    for (const end = clock.now() + plan.troubleMs; clock.now() < end; ) {
      await this.sleep(TROUBLE_EVERY_MS);
      trouble.happen();
    }
    this.note("healed");
    trouble.heal();
    processes.heal();
    await this.settleDown();
  }

  /** Everybody gets an answer to everything they said. */
  private async settleDown(): Promise<void> {
    const end = this.clock.now() + this.plan.healMs;
    for (;;) {
      await this.sleep(LOOK_EVERY_MS);
      const { missing } = this.processes;
      if (missing === undefined) break;
      this.trouble.restore();
      if (this.clock.now() > end) throw new SimViolation("progress after healing", missing);
    }
    this.checkers.end();
  }

  private looking(): void {
    this.clock.setTimer(LOOK_EVERY_MS, () => {
      const most = SIM_LIMITS.reliableBacklogBytes + BACKLOG_SLACK_BYTES;
      this.checkers.look([{ what: BACKLOG, most, value: () => this.net.largestBacklog }]);
      for (const { id, running } of this.processes.players)
        if (running !== undefined) this.checkers.seen(id, running.world, running.view);
      this.looking();
    });
  }

  private async createWorlds(): Promise<void> {
    for (const [world, record] of worldsOf(this.plan, this.faults))
      await this.apiservers.store.txn({
        compare: [],
        then: [{ type: "put", key: worldKey(world), value: encodeRecord("world", record) }],
      });
  }

  // What is seen

  private sent(passage: SimPassage): void {
    const { from, to, channel, message, bytes } = passage;
    this.messages += 1;
    this.note(`${from} ${to} ${channel} ${message.type} ${bytes}`);
    this.trouble.sent(passage);
    this.checkers.sent(passage);
  }

  private recorded(record: HistoryRecord): void {
    this.note(`${record.client} ${record.event.type}`);
    this.checkers.recorded(record);
  }

  private note(event: string): void {
    this.trace.note(`${this.clock.now().toFixed(3)} ${event}`);
  }

  private fault(where: string, error: unknown): void {
    if (error instanceof SimViolation) this.violations.first ??= error;
    else
      this.violations.add(
        "no faults of its own",
        `${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
      );
  }

  private sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.clock.setTimer(ms, resolve);
    });
  }
}
