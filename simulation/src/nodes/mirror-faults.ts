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
import type { Gameserver } from "@atlasnet/gameserver";
import type { ClusterFaults } from "../faults.ts";

/** A gameserver whose mirrored worlds do not wait as they have to. */
export function spoilGates(
  gameserver: Gameserver,
  store: RemoteStore,
  faults: ClusterFaults,
): void {
  if (faults.has("lets-out-what-its-mirror-lacks")) gameserver.gateOutput = () => {};
  if (!faults.has("ungates-before-it-cleared")) return;
  const txn = store.txn.bind(store);
  store.txn = (request) => {
    for (const operation of request.then) {
      const shard = clearedBy(operation);
      const isOwned = request.then.some((op) => "key" in op && op.key === ownerKey(shard ?? ""));
      if (shard !== undefined && !isOwned) gameserver.ungateOutput(shard);
    }
    return txn(request);
  };
}

/** The shard whose mirror is taken out of the records. */
function clearedBy(operation: Operation): string | undefined {
  if (operation.type !== "delete" || !("key" in operation)) return undefined;
  const parsed = parseRecordKey(operation.key);
  return parsed?.kind === "mirror" ? parsed.shard : undefined;
}

/** A network on which a node acknowledges all that it hears of shards that it follows, whether it still may or not. */
export function acknowledging(network: LinkNetwork): LinkNetwork {
  return {
    connect: async (node) => acknowledgingLink(await network.connect(node)),
    listen: (handler) => network.listen((link) => handler(acknowledgingLink(link))),
  };
}

/** One object for each link: nodes compare them. */
function acknowledgingLink(link: Link): Link {
  const channels = new Map<string, Channel>();
  return {
    peer: link.peer,
    generation: link.generation,
    maxDatagramBytes: link.maxDatagramBytes,
    closed: link.closed,
    speaks: (type) => link.speaks(type),
    sendDatagram: (bytes) => link.sendDatagram(bytes),
    onDatagram: (handler) => link.onDatagram(handler),
    close: (reason) => link.close(reason),
    channel: (name, options) => {
      const known = channels.get(name) ?? acknowledgingChannel(link.channel(name, options));
      channels.set(name, known);
      return known;
    },
  };
}

function acknowledgingChannel(channel: Channel): Channel {
  let copy = 0;
  return {
    name: channel.name,
    send: (message) => channel.send(message),
    onDrain: (handler) => channel.onDrain(handler),
    onMessage: (handler) =>
      channel.onMessage((message) => {
        handler(message);
        if (message.type === "replica-copy") copy = message.copy;
        const said = answerTo(message, copy);
        if (said !== undefined && channel.name === replicaChannel(said.shard, "mirror"))
          channel.send(said);
      }),
  };
}

function answerTo(message: LinkMessage, copy: number) {
  if (message.type !== "replica-delta") return undefined;
  const { shard, epoch, tick } = message;
  return { type: "replica-ack", shard, epoch, copy, bytes: 0, tick } as const;
}
