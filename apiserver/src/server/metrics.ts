import type { Attributes, Meter } from "@opentelemetry/api";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import { registerWalMetrics } from "../wal/wal-metrics.ts";
import type { WriteAheadLog } from "../wal/write-ahead-log.ts";
import type { ConsulMember } from "./consul-member.ts";
import type { GroupMember } from "./group-member.ts";

type Samples = readonly (readonly [value: number, attributes?: Attributes])[];

/** Everything that an apiserver measures of its group and its store. */
export function registerGroupMetrics(
  meter: Meter,
  member: GroupMember,
  log: Pick<WriteAheadLog, "figures">,
): void {
  registerWalMetrics(meter, () => log.figures);
  const { runner, transport, links, store } = member;
  const { gauge, counter } = instruments(meter);

  gauge("atlasnet_raft_term", "Term of the group, as known here", () => [[runner.status.term]]);
  gauge("atlasnet_raft_is_leader", "1 while this apiserver leads", () => [
    [Number(runner.status.role === "leader")],
  ]);
  gauge("atlasnet_raft_has_leader", "1 while a leader is known here", () => [
    [Number(runner.leader !== undefined)],
  ]);
  gauge("atlasnet_raft_members", "Members of the group, by kind", () => {
    const { voters, learners } = runner.status.members;
    return [
      [voters.length, { kind: "voter" }],
      [learners.length, { kind: "learner" }],
    ];
  });
  gauge("atlasnet_raft_commit_index", "Newest entry known to be committed", () => [
    [runner.status.commit],
  ]);
  gauge("atlasnet_raft_applied_index", "Newest entry applied to the store", () => [
    [runner.status.applied],
  ]);
  gauge("atlasnet_raft_last_index", "Newest entry of the log", () => [[runner.status.lastIndex]]);
  gauge("atlasnet_raft_checkpoint_index", "Entry of the newest checkpoint", () => [
    [runner.status.checkpointIndex],
  ]);
  gauge("atlasnet_raft_uncommitted_bytes", "Proposals that wait for a quorum", () => [
    [runner.status.uncommittedBytes],
  ]);
  gauge(
    "atlasnet_raft_follower_lag_entries",
    "Entries a follower lacks, seen by the leader",
    () => {
      const { followers, lastIndex } = runner.status;
      return followers.map(({ id, match }) => [lastIndex - match, { peer: id }] as const);
    },
  );
  gauge("atlasnet_raft_follower_active", "1 while a follower answers the leader", () =>
    runner.status.followers.map(({ id, active }) => [Number(active), { peer: id }] as const),
  );
  counter("atlasnet_raft_proposals_total", "Commands proposed here, by result", () => {
    const { proposed, refused } = runner.figures;
    return [
      [proposed, { result: "taken" }],
      [refused, { result: "refused" }],
    ];
  });
  counter("atlasnet_raft_applied_total", "Entries applied since the start", () => [
    [runner.figures.applied],
  ]);
  counter("atlasnet_raft_checkpoints_total", "Checkpoints written, by result", () => {
    const { made, failed } = runner.figures.checkpoints;
    return [
      [made, { result: "made" }],
      [failed, { result: "failed" }],
    ];
  });
  counter("atlasnet_raft_messages_total", "Messages of the group, by what became of them", () =>
    Object.entries(transport.counts).map(([what, count]) => [count, { what }] as const),
  );
  counter(
    "atlasnet_raft_dials_failed_total",
    "Links to apiservers that could not be opened",
    () => [[links.counts.dialsFailed]],
  );
  registerStoreMetrics(meter, store);
}

/** Of an apiserver whose control state is in Consul. */
export function registerConsulMetrics(meter: Meter, member: ConsulMember): void {
  const { gauge, counter } = instruments(meter);
  gauge("atlasnet_consul_reachable", "1 while Consul answers for the control state", () => [
    [Number(member.figures.reachable)],
  ]);
  counter("atlasnet_consul_outages_total", "Times that Consul stopped answering", () => [
    [member.figures.outages],
  ]);
  gauge("atlasnet_consul_is_leader", "1 while this apiserver leads", () => [
    [Number(member.figures.leads)],
  ]);
  gauge("atlasnet_consul_has_leader", "1 while a leader is known here", () => [
    [Number(member.figures.hasLeader)],
  ]);
  gauge("atlasnet_consul_term", "Term of the log in Consul, as known here", () => [
    [member.figures.term],
  ]);
  gauge("atlasnet_consul_applied_index", "Newest entry applied to the store", () => [
    [member.figures.applied],
  ]);
  counter("atlasnet_consul_checkpoints_total", "Checkpoints written to Consul from here", () => [
    [member.figures.checkpoints],
  ]);
  gauge("atlasnet_consul_apiservers_linked", "Other apiservers with a link to this one", () => [
    [member.figures.linked],
  ]);
  counter(
    "atlasnet_consul_dials_failed_total",
    "Links to apiservers that could not be opened",
    () => [[member.figures.dialsFailed]],
  );
  registerStoreMetrics(meter, member.store);
}

function registerStoreMetrics(meter: Meter, store: Pick<ReplicatedStore, "figures">): void {
  const { gauge, counter } = instruments(meter);
  gauge("atlasnet_store_revision", "Revision of the store, as applied here", () => [
    [store.figures.revision],
  ]);
  gauge("atlasnet_store_keys", "Keys in the store", () => [[store.figures.keys]]);
  gauge("atlasnet_store_bytes", "Bytes in the store, as its quota counts them", () => [
    [store.figures.bytes],
  ]);
  gauge("atlasnet_store_quota_bytes", "Bytes the store may hold", () => [
    [store.figures.quotaBytes],
  ]);
  gauge("atlasnet_store_watches", "Watches at this apiserver", () => [[store.figures.watches]]);
  gauge("atlasnet_store_pending", "Transactions and reads that wait here", () => [
    [store.figures.pending],
  ]);
  counter("atlasnet_store_batches_total", "Batches of transactions proposed here", () => [
    [store.figures.batches],
  ]);
}

function instruments(meter: Meter) {
  return {
    gauge: (name: string, description: string, read: () => Samples) =>
      meter.createObservableGauge(name, { description }).addCallback((result) => {
        for (const [value, attributes] of read()) result.observe(value, attributes);
      }),
    counter: (name: string, description: string, read: () => Samples) =>
      meter.createObservableCounter(name, { description }).addCallback((result) => {
        for (const [value, attributes] of read()) result.observe(value, attributes);
      }),
  };
}
