import {
  type Channel,
  type Link,
  type LinkMessage,
  type LinkNetwork,
  type Operation,
  ownerKey,
  parseRecordKey,
  type RemoteStore,
  replicaChannel,
} from "@atlasnet/core";
import { wrappedLink } from "@atlasnet/core/testing";
import type { Gameserver } from "@atlasnet/gameserver";
import type { ClusterFaults } from "../faults.ts";

/** A node that does not say that what it mirrors is gone: whoever asks waits for ever. */
export function spoilWithdrawals(store: RemoteStore, faults: ClusterFaults): void {
  if (!faults.has("never-withdraws")) return;
  const txn = store.txn.bind(store);
  store.txn = (request) => {
    const [operation, ...more] = request.then;
    const clears = operation !== undefined && clearedBy(operation) !== undefined;
    // An owner that goes on without its mirror does so under its lease.
    const withdraws = clears && more.length === 0 && request.leases === undefined;
    return withdraws ? new Promise(() => {}) : txn(request);
  };
}

/** A gameserver whose mirrored worlds do not wait as they have to. */
export function spoilGates(
  gameserver: Gameserver,
  store: RemoteStore,
  faults: ClusterFaults,
): void {
  if (faults.has("lets-out-what-its-mirror-lacks")) gameserver.moving.gateOutput = () => {};
  if (faults.has("no-gate-at-the-switch")) gateNothingAtSwitches(gameserver);
  if (!faults.has("ungates-before-it-cleared")) return;
  const txn = store.txn.bind(store);
  store.txn = (request) => {
    for (const operation of request.then) {
      const shard = clearedBy(operation);
      const isOwned = request.then.some((op) => "key" in op && op.key === ownerKey(shard ?? ""));
      if (shard !== undefined && !isOwned) gameserver.moving.ungateOutput(shard);
    }
    return txn(request);
  };
}

/** Who has moved here tells of its first ticks as if the source did not mirror it. */
function gateNothingAtSwitches({ moving }: Gameserver): void {
  const promote = moving.promote.bind(moving);
  moving.promote = (shard, ownership, how) => {
    const promoted = promote(shard, ownership, how);
    if (how.mirrored === true) moving.ungateOutput(shard);
    return promoted;
  };
}

/** The shard whose mirror is taken out of the records. */
function clearedBy(operation: Operation): string | undefined {
  if (operation.type !== "delete" || !("key" in operation)) return undefined;
  const parsed = parseRecordKey(operation.key);
  return parsed?.kind === "mirror" ? parsed.shard : undefined;
}

interface Acknowledging {
  /** What a tick changed is taken in when the next one comes. */
  readonly late: boolean;
}

/** The network of a node whose mirrors acknowledge what they may not, or have not. */
export function spoilMirrors(network: LinkNetwork, faults: ClusterFaults): LinkNetwork {
  if (faults.has("mirror-never-silent")) return acknowledging(network, { late: false });
  return faults.has("mirror-a-tick-behind") ? acknowledging(network, { late: true }) : network;
}

/** A node acknowledges all that it hears of shards that it follows, whether it still may or not. */
function acknowledging(network: LinkNetwork, how: Acknowledging): LinkNetwork {
  return {
    connect: async (node) => acknowledgingLink(await network.connect(node), how),
    listen: (handler) => network.listen((link) => handler(acknowledgingLink(link, how))),
  };
}

/** One object for each link: nodes compare them. */
function acknowledgingLink(link: Link, how: Acknowledging): Link {
  const channels = new Map<string, Channel>();
  return wrappedLink(link, (channel) => {
    const known = channels.get(channel.name) ?? acknowledgingChannel(channel, how);
    channels.set(channel.name, known);
    return known;
  });
}

function acknowledgingChannel(channel: Channel, { late }: Acknowledging): Channel {
  let copy = 0;
  /** Of the copy, that it has taken in. */
  let bytes = 0;
  /** The last tick that it has acknowledged out of turn. */
  let said = 0;
  let held: (() => void) | undefined;
  return {
    name: channel.name,
    // What it really has is behind what it said, and its owner would notice.
    send: (message) => {
      if (message.type === "replica-ack") ({ bytes } = message);
      const isBehind = message.type === "replica-ack" && message.tick < said;
      return (late && isBehind) || channel.send(message);
    },
    onDrain: (handler) => channel.onDrain(handler),
    onMessage: (handler) =>
      channel.onMessage((message) => {
        if (message.type === "replica-copy") {
          ({ copy } = message);
          bytes = 0;
          said = 0;
          held = undefined;
        }
        const answer = answerTo(message, { copy, bytes });
        if (answer === undefined || channel.name !== replicaChannel(answer.shard, "mirror"))
          return handler(message);
        held?.();
        held = () => handler(message);
        if (!late) {
          held();
          held = undefined;
        }
        said = answer.tick;
        channel.send(answer);
      }),
  };
}

function answerTo(message: LinkMessage, has: { readonly copy: number; readonly bytes: number }) {
  if (message.type !== "replica-delta") return undefined;
  const { shard, epoch, tick } = message;
  return { type: "replica-ack", shard, epoch, ...has, tick } as const;
}
