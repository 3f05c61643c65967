import { join } from "node:path";
import { type Config, OperatingError } from "@atlasnet/core";
import type { ClusterLinks, NodeAddress, ServiceHost } from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { AddressBook } from "../members/address-book.ts";
import type { PlacementSettings } from "../placement/settings.ts";
import type { RaftStatus } from "../raft/core/types.ts";
import { REPLACE_NODE_HINT } from "../wal/wal-error.ts";
import type { ControlMember } from "./control-member.ts";
import { GroupMember } from "./group-member.ts";
import { handOver } from "./hand-over.ts";
import { type MemberLog, openMemberLog } from "./member-log.ts";
import { membersView } from "./members-view.ts";
import { registerGroupMetrics } from "./metrics.ts";
import { raftPace } from "./raft-pace.ts";
import { Readiness } from "./readiness.ts";

export interface OpenMemberOptions {
  readonly config: Config;
  /** As `parsePeers` gives them, this node included unless it is to be added to a group. */
  readonly peers: ReadonlyMap<string, NodeAddress>;
  readonly book: AddressBook;
  readonly placement?: PlacementSettings | undefined;
}

export interface OpenMemberDependencies {
  readonly host: ServiceHost;
  readonly links: Pick<ClusterLinks, "network" | "identity">;
  /** This apiserver cannot go on. */
  readonly onFailed: (error: unknown) => void;
}

/** An apiserver of a Raft group, with its log on this machine's disk. Its opener starts and stops it. @throws OperatingError */
export async function openRaftMember(
  options: OpenMemberOptions,
  dependencies: OpenMemberDependencies,
): Promise<ControlMember> {
  const { config, peers, book, placement } = options;
  const { host, links, onFailed } = dependencies;
  const { logger } = host;
  const clock = systemClock;
  const node = config.node.id;
  const { dataDir } = config.apiserver;
  const log = await openLog(options, dependencies);
  const member = new GroupMember(
    {
      cluster: links.identity.cluster,
      node,
      peers: without(peers, node),
      book,
      ...raftPace(config.apiserver),
      ...(placement && { placement }),
    },
    {
      ...{ clock, random: systemRandom, logger, network: links.network },
      ...{ log: log.log, stored: log.stored },
      events: {
        onChange: () => readiness.changed(),
        onFailed,
        onRetired: (reason) => onFailed(retiredError(node, reason, dataDir)),
        onRemoved: () => onFailed(removedError(node, dataDir)),
        onOldCopy: () => onFailed(retiredError(node, "old-copy", dataDir)),
      },
    },
  );
  const readiness = new Readiness({
    clock,
    leader: () => member.runner.leader,
    isNew: () => member.runner.status.newLog,
    barrier: () => member.store.readBarrier(),
  });
  registerGroupMetrics(host.meter, member, log.log);
  const { store, leader, loads, failures, asleep, migrations, renewals, nodes } = member;
  const { client, admin, runner } = member;
  return {
    ...{ store, leader, loads, failures, asleep, migrations, renewals, nodes },
    ...{ client, raft: admin },
    rebalance: member.rebalance,
    cluster: membersView(() => runner.status, book),
    get status() {
      return runner.status;
    },
    check: () => readiness.check(),
    start: () => member.start(),
    handOver: (deadlineMs) => handOver(deadlineMs, { runner, clock, logger }),
    stop: async () => {
      readiness.stop();
      await member.stop();
    },
  };
}

/** New logs of the listed nodes are those of first voters; a node that is not in the list waits to be added. */
async function openLog(
  { config, peers }: OpenMemberOptions,
  { host, links, onFailed }: OpenMemberDependencies,
): Promise<MemberLog> {
  const { logger } = host;
  const node = config.node.id;
  const voters = [...peers.keys()];
  const log = await openMemberLog(
    {
      // The log wants a folder for itself.
      dir: join(config.apiserver.dataDir, "log"),
      identity: { cluster: links.identity.cluster, node },
      firstVoters: peers.has(node) ? voters : undefined,
    },
    { clock: systemClock, logger, random: systemRandom, onFailed },
  );
  host.part("Raft log", () => log.close());
  if (!log.isNew) logger.debug("There is a Raft log; apiserver.peers only tells where others are.");
  else if (peers.has(node)) logger.info("Began a Raft log, as a first member.", { voters });
  else logger.info("Began a Raft log; this apiserver waits until the group adds it.", { voters });
  return log;
}

function retiredError(
  node: string,
  reason: NonNullable<RaftStatus["retired"]> | "old-copy",
  dataDir: string,
): OperatingError {
  const what =
    reason === "another-incarnation"
      ? `the group knows ${node} with another log than the one in ${dataDir}: this one was made anew, or is an old copy`
      : reason === "lost-entries"
        ? `the log in ${dataDir} lacks entries that ${node} has acknowledged to the group`
        : `the log in ${dataDir} is an old copy: ${node} has run with a later one since`;
  return new OperatingError("log-retired", what, {
    facts: { reason, dataDir },
    hint: `If the right folder still exists, start ${node} with it. ${REPLACE_NODE_HINT}`,
  });
}

function removedError(node: string, dataDir: string): OperatingError {
  return new OperatingError(
    "log-retired",
    `${node} was removed from the group (\`atlasnet raft rm\`): its log in ${dataDir} is of no use any more`,
    {
      facts: { reason: "removed", dataDir },
      hint: `To have it back, put ${dataDir} away, start ${node} again, and add it: \`atlasnet raft add ${node} --address HOST:PORT\`.`,
    },
  );
}

function without<V>(map: ReadonlyMap<string, V>, key: string): ReadonlyMap<string, V> {
  return new Map([...map].filter(([other]) => other !== key));
}
