import type { ControlPlaneEvents, ToProxy, ToShard } from "@atlasnet/core";
import type { FromThread, ToThread } from "@atlasnet/gameserver/sim";
import type { Spoil } from "../checkers/ticks.ts";
import type { ClusterFaults } from "../faults.ts";
import { ranRequest } from "../world/edition.ts";
import { editionOf } from "../world/editions.ts";
import { ofTheNextTick, topicTwice, withoutLeaves } from "./spoiled-batch.ts";

type Replica = Extract<ToThread, { type: "replica" }>;
type CopyBegun = Extract<FromThread, { type: "copy-begun" }>;

/** No shard has asked so often. */
const TRIAL_REQUEST = 1_000_000;
/** In one tick of so many, something changes that is not noted. */
const UNNOTED_TICKS = 20;

/** What the control plane tells a gameserver, which does not listen to all of it. */
export function deaf(events: ControlPlaneEvents, faults: ClusterFaults): ControlPlaneEvents {
  return {
    registered: (registration) => events.registered(registration),
    unsealed: () => events.unsealed(),
    sealed: (reason) => {
      if (!faults.has("acts-without-lease")) events.sealed(reason);
    },
    lost: () => events.lost(),
  };
}

/** Shards' states. */
export function spoilStates(faults: ClusterFaults): Spoil {
  return {
    opened: ({ store }) => {
      if (faults.has("wakes-as-another") && store.tick > 0) store.kv.load("dream", store.tick);
    },
    ticked: ({ store }) => {
      if (!faults.has("change-not-in-the-delta") || store.tick % UNNOTED_TICKS !== 0) return;
      for (const session of store.sessions.all()) session.lastInput += 1;
    },
  };
}

/** Breaks rules in what a gameserver's main thread and its world threads tell each other, one gameserver's life long. */
export class Disturbance {
  private readonly faults: ClusterFaults;
  /** The first epoch that each shard had here. */
  private readonly firstEpochs = new Map<string, number>();
  private readonly timelines = new Map<string, number>();
  /** Replicas whose module is tried before they may take over, by shard. */
  private readonly trials = new Map<string, Replica>();
  /** What was copied last of each shard here, and where it was sealed. */
  private readonly copied = new Map<string, CopyBegun>();
  private readonly seals = new Map<string, number>();
  /** Shards that were to be kept as replicas, and are closed. */
  private readonly unkept = new Set<string>();

  constructor(faults: ClusterFaults) {
    this.faults = faults;
  }

  toThread(message: ToThread): ToThread {
    const { faults } = this;
    if (message.type === "open" && faults.has("old-state-taken-for-exact")) {
      const { settings } = message;
      if (settings.fetched !== undefined)
        return { ...message, settings: { ...settings, fetched: { exact: true } } };
    }
    if (message.type === "replica") {
      this.trials.delete(message.settings.shard);
      if (message.source.otherModule) this.trials.set(message.settings.shard, message);
      if (faults.has("goes-on-after-a-failed-trial"))
        return { ...message, source: { ...message.source, otherModule: false } };
    }
    if (message.type === "close" && faults.has("source-keeps-nothing")) {
      const { keep, ...closes } = message;
      if (keep !== undefined) this.unkept.add(message.shard);
      return closes;
    }
    if (message.type === "messages" && faults.has("attach-skips-a-message"))
      return { ...message, messages: message.messages.map(skipping) };
    return message;
  }

  /** Whoever asked is told of a replica in any case. */
  private closed(message: Extract<FromThread, { type: "closed" }>): FromThread {
    const { shard } = message;
    const [copied, tick] = [this.copied.get(shard), this.seals.get(shard)];
    if (!this.unkept.delete(shard) || copied === undefined || tick === undefined) return message;
    const { timeline, tickRate, definition } = copied;
    return { ...message, kept: { tick, timeline, tickRate, definition } };
  }

  /** `tell` tells the thread something that nobody else told it, `say` tells the main thread. */
  fromThread(
    message: FromThread,
    {
      tell,
      say,
    }: { readonly tell: (message: ToThread) => void; readonly say: (message: FromThread) => void },
  ): FromThread {
    if (message.type === "copy-begun") this.copied.set(message.shard, message);
    if (message.type === "sealed") this.seals.set(message.shard, message.tick);
    if (message.type === "closed") return this.closed(message);
    if (message.type === "sealed" && this.faults.has("source-goes-on"))
      tell({ type: "unseal-shard", shard: message.shard });
    const tried = message.type === "replica-kept" ? this.trials.get(message.shard) : undefined;
    if (tried !== undefined && this.faults.has("lets-out-its-trial")) say(askedFor(tried));
    if (message.type !== "out") return message;
    const messages = message.messages.map(({ peer, message: out }) => ({
      peer,
      message: this.told(out),
    }));
    return { ...message, messages };
  }

  private spoiled(batch: Uint8Array): Uint8Array {
    const { faults } = this;
    if (faults.has("topic-per-player")) return topicTwice(batch);
    if (faults.has("leaves-not-told")) return withoutLeaves(batch);
    return faults.has("tells-of-the-next-tick") ? ofTheNextTick(batch) : batch;
  }

  private told(message: ToProxy): ToProxy {
    const { faults, firstEpochs, timelines } = this;
    const { shard, epoch } = message;
    const first = firstEpochs.get(shard) ?? epoch;
    firstEpochs.set(shard, first);
    if (faults.has("acts-at-an-old-epoch") && epoch !== first) return { ...message, epoch: first };
    if (message.type === "downstream") return { ...message, batch: this.spoiled(message.batch) };
    if (message.type !== "attached") return message;
    if (faults.has("attach-acknowledges-more") && message.attempt > 1)
      return { ...message, appliedSeq: message.appliedSeq + 1 };
    if (faults.has("rollback-not-announced")) {
      const timeline = timelines.get(shard) ?? message.timeline;
      timelines.set(shard, timeline);
      return { ...message, timeline };
    }
    return message;
  }
}

/** What the first tick of the module asked for when it was tried. */
function askedFor({ settings, source, state }: Replica): FromThread {
  const { world, shard, file } = settings;
  return {
    ...{ type: "request", shard, epoch: source.epoch, tick: state.tick, id: TRIAL_REQUEST },
    ...{ service: "kv.cluster", payload: ranRequest(world, editionOf(file) ?? "") },
  };
}

function skipping(message: ToShard): ToShard {
  if (message.type !== "attach" || message.session === undefined) return message;
  return { ...message, lastReceived: message.lastReceived + 1 };
}
