import { setTimeout as delay } from "node:timers/promises";
import type { ProcessCluster } from "atlasnet/testing";
import * as v from "valibot";

/** How a migration ended; times in ms, `at` of the switch in ms since 1970. */
export interface Moved {
  readonly outcome: "moved" | "aborted";
  readonly problem: string;
  readonly tookMs: number;
  readonly at: number;
}

/** What gameservers count of their ticks. */
export class Ticks {
  private readonly seconds: number;
  private readonly count: number;

  constructor({ seconds, count }: { seconds: number; count: number }) {
    this.seconds = seconds;
    this.count = count;
  }

  /** Mean time of a tick since then, in ms. */
  meanSince(before: Ticks): number {
    return ((this.seconds - before.seconds) * 1000) / (this.count - before.count);
  }
}

/** A look is a request to an apiserver, which has its part in the move: it is not to be disturbed. */
const LOOK_MS = 250;
const begunSchema = v.looseObject({ id: v.string() });
const timeText = v.pipe(
  v.string(),
  v.transform((text) => Date.parse(text)),
);
const shownSchema = v.looseObject({
  moved: v.optional(
    v.looseObject({
      id: v.string(),
      outcome: v.picklist(["moved", "aborted"]),
      problem: v.string(),
      started: timeText,
      ended: timeText,
      gapMs: v.optional(v.number()),
    }),
  ),
});

/** Moves one world to and fro between the gameservers of a cluster, by the API. */
export class Mover {
  private readonly cluster: ProcessCluster;
  private readonly world: string;

  constructor(cluster: ProcessCluster, world: string) {
    this.cluster = cluster;
    this.world = world;
  }

  /** What the target measured of the last migration; it says so a moment after the switch. */
  async gap(): Promise<number | undefined> {
    const { client } = await this.cluster.control();
    const path = `/v1/migrations/${this.world}/0`;
    return v.parse(shownSchema, await client.request({ method: "GET", path })).moved?.gapMs;
  }

  async move(): Promise<Moved> {
    const { cluster, world } = this;
    const { client } = await cluster.control();
    const owner = await cluster.owned(world);
    const to = this.gameservers.find(({ node }) => node !== owner.node)?.node;
    const path = `/v1/worlds/${world}/migrate`;
    const { id } = v.parse(
      begunSchema,
      await client.request({ method: "POST", path, body: { to }, id: client.newId() }),
    );
    for (;;) {
      const answer = await client.request({ method: "GET", path: `/v1/migrations/${world}/0` });
      const { moved } = v.parse(shownSchema, answer);
      if (moved?.id === id) {
        const { outcome, problem, started, ended } = moved;
        return { outcome, problem, tookMs: ended - started, at: ended };
      }
      await delay(LOOK_MS);
    }
  }

  /** Of all gameservers and this world, so far. */
  async ticks(): Promise<Ticks> {
    const labels = { world: this.world };
    const sum = async (name: string) => {
      const each = await Promise.all(this.gameservers.map((node) => node.metric(name, labels)));
      return each.reduce((total, value) => total + value, 0);
    };
    return new Ticks({
      seconds: await sum("atlasnet_world_tick_seconds_total"),
      count: await sum("atlasnet_world_ticks_total"),
    });
  }

  private get gameservers() {
    return this.cluster.nodes.filter(({ plan }) => plan.role === "gameserver");
  }
}
