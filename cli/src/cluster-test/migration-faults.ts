import assert from "node:assert/strict";
import type { SeededRandom } from "@atlasnet/core/sim";
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

export const FAULT_CLUSTER = {
  ...{ proxies: 2, gameservers: 2, apiservers: 3, worlds: [], relayed: true },
  settings: {
    "node.leaseMs": String(LEASE_MS),
    "migration.bytesPerSecond": String(BYTES_PER_SECOND),
  },
} as const;

export type Victim = "source" | "target" | "proxy" | "leader";
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
   * Asks for a move, does the deed in the middle of it, and waits until the world runs in one place and everybody is
   * answered again. Fails when time went back for any other reason than an owner that was lost. Returns how it ended.
   */
  async suffer(fault: Fault): Promise<Moved> {
    const { desk, players, scene } = this;
    const { cluster, random } = scene;
    const source = await desk.settled();
    const target = other(cluster, source);
    const { rollbacks } = players;
    const victim = await this.victimOf(fault, source, target);
    const begun = await desk.begin({ to: target, deadlineMs: DEADLINE_MS });
    const { when } = fault;
    if (typeof when === "object") await instant(random, when.withinMs);
    else await desk.phase(source, phasesFrom(when));
    await this.perform(fault, victim);
    await desk.settled();
    // What a sync had not taken in would be lost together with who said it.
    await players.answers(25);
    const isOwner = victim === source || victim === target;
    if (!isOwner || fault.deed === "cut")
      assert.equal(players.rollbacks, rollbacks, "no owner was lost: time goes on");
    return desk.ended(begun);
  }

  private async victimOf(
    { victim }: Fault,
    source: NodeProcess,
    target: NodeProcess,
  ): Promise<NodeProcess> {
    switch (victim) {
      case "source":
        return source;
      case "target":
        return target;
      case "proxy":
        return this.scene.node(`proxy-${this.scene.random.int(1, 2)}`);
      case "leader":
        return this.scene.cluster.leader();
    }
  }

  private async perform({ deed, lastsMs }: Fault, victim: NodeProcess): Promise<void> {
    const { cluster, random } = this.scene;
    switch (deed) {
      case "kill":
        await victim.kill();
        await instant(random, lastsMs);
        victim.start();
        return victim.ready();
      case "cut": {
        const front = cluster.front(victim);
        front.setConditions({ loss: 1 });
        await instant(random, lastsMs);
        return front.setConditions({ loss: 0 });
      }
      case "pause":
        victim.signal("SIGSTOP");
        await instant(random, lastsMs);
        return victim.signal("SIGCONT");
    }
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

/** One that the seed chooses. */
export function anyFault(random: SeededRandom): Fault {
  const victim = pick(random, ["source", "target", "proxy", "leader"] as const);
  const deed = pick(
    random,
    victim === "proxy" ? (["kill", "pause"] as const) : (["kill", "cut", "pause"] as const),
  );
  const when = pick<When>(random, ["copying", "following", "sealed", { withinMs: 1_500 }]);
  return { victim, deed, when, lastsMs: pick(random, [SHORT_MS, LONG_MS]) };
}

function pick<T>(random: SeededRandom, from: readonly T[]): T {
  return from[random.int(0, from.length - 1)] ?? assert.fail("there is something to choose from");
}
