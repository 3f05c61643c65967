import { join } from "node:path";
import { configuredStore } from "@atlasnet/artifacts";
import { type Config, type ControlStore, type Logger, OperatingError } from "@atlasnet/core";
import {
  type ClusterLinks,
  type NodeAddress,
  type ServiceHost,
  systemClock,
  systemRandom,
} from "@atlasnet/core/node";
import { ApiServer } from "./http/api-server.ts";
import { isLoopback } from "./http/loopback.ts";
import type { Renewals } from "./leader/lease-keeper.ts";
import { registerLeaderMetrics } from "./leader/metrics.ts";
import { AddressBook } from "./members/address-book.ts";
import { registerNodeLinkMetrics } from "./node-links/metrics.ts";
import type { RaftStatus } from "./raft/core/types.ts";
import { GroupBackup } from "./server/backup.ts";
import { GroupMember } from "./server/group-member.ts";
import { handOver } from "./server/hand-over.ts";
import { joiningOf } from "./server/joining.ts";
import { type MemberLog, openMemberLog } from "./server/member-log.ts";
import { membersView } from "./server/members-view.ts";
import { registerGroupMetrics } from "./server/metrics.ts";
import { raftPace } from "./server/raft-pace.ts";
import { Readiness } from "./server/readiness.ts";
import { TlsFiles } from "./server/tls-files.ts";
import { REPLACE_NODE_HINT } from "./wal/wal-error.ts";

export interface ApiserverServiceOptions {
  readonly config: Config;
  /** As `parsePeers` gives them, this node included unless it is to be added to a group. */
  readonly peers: ReadonlyMap<string, NodeAddress>;
  /** The one that the links look up in. */
  readonly book?: AddressBook;
}

export interface ApiserverServiceDependencies {
  /** Parts of the apiserver are its parts: it stops them. */
  readonly host: ServiceHost;
  readonly links: Pick<ClusterLinks, "network" | "identity" | "certificate">;
}

/** A running apiserver. Its host stops it. */
export interface ApiserverService {
  readonly store: ControlStore;
  /** Of the leases of nodes, here or at whoever leads: for a node in the same process. */
  readonly renewals: Renewals;
  readonly status: RaftStatus;
  /** Where the HTTP API is. */
  readonly api: NodeAddress;
  /** Hands over leadership and ends streams; at most for so long. */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * Everything an apiserver is, from a configuration: its log on the disk, its place in the group, the control
 * store, the HTTP API, metrics and health checks. It does not wait for the others: `/ready` says whether
 * there is a leader. @throws an error that says what to do.
 */
export async function createApiserverService(
  { config, peers, book = new AddressBook(peers) }: ApiserverServiceOptions,
  { host, links }: ApiserverServiceDependencies,
): Promise<ApiserverService> {
  const { logger } = host;
  const clock = systemClock;
  const node = config.node.id;
  const certificate = tlsFiles(config, logger);
  const tls = await certificate?.read();
  const stop = fatalOnce(host);
  const log = await openLog(config, peers, { host, links, onFailed: stop });
  const member = new GroupMember(
    {
      cluster: links.identity.cluster,
      node,
      peers: without(peers, node),
      book,
      ...raftPace(config.apiserver),
    },
    {
      ...{ clock, random: systemRandom, logger, network: links.network },
      ...{ log: log.log, stored: log.stored },
      events: {
        onChange: () => readiness.changed(),
        onFailed: stop,
        onRetired: (reason) => stop(retiredError(node, reason, config.apiserver.dataDir)),
        onRemoved: () => stop(removedError(node, config.apiserver.dataDir)),
        onOldCopy: () => stop(retiredError(node, "old-copy", config.apiserver.dataDir)),
      },
    },
  );
  const readiness = new Readiness({
    clock,
    leader: () => member.runner.leader,
    isNew: () => member.runner.status.newLog,
    barrier: () => member.store.readBarrier(),
  });
  host.health.add({ name: "group", check: () => readiness.check() });
  registerGroupMetrics(host.meter, member, log.log);
  registerLeaderMetrics(host.meter, member.leader);
  registerNodeLinkMetrics(host.meter, member.nodes);
  host.part("group", async () => {
    readiness.stop();
    await member.stop();
  });
  await member.start();
  const { host: address, port, adminToken, maxStreams } = config.apiserver;
  const api = new ApiServer(
    { node, host: address, port, tls, adminTokenFile: adminToken, maxStreams },
    {
      ...{ store: member.store, clock, random: systemRandom, logger, meter: host.meter },
      cluster: membersView(() => member.runner.status, book),
      raft: member.admin,
      placement: { problems: (world) => member.leader.problems(world) },
      load: member.loads,
      ...(host.logLevel && { logLevel: host.logLevel }),
      joining: await joiningOf(config, { links, logger, clock }),
      artifacts: configuredStore(config),
      backup: new GroupBackup({ store: member.store, client: member.client, random: systemRandom }),
    },
  );
  host.part("HTTP API", async () => {
    certificate?.stop();
    await api.stop();
  });
  await api.start();
  certificate?.follow((pair) => api.setTls(pair));
  return {
    store: member.store,
    renewals: member.renewals,
    get status() {
      return member.runner.status;
    },
    get api() {
      return api.address ?? { host: address, port };
    },
    drain: async (deadlineMs) => {
      await handOver(deadlineMs, { runner: member.runner, clock, logger });
      await api.drain();
    },
  };
}

/** New logs of the listed nodes are those of first voters; a node that is not in the list waits to be added. */
async function openLog(
  config: Config,
  peers: ReadonlyMap<string, NodeAddress>,
  { host, links, onFailed }: ApiserverServiceDependencies & { onFailed: (error: unknown) => void },
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

/** The process ends once, for the first reason. */
function fatalOnce(host: ServiceHost): (error: unknown) => void {
  let told = false;
  return (error) => {
    if (told) return;
    told = true;
    host.fatal(
      "This apiserver cannot go on; the others do when they are a quorum.",
      error instanceof Error ? error : new Error(String(error)),
    );
  };
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

/** The certificate of the HTTP API: the configured one, or the node's own where the network is not to be trusted. */
function tlsFiles(
  { apiserver: { tls, host }, identity, node }: Config,
  logger: Logger,
): TlsFiles | undefined {
  const configured = tls.cert !== undefined && tls.key !== undefined;
  if (!configured && isLoopback(host)) return undefined;
  return new TlsFiles(
    {
      cert: tls.cert ?? join(identity.dir, `${node.id}.crt`),
      key: tls.key ?? join(identity.dir, `${node.id}.key`),
    },
    { clock: systemClock, logger },
  );
}
