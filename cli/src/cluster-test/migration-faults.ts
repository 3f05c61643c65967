import assert from "node:assert/strict";
import { SeededRandom } from "@atlasnet/core/sim";
import type { Moved } from "../api/migrations.ts";
import type { NodeProcess } from "../testing/node-process.ts";
import type { ProcessCluster } from "../testing/process-cluster.ts";
import { MigrationDesk } from "./migration-desk.ts";
import { CHECKER, MigrationPlayers } from "./migration-players.ts";
import { IDLE_TIMEOUT_MS, instant, SCHEMES, type Scene } from "./scene.ts";

/** Shorter than the default: whoever is lost is so soon. Several times what a busy machine stalls for. */
const LEASE_MS = 3_000;
const KIB = 1024;
const STATE_BYTES = 192 * KIB;
/** A copy takes most of a second: every phase is there to be hit. */
const BYTES_PER_SECOND = 256 * KIB;
/** A migration that nobody mends is given up. */
const DEADLINE_MS = 20_000;
/** Longer than it takes until the copy is under way. */
const STUCK_MS = 1_500;

export const FAULT_CLUSTER = {
  ...{ proxies: 2, gameservers: 2, apiservers: 3, worlds: [], relayed: true },
  settings: {
    "node.leaseMs": String(LEASE_MS),
    "migration.bytesPerSecond": String(BYTES_PER_SECOND),
    // What a handler did is taken back when it runs for longer: also when the machine stood still meanwhile.
    "gameserver.tickLimitMs": "5000",
  },
} as const;

/** `gameservers`: what is between both, whoever of them has opened the link; it can only be cut. */
export type Victim = "source" | "target" | "gameservers" | "proxy" | "leader";
export type Deed =
  /** As `kill -9`; started again after a moment. */
  | "kill"
  /** It takes no links, and what goes over them is lost; not of proxies, which take none. */
  | "cut"
  /** It stands still: cut off from everybody, and then late. */
  | "pause";

/** When it happens: a phase of the migration at its source, or a moment after it was asked for, in ms at most. */
export type When = "copying" | "following" | "sealed" | { readonly withinMs: number };

export interface Fault {
  readonly victim: Victim;
  readonly deed: Deed;
  readonly when: When;
  /** How long it lasts, in ms at most: by chance. */
  readonly lastsMs: number;
}

/** Long enough for whoever is hit to be given up by links and by its lease; or not. */
export const LONG_MS = 2 * LEASE_MS + IDLE_TIMEOUT_MS;
export const SHORT_MS = IDLE_TIMEOUT_MS / 2;

/** A world that moves between two gameservers while processes and links fail. */
export class FaultyMoves {
  readonly desk: MigrationDesk;
  readonly players = new MigrationPlayers();
  private readonly scene: Scene;

  private constructor(scene: Scene) {
    this.scene = scene;
    this.desk = new MigrationDesk(scene.cluster, "arena");
  }

  /** Two players of every transport, each with both proxies to choose from. */
  static async begin(scene: Scene): Promise<FaultyMoves> {
    const { cluster } = scene;
    const config = { stateBytes: STATE_BYTES, beatTicks: 20 };
    await cluster.createWorld("arena", CHECKER, { config });
    const moves = new FaultyMoves(scene);
    scene.whenOver(() => moves.players.close());
    const proxies = [scene.node("proxy-1"), scene.node("proxy-2")];
    for (const order of [proxies, [...proxies].reverse()])
      for (const scheme of SCHEMES)
        await moves.players.enter(
          "arena",
          order.map((proxy) => cluster.url(scheme, proxy)),
        );
    await moves.players.answers(5);
    return moves;
  }

  /**
   * Asks for a move, does these deeds in the middle of it, and waits until the world runs in one place and everybody is
   * answered again. Fails when time went back for any other reason than an owner that was lost. Returns how it ended.
   */
  async suffer(...faults: readonly Fault[]): Promise<Moved> {
    const { desk, players, scene } = this;
    const { cluster, random } = scene;
    const source = await desk.settled();
    const target = other(cluster, source);
    const { rollbacks } = players;
    const losses = await this.losses();
    const deeds: (() => Promise<void>)[] = [];
    for (const fault of faults) {
      const victims = await this.victimsOf(fault, source, target);
      // Drawn before anything waits, so that a seed is a plan.
      const own = new SeededRandom(random.int(0, 2 ** 31));
      deeds.push(async () => {
        await this.wait(fault, source, own);
        await this.perform(fault, victims, own);
      });
    }
    const begun = await desk.begin({ to: target, deadlineMs: DEADLINE_MS });
    await Promise.all(deeds.map((deed) => deed()));
    await desk.settled();
    // What a sync had not taken in would be lost together with who said it.
    await players.answers(25);
    const harmsOwners = faults.some(
      ({ victim, deed }) => deed !== "cut" && (victim === "source" || victim === "target"),
    );
    // A machine that is too slow for leases loses nodes by itself.
    if (!harmsOwners && (await this.losses()) === losses)
      assert.equal(players.rollbacks, rollbacks, "no owner was lost: time goes on");
    return desk.ended(begun);
  }

  /**
   * Asks for a move that may take a second and a half, and cuts the source off from its target until that is over. Fails
   * unless the move has ended by itself. Returns how.
   */
  async stuck(): Promise<Moved> {
    const { desk, players, scene } = this;
    const { cluster } = scene;
    const { rollbacks } = players;
    const source = await desk.settled();
    const target = other(cluster, source);
    const begun = await desk.begin({ to: target, deadlineMs: STUCK_MS });
    await desk.phase(source, ["copying"]);
    const mend = this.cut([source, target]);
    const ended = await desk.ended(begun);
    mend();
    assert.equal(ended.outcome, "aborted");
    assert.equal(await desk.settled(), source);
    await players.answers(3);
    assert.equal(players.rollbacks, rollbacks);
    return ended;
  }

  /** How often the control plane took a gameserver for lost, since each of them was started. */
  private async losses(): Promise<number> {
    const each = await Promise.all(
      ["gs-1", "gs-2"].map((node) => this.scene.node(node).metric("atlasnet_node_losses_total")),
    );
    return each.reduce((sum, count) => sum + count, 0);
  }

  private async victimsOf(
    { victim }: Fault,
    source: NodeProcess,
    target: NodeProcess,
  ): Promise<[NodeProcess, ...NodeProcess[]]> {
    switch (victim) {
      case "source":
        return [source];
      case "target":
        return [target];
      case "gameservers":
        return [source, target];
      case "proxy":
        return [this.scene.node(`proxy-${this.scene.random.int(1, 2)}`)];
      case "leader":
        return [await this.scene.cluster.leader()];
    }
  }

  /** Until it is time, or too late: another fault has ended it. */
  private async wait({ when }: Fault, source: NodeProcess, random: SeededRandom): Promise<void> {
    if (typeof when === "object") return instant(random, when.withinMs);
    await this.desk.phase(source, phasesFrom(when));
  }

  private async perform(
    { deed, lastsMs }: Fault,
    victims: readonly [NodeProcess, ...NodeProcess[]],
    random: SeededRandom,
  ): Promise<void> {
    const [victim] = victims;
    switch (deed) {
      case "kill":
        await victim.kill();
        await instant(random, lastsMs);
        victim.start();
        return victim.ready();
      case "cut": {
        const mend = this.cut(victims);
        await instant(random, lastsMs);
        return mend();
      }
      case "pause":
        victim.signal("SIGSTOP");
        await instant(random, lastsMs);
        return victim.signal("SIGCONT");
    }
  }

  /** Nobody reaches these; returns what mends it. */
  private cut(nodes: readonly NodeProcess[]): () => void {
    const fronts = nodes.map((node) => this.scene.cluster.front(node));
    for (const front of fronts) front.setConditions({ loss: 1 });
    return () => {
      for (const front of fronts) front.setConditions({ loss: 0 });
    };
  }
}

/** A migration that came further meanwhile was hit later: that, too, is a phase. */
function phasesFrom(when: string): readonly string[] {
  const order = ["preparing", "copying", "following", "sealed", "switching"];
  return order.slice(order.indexOf(when));
}

function other({ nodes }: ProcessCluster, node: NodeProcess): NodeProcess {
  const found = nodes.find((each) => each.plan.role === "gameserver" && each !== node);
  return found ?? assert.fail("there are two gameservers");
}

/** One that the seed chooses, or two of different processes. */
export function anyFaults(random: SeededRandom): readonly Fault[] {
  const count = random.int(1, 2);
  const left: Victim[] = ["source", "target", "gameservers", "proxy", "leader"];
  return Array.from({ length: count }, () => {
    const [victim] = left.splice(random.int(0, left.length - 1), 1);
    return anyFault(random, victim ?? "leader");
  });
}

function anyFault(random: SeededRandom, victim: Victim): Fault {
  const deed = pick(random, deedsTo(victim));
  const when = pick<When>(random, ["copying", "following", "sealed", { withinMs: 1_500 }]);
  return { victim, deed, when, lastsMs: pick(random, [SHORT_MS, LONG_MS]) };
}

function deedsTo(victim: Victim): readonly Deed[] {
  switch (victim) {
    case "gameservers":
      return ["cut"];
    case "proxy":
      return ["kill", "pause"];
    default:
      return ["kill", "cut", "pause"];
  }
}

function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.int(0, from.length - 1)] ?? assert.fail("there is something to choose from");
}
