import type { Logger } from "@atlasnet/core";
import type { Shard, TickResult } from "../shard/shard.ts";
import type { FromThread } from "./protocol.ts";

export interface ShardPostsDependencies {
  logger: Logger;
  post: (message: FromThread) => void;
  unixMs: () => number;
}

/** What a shard tells the main thread of its ticks. */
export class ShardPosts {
  private readonly world: string;
  private readonly shard: string;
  private readonly dependencies: ShardPostsDependencies;
  private readonly logger: Logger;

  constructor(names: { world: string; shard: string }, dependencies: ShardPostsDependencies) {
    this.world = names.world;
    this.shard = names.shard;
    this.dependencies = dependencies;
    this.logger = dependencies.logger.child({ world: names.world, shard: names.shard });
  }

  /** Faults and log lines of a tick. */
  tell(result: TickResult): void {
    const { post } = this.dependencies;
    const { world, shard } = this;
    for (const fault of result.faults)
      post({ type: "fault", shard, fault, quarantined: result.quarantined });
    if (result.moreFaults > 0)
      this.logger.error("More faults in one tick than are told.", { untold: result.moreFaults });
    for (const { message, facts } of result.logs)
      post({ type: "log", level: "info", message, facts: { ...facts, world, shard } });
  }

  request(epoch: number, tick: number, requests: TickResult["requests"]): void {
    const { shard } = this;
    for (const { id, service, payload } of requests)
      this.dependencies.post({ type: "request", shard, epoch, tick, id, service, payload });
  }

  /** Batches say how old their tick is by now. */
  out(tick: number, messages: TickResult["messages"], ageMs: number): void {
    if (messages.length === 0) return;
    const aged = messages.map(({ peer, message }) => ({
      peer,
      message: message.type === "downstream" ? { ...message, ageMs } : message,
    }));
    this.dependencies.post({ type: "out", shard: this.shard, tick, messages: aged });
  }

  /** What became of traced messages. After a tick was let out: tracing holds up nobody. */
  traces(shard: Shard): void {
    const reports = shard.takeTraces();
    if (reports.length === 0) return;
    const { post, unixMs } = this.dependencies;
    const traces = { reports, decidedAt: unixMs() };
    post({ type: "traces", shard: this.shard, epoch: shard.options.epoch, traces });
  }

  /** Proxies that hear of a new epoch elsewhere attach at it before a swap is done: they come again. */
  refusals(shard: Shard): void {
    this.out(shard.store.tick, shard.takeRefusals(), 0);
  }
}
