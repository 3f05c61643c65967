import {
  AtlasRaft,
  DEFAULT_CORE_SETTINGS,
  GroupClient,
  GroupReplicatedLog,
  LinkTransport,
  openGroupLog,
  PeerCalls,
  PeerLinks,
  ReplicatedStore,
} from "@atlasnet/apiserver";
import { noopLogger } from "@atlasnet/core";
import { NodeDisk, systemClock, systemRandom } from "@atlasnet/core/system";
import { answer } from "../lib/child.ts";
import {
  GROUP,
  KEY_BYTES,
  type MemberFigures,
  type MemberQuestion,
  PUT,
} from "./member-question.ts";
import { openNetwork } from "./network.ts";

/** One apiserver of the benchmark, in a process of its own: Raft log, links, store; no HTTP. */
const TIMEOUT_MS = 10_000;
const clock = systemClock;
const random = systemRandom;
const logger = noopLogger;
const dependencies = { clock, random, logger };

let running: { readonly raft: AtlasRaft; readonly figures: () => MemberFigures } | undefined;

async function start({
  identity,
  ports,
  voters,
  dir,
}: Extract<MemberQuestion, { type: "start" }>): Promise<void> {
  const { node, cluster } = identity;
  const network = openNetwork(identity, ports);
  const { log, stored } = await openGroupLog(
    { dir, identity: { cluster, node }, firstVoters: voters },
    { ...dependencies, disk: new NodeDisk() },
  );
  const links = new PeerLinks({}, { ...dependencies, network });
  const transport = new LinkTransport({ node, group: GROUP }, { links, logger });
  const calls = new PeerCalls({ group: GROUP }, { links, clock });
  const replicated = new GroupReplicatedLog({ node });
  const store = new ReplicatedStore(
    { timeoutMs: TIMEOUT_MS },
    { log: replicated, clock, random, holdsLease: () => false },
  );
  const core = { ...DEFAULT_CORE_SETTINGS, id: node, incarnation: log.identity.incarnation };
  const raft = new AtlasRaft({ core }, stored, {
    ...dependencies,
    log,
    transport,
    machine: replicated,
    events: { onChange: () => replicated.leaderChanged() },
  });
  const { runner } = raft;
  transport.onMessage((message) => raft.emit("data", message));
  const client = new GroupClient({ node, timeoutMs: TIMEOUT_MS }, { runner, calls });
  replicated.join({ runner, client }, () => store.freeze());
  const none = new Uint8Array(0);
  calls.handle(PUT, async (_from, body) => {
    const key = Buffer.from(body.subarray(0, KEY_BYTES)).toString();
    await store.txn({
      compare: [],
      then: [{ type: "put", key, value: body.slice(KEY_BYTES) }],
    });
    return { code: "ok", body: none };
  });
  await network.listen((link) => links.accept(link));
  await raft.start();
  let before = { saves: 0, syncSeconds: 0, readies: 0, proposed: 0 };
  let cpu = process.cpuUsage();
  const figures = (): MemberFigures => {
    const { user, system } = process.cpuUsage(cpu);
    const { readies, proposed } = runner.figures;
    const { groups: saves, syncSeconds } = log.figures;
    const now = { saves, syncSeconds, readies, proposed };
    const since = {
      cpuSeconds: (user + system) / 1e6,
      saves: now.saves - before.saves,
      saveMs: ((now.syncSeconds - before.syncSeconds) * 1000) / (now.saves - before.saves),
      readies: now.readies - before.readies,
      proposed: now.proposed - before.proposed,
    };
    before = now;
    cpu = process.cpuUsage();
    return since;
  };
  running = { raft, figures };
}

answer<MemberQuestion>(async (question) => {
  if (question.type === "start") return await start(question);
  if (running === undefined) throw new Error("it was not started");
  if (question.type === "figures") return running.figures();
  return running.raft.state === AtlasRaft.LEADER;
});
