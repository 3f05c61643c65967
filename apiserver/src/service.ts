import { join } from "node:path";
import { configuredStore } from "@atlasnet/artifacts";
import type { Config, ControlStore, Logger } from "@atlasnet/core";
import type { ClusterLinks, NodeAddress, ServiceHost } from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { ApiServer } from "./http/api-server.ts";
import { isLoopback } from "./http/loopback.ts";
import type { Renewals } from "./leader/lease-keeper.ts";
import { registerLeaderMetrics } from "./leader/metrics.ts";
import { AddressBook } from "./members/address-book.ts";
import { registerNodeLinkMetrics } from "./node-links/metrics.ts";
import { configuredPlacement } from "./placement/configured.ts";
import { DEFAULT_PLACEMENT, type PlacementSettings } from "./placement/settings.ts";
import type { RaftStatus } from "./raft/core/types.ts";
import { GroupBackup } from "./server/backup.ts";
import { joiningOf } from "./server/joining.ts";
import { openRaftMember } from "./server/open-raft-member.ts";
import { TlsFiles } from "./server/tls-files.ts";

export interface ApiserverServiceOptions {
  readonly config: Config;
  /** As `parsePeers` gives them, this node included unless it is to be added to a group. */
  readonly peers: ReadonlyMap<string, NodeAddress>;
  /** The one that the links look up in. */
  readonly book?: AddressBook;
  /** A group of one with its only node in the same process: nobody joins it, and nothing waits for a better place. */
  readonly alone?: boolean;
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
  /** Of the Raft group; undefined where there is none. */
  readonly status: RaftStatus | undefined;
  /** Where the HTTP API is; undefined when it is turned off. */
  readonly api: NodeAddress | undefined;
  /** Begins a generation of the store with what is in it: revisions are above all that were ever given. */
  raiseGeneration(): Promise<void>;
  /** Hands over leadership and ends streams; at most for so long. */
  drain(deadlineMs: number): Promise<void>;
}

/**
 * Everything an apiserver is, from a configuration: its log on the disk, its place in the group, the control
 * store, the HTTP API, metrics and health checks. It does not wait for the others: `/ready` says whether
 * there is a leader. @throws an error that says what to do.
 */
export async function createApiserverService(
  { config, peers, book = new AddressBook(peers), alone = false }: ApiserverServiceOptions,
  { host, links }: ApiserverServiceDependencies,
): Promise<ApiserverService> {
  const { logger } = host;
  const clock = systemClock;
  const node = config.node.id;
  const certificate = config.apiserver.http ? tlsFiles(config, logger) : undefined;
  const tls = await certificate?.read();
  const stop = fatalOnce(host);
  // Consul's client is loaded where it is used.
  const open =
    config.apiserver.store === "consul"
      ? (await import("./server/open-consul-member.ts")).openConsulMember
      : openRaftMember;
  const placement = alone ? ALONE : configuredPlacement(config);
  const member = await open({ config, peers, book, placement }, { host, links, onFailed: stop });
  host.health.add({ name: "group", check: () => member.check() });
  registerLeaderMetrics(host.meter, member.leader);
  registerNodeLinkMetrics(host.meter, member.nodes);
  host.part("group", () => member.stop());
  await member.start();
  const { host: address, port, adminToken, maxStreams } = config.apiserver;
  const { store, client } = member;
  const backup = new GroupBackup({ store, client, random: systemRandom });
  const api = new ApiServer(
    { node, host: address, port, tls, adminTokenFile: adminToken, maxStreams },
    {
      ...{ store: member.store, clock, random: systemRandom, logger, meter: host.meter },
      cluster: member.cluster,
      raft: member.raft,
      placement: {
        problems: (world) => member.leader.problems(world),
        failures: () => member.failures.get(),
        asleep: (shards) => member.asleep.of(shards),
      },
      load: member.loads,
      moves: {
        target: (shard, planned, module) => member.leader.moves.target(shard, planned, module),
        refusal: (shard, to, planned, module) =>
          member.leader.moves.refusal(shard, to, planned, module),
        crowded: () => member.leader.moves.crowded(),
        reports: () => member.migrations.get(),
      },
      rebalance: member.rebalance,
      ...(host.logLevel && { logLevel: host.logLevel }),
      joining: alone ? undefined : await joiningOf(config, { links, logger, clock }),
      artifacts: configuredStore(config),
      snapshots: config.snapshot.store !== undefined,
      backup,
    },
  );
  if (config.apiserver.http) {
    host.part("HTTP API", async () => {
      certificate?.stop();
      await api.stop();
    });
    await api.start();
    certificate?.follow((pair) => api.setTls(pair));
  }
  return {
    store: member.store,
    renewals: member.renewals,
    get status() {
      return member.status;
    },
    get api() {
      return config.apiserver.http ? (api.address ?? { host: address, port }) : undefined;
    },
    raiseGeneration: async () => {
      await backup.restore(await backup.save());
    },
    drain: async (deadlineMs) => {
      await member.handOver(deadlineMs);
      await api.drain();
    },
  };
}

/** There is no other node that an overloaded one could leave a world to. */
const ALONE: PlacementSettings = { ...DEFAULT_PLACEMENT, overloadedAt: Number.POSITIVE_INFINITY };

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
