import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { type Clock, type Disk, OperatingError } from "@atlasnet/core";
import { NodeDisk, systemClock } from "@atlasnet/core/system";
import type { Ownership } from "../durability/plan-run.ts";
import { forbidNondeterminism, withinWorld } from "./determinism.ts";
import { createGuard } from "./guard.ts";
import { portLogger } from "./port-logger.ts";
import type {
  Attempt,
  FromThread,
  ReplicaSourceFacts,
  ShardStats,
  ThreadSettings,
  ToThread,
  WorldSettings,
} from "./protocol.ts";
import { Replicas } from "./replicas.ts";
import { type RunnerDependencies, ShardRunner } from "./shard-runner.ts";
import { threadError } from "./thread-error.ts";
import { TickLoop } from "./tick-loop.ts";
import type { TickWatch } from "./tick-watch.ts";

/** The entry of a world thread: it hosts shards and talks to the main thread by messages. */

export const REPORT_INTERVAL_MS = 1_000;

export interface WorldThreadSurroundings {
  readonly clock: Clock;
  readonly disk: Disk;
  /** Unix ms with fractions, for the times of spans. */
  unixMs(): number;
  readonly watch?: TickWatch | undefined;
}

const realSurroundings: WorldThreadSurroundings = {
  clock: systemClock,
  disk: new NodeDisk(),
  unixMs: () => performance.timeOrigin + performance.now(),
};

/** The shards of one thread: messages of the main thread in, messages to it out. */
export class WorldThread {
  private readonly settings: ThreadSettings;
  private readonly post: (message: FromThread) => void;
  private readonly runners = new Map<string, ShardRunner>();
  private readonly dependencies: RunnerDependencies;
  private readonly replicas: Replicas;
  private sealed = false;

  constructor(
    settings: ThreadSettings,
    post: (message: FromThread) => void,
    surroundings: WorldThreadSurroundings = realSurroundings,
  ) {
    this.settings = settings;
    this.post = post;
    const limited = createGuard(settings.tickLimitMs);
    const { clock, disk, unixMs, watch } = surroundings;
    this.dependencies = {
      clock,
      disk,
      unixMs,
      watch,
      logger: portLogger(post, {}),
      loop: new TickLoop(clock),
      // The limit is inside: an interruption runs no `finally` of what it cuts off.
      guard: settings.development ? (run) => withinWorld(() => limited(run)) : limited,
      post,
    };
    this.replicas = new Replicas(settings, this.dependencies);
  }

  handle(message: ToThread): void {
    switch (message.type) {
      case "open":
        this.attempt(message.settings.shard, "open", () => this.open(message.settings));
        return;
      case "try-module":
        this.attempt(message.shard, "swap", () =>
          this.tryModule(message.shard, message.file, message.generation),
        );
        return;
      case "swap":
        this.attempt(message.shard, "swap", () =>
          this.swap(message.shard, message.file, message.generation, message.ownership),
        );
        return;
      case "seal":
        this.sealed = message.sealed;
        for (const runner of this.runners.values()) runner.seal(message.sealed);
        return;
      case "act-unleased":
        this.runners.get(message.shard)?.actUnleased(message.holds);
        return;
      case "close":
        this.attempt(message.shard, "close", () =>
          this.close(message.shard, message.handedOver, message.keep),
        );
        return;
      case "sleep":
        this.attempt(message.shard, "sleep", () => this.sleep(message.shard));
        return;
      case "messages":
        this.runners.get(message.shard)?.receive(message.peer, message.messages);
        return;
      case "disconnect":
        for (const runner of this.runners.values()) runner.disconnect(message.peer);
        return;
      case "response":
        this.runners.get(message.shard)?.respond(message.response);
        return;
      case "copy":
        this.attempt(
          message.shard,
          "copy",
          () => this.runner(message.shard).copy(message.copy),
          message.copy,
        );
        return;
      case "read-copy":
        this.attempt(
          message.shard,
          "copy",
          () => this.runner(message.shard).readCopy(message.copy, message.offset, message.maxBytes),
          message.copy,
        );
        return;
      case "end-copy":
        this.runners.get(message.shard)?.endCopy(message.copy);
        return;
      case "seal-shard":
        this.attempt(message.shard, "seal", () => this.runner(message.shard).stop());
        return;
      case "hold-shard":
        this.runners.get(message.shard)?.hold(message.held);
        return;
      case "unseal-shard":
        this.runners.get(message.shard)?.resume();
        return;
      case "promote":
        this.attempt(message.shard, "promote", () => this.begin(this.replicas.promote(message)));
        return;
      default:
        this.replicas.handle(message);
    }
  }

  /** `copy`: which one the work is about, if it is about one. */
  private attempt(
    shard: string,
    during: Attempt,
    work: () => void | Promise<void>,
    copy?: number,
  ): void {
    const about = { shard, during, ...(copy !== undefined && { copy }) };
    const failed = (error: unknown) =>
      this.post({ type: "failed", ...about, error: threadError(error) });
    try {
      work()?.catch(failed);
    } catch (error) {
      failed(error);
    }
  }

  private async open(settings: WorldSettings): Promise<void> {
    this.begin(await ShardRunner.open(settings, this.settings, this.dependencies));
  }

  private begin(runner: ShardRunner): void {
    const { shard } = runner.settings;
    runner.seal(this.sealed);
    this.runners.set(shard, runner);
    this.post({
      type: "opened",
      shard,
      epoch: runner.epoch,
      tickRate: runner.tickRate,
      definition: runner.definitionName,
    });
  }

  private async tryModule(shard: string, file: string, generation: number): Promise<void> {
    await this.runner(shard).tryModule(file, generation);
    this.post({ type: "fits", shard });
  }

  private async swap(
    shard: string,
    file: string,
    generation: number,
    ownership: Ownership | undefined,
  ): Promise<void> {
    const runner = this.runner(shard);
    await runner.swap(file, generation, ownership);
    this.post({ type: "swapped", shard, epoch: runner.epoch });
  }

  private async close(
    shard: string,
    handedOver: boolean,
    keep: ReplicaSourceFacts | undefined,
  ): Promise<void> {
    const runner = this.runner(shard);
    const left = keep && runner.kept;
    this.runners.delete(shard);
    const closed = runner.close(handedOver);
    if (keep === undefined || left === undefined) {
      await closed;
      return this.post({ type: "closed", shard });
    }
    const kept = this.replicas.keep(left, keep);
    try {
      await closed;
    } catch (error) {
      // What its files lack is in the replica.
      this.dependencies.logger.error(
        "The files of a world that is mirrored here were not closed.",
        {
          ...{ shard, error },
        },
      );
    }
    this.post({ type: "closed", shard, kept });
  }

  private async sleep(shard: string): Promise<void> {
    const runner = this.runner(shard);
    const slept = runner.isQuiet ? await runner.sleep(() => this.runners.delete(shard)) : undefined;
    if (slept === undefined) this.post({ type: "stays-awake", shard });
    else this.post({ type: "asleep", shard, slept });
  }

  private runner(shard: string): ShardRunner {
    const runner = this.runners.get(shard);
    if (runner === undefined) throw new OperatingError("unknown-shard", `no shard ${shard} here`);
    return runner;
  }

  report(): void {
    const shards: ShardStats[] = [];
    for (const runner of this.runners.values()) {
      runner.lookForSleep();
      const stats = runner.stats();
      if (stats !== undefined) shards.push(stats);
    }
    this.post(shards.length > 0 ? { type: "stats", shards } : { type: "alive" });
  }
}

/** The bytes of a post that may be handed over instead of copied. */
function buffersOf(message: FromThread): ArrayBuffer[] {
  if (message.type === "copy-piece") return bufferOf(message.data);
  if (message.type !== "out") return [];
  return message.messages.flatMap(({ message: out }) =>
    out.type === "downstream" ? bufferOf(out.batch) : [],
  );
}

function bufferOf({ buffer }: Uint8Array): ArrayBuffer[] {
  return buffer instanceof ArrayBuffer ? [buffer] : [];
}

if (!isMainThread && parentPort !== null) {
  const port = parentPort;
  const settings: ThreadSettings = workerData;
  if (settings.development) {
    process.setSourceMapsEnabled(true);
    forbidNondeterminism();
  }
  const thread = new WorldThread(settings, (message) => {
    port.postMessage(message, buffersOf(message));
  });
  port.on("message", (message: ToThread) => thread.handle(message));
  setInterval(() => thread.report(), REPORT_INTERVAL_MS).unref();
}
