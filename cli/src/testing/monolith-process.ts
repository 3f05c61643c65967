import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseMetrics } from "../cluster/metrics-text.ts";
import { LOOPBACK } from "../cluster/node-config.ts";
import { freeBase } from "../cluster/testing/running-cluster.ts";
import { AtlasnetChild } from "./atlasnet-child.ts";

const ANSWER_MS = 2_000;

/** `atlasnet monolith` in a folder of its own, always with the same ports. */
export class MonolithProcess extends AtlasnetChild {
  readonly node = "monolith";
  readonly players: string;
  private readonly health: string;
  private readonly dir: string;
  private readonly args: readonly string[];

  static async create(flags: readonly string[]): Promise<MonolithProcess> {
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-monolith-"));
    return new MonolithProcess(dir, await freeBase(1, 1), flags);
  }

  private constructor(dir: string, base: number, flags: readonly string[]) {
    super();
    this.dir = dir;
    this.players = `${LOOPBACK}:${base}`;
    this.health = `http://${LOOPBACK}:${base + 1}`;
    const settings = {
      "data.dir": dir,
      "proxy.host": LOOPBACK,
      "proxy.port": base,
      "health.port": base + 1,
      "apiserver.port": base + 2,
      "http.enabled": "false",
    };
    this.args = [
      ...Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]),
      ...flags,
    ];
  }

  start(): void {
    this.run(["monolith", ...this.args]);
  }

  protected async isReady(): Promise<boolean> {
    return (await this.ask("/ready"))?.ok === true;
  }

  /** The sum of a metric; undefined while it does not answer. */
  async metric(name: string): Promise<number | undefined> {
    const text = await (await this.ask("/metrics"))?.text();
    if (text === undefined) return undefined;
    const samples = parseMetrics(text).filter((sample) => sample.name === name);
    return samples.reduce((sum, { value }) => sum + value, 0);
  }

  override async destroy(): Promise<void> {
    await super.destroy();
    await rm(this.dir, { recursive: true, force: true });
  }

  private async ask(path: string): Promise<Response | undefined> {
    try {
      return await fetch(`${this.health}${path}`, { signal: AbortSignal.timeout(ANSWER_MS) });
    } catch {
      // It does not run yet, or stands still.
      return undefined;
    }
  }
}
