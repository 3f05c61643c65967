import { access } from "node:fs/promises";
import { join } from "node:path";
import { openConsulAgent } from "@atlasnet/consul";
import type { Logger } from "@atlasnet/core";
import { lockDataDir } from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { ClusterPort } from "../http/ports.ts";
import type { AddressBook } from "../members/address-book.ts";
import { ConsulMember } from "./consul-member.ts";
import type { ControlMember } from "./control-member.ts";
import { registerConsulMetrics } from "./metrics.ts";
import { NoRaft } from "./no-raft.ts";
import type { OpenMemberDependencies, OpenMemberOptions } from "./open-raft-member.ts";

/** An apiserver whose control state is in Consul. Its opener starts and stops it. @throws OperatingError */
export async function openConsulMember(
  { config, book, placement }: OpenMemberOptions,
  { host, links, onFailed }: OpenMemberDependencies,
): Promise<ControlMember> {
  const { logger } = host;
  const node = config.node.id;
  const { cluster } = links.identity;
  const { dataDir, consulPrefix = `atlasnet/${cluster}` } = config.apiserver;
  // Two processes of one node would take each other for themselves.
  const lock = await lockDataDir(dataDir, { clock: systemClock, logger, onLost: onFailed });
  host.part("data folder of the apiserver", () => lock.release());
  await tellOfUnusedLog(dataDir, logger);
  const agent = await openConsulAgent(config);
  host.part("Consul agent's client", async () => agent.close());
  logger.info("The control state is in Consul.", { agent: agent.address, prefix: consulPrefix });
  const member = new ConsulMember(
    { node, cluster, prefix: consulPrefix, book, placement },
    {
      ...{ clock: systemClock, random: systemRandom, logger, network: links.network, agent },
      events: { onFailed },
    },
  );
  registerConsulMetrics(host.meter, member);
  const { store, leader, loads, failures, asleep, migrations } = member;
  const { rebalance, renewals, nodes, client } = member;
  return {
    ...{ store, leader, loads, failures, asleep, migrations },
    ...{ rebalance, renewals, nodes, client },
    cluster: apiserversView(member, book),
    raft: new NoRaft(),
    status: undefined,
    check: () => member.check(),
    start: () => member.start(),
    handOver: (deadlineMs) => handOverIn(deadlineMs, member, logger),
    stop: () => member.stop(),
  };
}

/** Each of them may lead, so each counts as one that votes. */
function apiserversView(
  member: Pick<ConsulMember, "apiservers" | "reaches">,
  book: Pick<AddressBook, "shown">,
): ClusterPort {
  return {
    members: () =>
      member.apiservers.map((node) => ({
        ...{ node, voter: true, reachable: member.reaches(node) },
        address: book.shown(node),
      })),
  };
}

async function handOverIn(
  deadlineMs: number,
  member: Pick<ConsulMember, "figures" | "handOver">,
  logger: Logger,
): Promise<void> {
  const led = member.figures.leads;
  let late: { cancel(): void } | undefined;
  const deadline = new Promise<"late">((resolve) => {
    late = systemClock.setTimer(deadlineMs, () => resolve("late"));
  });
  const handedOver = member.handOver().catch((error: unknown) => ({ error }));
  const result = await Promise.race([handedOver, deadline]);
  late?.cancel();
  if (!led) return;
  if (result === undefined) logger.info("Leadership was handed over: the lock in Consul is free.");
  else
    logger.warn("The lock in Consul was not given back; it is free 10 to 20 s after the end.", {
      ...(result !== "late" && result),
    });
}

async function tellOfUnusedLog(dataDir: string, logger: Logger): Promise<void> {
  const log = join(dataDir, "log");
  const isThere = await access(log).then(
    () => true,
    () => false,
  );
  if (isThere)
    logger.warn(
      "There is a Raft log of this apiserver, which is not used with apiserver.store = consul. To take its state along, make a backup with the former setting and restore it.",
      { log },
    );
}
