import assert from "node:assert/strict";
import * as v from "valibot";
import {
  awaitMigration,
  type Begun,
  begunSchema,
  type Migration,
  type Moved,
  migrationSchema,
  shownMigration,
} from "../api/migrations.ts";
import { allPages } from "../api/pages.ts";
import type { Sample } from "../cluster/metrics-text.ts";
import type { NodeProcess } from "../testing/node-process.ts";
import type { ProcessCluster } from "../testing/process-cluster.ts";
import { until } from "../testing/until.ts";

/** For whatever a fault keeps the control plane from deciding. */
const PATIENCE_MS = 60_000;

/** The migrations of one world, as an operator sees them, and what gameservers say of it. */
export class MigrationDesk {
  private readonly cluster: ProcessCluster;
  private readonly world: string;

  constructor(cluster: ProcessCluster, world: string) {
    this.cluster = cluster;
    this.world = world;
  }

  /** Asks for a move to the other of two gameservers, or to this one. */
  async begin(options: { to?: NodeProcess; deadlineMs?: number } = {}): Promise<Begun> {
    const { to, deadlineMs } = options;
    const { client } = await this.cluster.control();
    const path = `/v1/worlds/${this.world}/migrate`;
    const body = { to: to?.node, deadlineMs };
    return v.parse(
      begunSchema,
      await client.request({ method: "POST", path, body, id: client.newId() }),
    );
  }

  /** How one ended. @throws Error when it is not known, or takes too long */
  async ended(begun: Begun): Promise<Moved> {
    const { client } = await this.cluster.control();
    const stop = AbortSignal.timeout(PATIENCE_MS);
    const moved = await awaitMigration(client, begun, { stop, under: () => undefined });
    return moved ?? assert.fail(`how ${begun.id} ended is not known`);
  }

  /** How the last one ended. @throws Error when there was none */
  async last(): Promise<Moved> {
    const { client } = await this.cluster.control();
    const { moved } = await shownMigration(client, `${this.world}/0`);
    return moved ?? assert.fail(`${this.world} has not moved yet`);
  }

  /**
   * Waits until a gameserver takes part in a migration that is in one of these phases; or until it has taken part in
   * one and that is over, or it does not answer.
   */
  async phase(node: NodeProcess, phases: readonly string[]): Promise<void> {
    let wasUnderWay = false;
    await until(`${node.node} is ${phases.join(" or ")}`, async () => {
      const samples = (await samplesOf(node)) ?? [];
      const underWay = samples.filter(
        ({ name, value }) => name === "atlasnet_migrations_under_way" && value > 0,
      );
      if (underWay.length === 0) return wasUnderWay || samples.length === 0;
      wasUnderWay = true;
      return underWay.some(({ labels }) => phases.includes(labels["phase"] ?? ""));
    });
  }

  /** Fails unless the world comes to run on exactly one gameserver, and no migration of it is left. Returns that one. */
  async settled(): Promise<NodeProcess> {
    const { world, cluster } = this;
    const { client } = await cluster.control();
    const gameservers = cluster.nodes.filter(({ plan }) => plan.role === "gameserver");
    let found = "nothing was seen";
    let owner: NodeProcess | undefined;
    const isSettled = async () => {
      const page = { field: "migrations", item: migrationSchema };
      const left: Migration[] = await allPages(client, "/v1/migrations", page);
      const placements = await (await cluster.control()).placements();
      const placement = placements.find((each) => each.world === world);
      const running = gameservers.filter(({ isRunning }) => isRunning);
      const has = await Promise.all(running.map((gameserver) => hasWorld(gameserver, world)));
      const hosts = running.filter((_, at) => has[at] !== false).map(({ node }) => node);
      const { state, owner: recorded } = placement ?? {};
      found = JSON.stringify({ left, state, owner: recorded?.node, hosts, has });
      owner = gameservers.find(({ node }) => node === recorded?.node);
      const isKnown = has.every((each) => each !== undefined);
      const isAlone = hosts.length === 1 && hosts[0] === recorded?.node;
      return left.length === 0 && state === "owned" && isKnown && isAlone;
    };
    try {
      await until("the world runs in one place", isSettled, PATIENCE_MS);
    } catch (error) {
      throw new Error(`${world} does not run in one place: ${found}`, { cause: error });
    }
    return owner ?? assert.fail("it has an owner");
  }
}

/** Its gauges are there for as long as it runs there. Undefined: the node does not answer. */
async function hasWorld(node: NodeProcess, world: string): Promise<boolean | undefined> {
  return (await samplesOf(node))?.some(
    ({ name, labels }) => name === "atlasnet_world_sessions" && labels["world"] === world,
  );
}

/** Undefined: the node does not answer, as it was killed or stands still. */
async function samplesOf(node: NodeProcess): Promise<readonly Sample[] | undefined> {
  try {
    return await node.samples();
  } catch {
    return undefined;
  }
}
