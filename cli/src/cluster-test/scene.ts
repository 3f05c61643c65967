import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { type AtlasNetClient, connect } from "@atlasnet/client";
import { SeededRandom } from "@atlasnet/core/sim";
import { LEDGER_FILE, LedgerPlayer, ledger } from "@atlasnet/monolith/testing";
import type { NodeProcess } from "../testing/node-process.ts";
import { ProcessCluster, type ProcessClusterOptions } from "../testing/process-cluster.ts";
import { until } from "../testing/until.ts";

/** Short, so that a test need not wait long; still several times what a busy machine stalls for. */
export const IDLE_TIMEOUT_MS = 1_500;
export const SCHEMES = ["ws", "tcp", "udp"] as const;
export type Scheme = (typeof SCHEMES)[number];

/** `npm run test:chaos` sets them; a run of all tests takes one round of the files that end in `.test.ts`. */
const ROUNDS = Number(process.env["CHAOS_ROUNDS"] ?? 0);
const SEED = Number(process.env["CHAOS_SEED"] ?? 1);

/** In a run of all tests: what shows the most in the least time. */
export const BRIEF = ROUNDS === 0;

/** Longest that one test may take. */
const TEST_MS = 240_000;

/** A cluster of processes under one seed, and those who play there. */
export class Scene {
  readonly cluster: ProcessCluster;
  readonly random: SeededRandom;
  private readonly clients: AtlasNetClient[] = [];
  private readonly players: LedgerPlayer[] = [];
  private readonly ends: (() => void)[] = [];

  constructor(cluster: ProcessCluster, random: SeededRandom) {
    this.cluster = cluster;
    this.random = random;
  }

  node(name: string): NodeProcess {
    return this.cluster.node(name);
  }

  /** Joins a world by way of the first of these proxies that is there. */
  async enter(
    scheme: Scheme,
    proxies: readonly NodeProcess[],
    world: string,
    options: { readonly ticket?: string } = {},
  ): Promise<LedgerPlayer> {
    const client = connect({ url: proxies.map((proxy) => this.cluster.url(scheme, proxy)) });
    this.clients.push(client);
    const player = new LedgerPlayer(await client.join(ledger, { world, ...options }));
    // Who was thrown out has nothing to say any more; why is in its notes.
    player.world.onClose(() => player.stop());
    this.players.push(player);
    return player;
  }

  /** One player of each transport. */
  enterAll(proxies: readonly NodeProcess[], world: string): Promise<LedgerPlayer[]> {
    return Promise.all(SCHEMES.map((scheme) => this.enter(scheme, proxies, world)));
  }

  /** A moment that the seed chooses, while everybody talks: so many answers later, and some milliseconds. */
  async moment(players: readonly LedgerPlayer[], most = 12): Promise<void> {
    await answers(players, this.random.int(1, most));
    await this.instant(60);
  }

  /** Some milliseconds, chosen by the seed: when something happens is the point, not that it has happened. */
  instant(mostMs: number): Promise<void> {
    return instant(this.random, mostMs);
  }

  /** Called when the test is over, whatever came of it. */
  whenOver(end: () => void): void {
    this.ends.push(end);
  }

  async stop(): Promise<void> {
    for (const end of this.ends) end();
    for (const player of this.players) player.stop();
    for (const client of this.clients) client.close();
    await this.cluster.stop();
  }
}

/** The same, where several things happen at a time and each has its own chance. */
export async function instant(random: SeededRandom, mostMs: number): Promise<void> {
  await delay(random.float() * mostMs);
}

/** Waits until each has so many answers more. */
export async function answers(players: readonly LedgerPlayer[], more: number): Promise<void> {
  const due = players.map(({ said }) => said.length + more);
  await until(`${more} more answers`, () => {
    assertIn(players);
    return players.every(({ said }, at) => said.length >= (due[at] ?? 0));
  });
}

/** Waits until each lost its connection so often in all, and has one again. */
export async function back(players: readonly LedgerPlayer[], drops: number): Promise<void> {
  await until(`drop ${drops}, and back`, () => {
    assertIn(players);
    return players.every((player) => player.drops >= drops && player.world.connected);
  });
}

/** Fails as soon as somebody was thrown out, instead of waiting for who cannot come back. */
function assertIn(players: readonly LedgerPlayer[]): void {
  const closed = players.flatMap(({ wrong }) => wrong.filter((text) => text.startsWith("closed")));
  if (closed.length > 0) throw new Error(`players were thrown out: ${closed.join("; ")}`);
}

export interface ChaosOptions extends Omit<ProcessClusterOptions, "worlds"> {
  readonly worlds: readonly string[];
  /** What it needs is not here; the name says so. */
  readonly skip?: boolean;
}

/**
 * A test with a cluster of its own, once for each seed that was asked for. A failure names the seed, and the file
 * with what the processes said.
 */
export function chaos(
  name: string,
  options: ChaosOptions,
  run: (scene: Scene) => Promise<void>,
): void {
  const rounds = Math.max(ROUNDS, 1);
  for (let seed = SEED; seed < SEED + rounds; seed++)
    test(`${name} (seed ${seed})`, {
      // Signals that pause and end processes exist on POSIX systems only.
      skip: process.platform === "win32" || options.skip === true,
      timeout: TEST_MS,
    }, async (t) => {
      const cluster = await ProcessCluster.start({
        ...options,
        worlds: Object.fromEntries(options.worlds.map((world) => [world, LEDGER_FILE])),
        settings: { "links.idleTimeoutMs": String(IDLE_TIMEOUT_MS), ...options.settings },
      });
      const scene = new Scene(cluster, new SeededRandom(seed));
      t.after(() => scene.stop());
      try {
        await run(scene);
      } catch (error) {
        const file = await cluster.keepLogs(`atlasnet-chaos-${process.pid}-seed-${seed}`);
        throw new Error(`seed ${seed}: ${messageOf(error)}\nthe processes' logs: ${file}`, {
          cause: error,
        });
      }
    });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
