import type {
  Clock,
  Disk,
  LinkListener,
  LinkNetwork,
  Logger,
  PseudoRandom,
  Random,
} from "@atlasnet/core";
import type { WriteAheadLog } from "../../../wal/write-ahead-log.ts";
import type { RaftSettings } from "../../core/options.ts";
import type { Entry } from "../../core/types.ts";
import { AtlasRaft } from "../atlas-raft.ts";
import { GroupClient } from "../group-client.ts";
import { openGroupLog } from "../group-log.ts";
import { LinkTransport } from "../link-transport.ts";
import { PeerCalls } from "../peer-calls.ts";
import { PeerLinks } from "../peer-links.ts";
import { RaftRunner } from "../raft-runner.ts";
import type { RunnerOptions } from "../runner-options.ts";
import type { Position } from "../waiting-proposals.ts";
import { LedgerMachine } from "./ledger-machine.ts";

export interface TestMemberOptions {
  readonly id: string;
  readonly dir: string;
  /** Undefined for a node that is added to the group later. */
  readonly firstVoters?: readonly string[] | undefined;
  readonly core?: Partial<RaftSettings>;
  readonly runner?: Partial<RunnerOptions>;
  /** Without the shell: timers are the clock's, as simulations need it. */
  readonly bare?: boolean;
  onApplied?(entries: readonly Entry[]): void;
}

export interface TestMemberDependencies {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly network: LinkNetwork;
  readonly logger: Logger;
}

const GROUP = "test";
const SEGMENT_BYTES = 64 * 1024;

/** A member of a group with everything it is made of, in one life from its start to its end. */
export class TestMember {
  readonly id: string;
  readonly machine = new LedgerMachine();
  readonly runner: RaftRunner;
  readonly client: GroupClient;
  readonly log: WriteAheadLog;
  /** Undefined for a bare one. */
  readonly raft: AtlasRaft | undefined;
  /** Why it failed. */
  failure: unknown;
  private readonly links: PeerLinks;
  private readonly calls: PeerCalls;
  private readonly listener: LinkListener;

  static async start(
    options: TestMemberOptions,
    dependencies: TestMemberDependencies,
  ): Promise<TestMember> {
    const { id, dir, firstVoters } = options;
    const { network } = dependencies;
    const opened = await openGroupLog(
      { dir, firstVoters, identity: { cluster: "c", node: id }, segmentBytes: SEGMENT_BYTES },
      dependencies,
    );
    const links = new PeerLinks({}, { ...dependencies, random: dependencies.random });
    const listener = await network.listen((link) => links.accept(link));
    const member = new TestMember(options, dependencies, { ...opened, links, listener });
    await (member.raft ?? member.runner).start();
    return member;
  }

  private constructor(
    { id, core, runner, bare, onApplied }: TestMemberOptions,
    dependencies: TestMemberDependencies,
    parts: Pick<Awaited<ReturnType<typeof openGroupLog>>, "log" | "stored"> & {
      links: PeerLinks;
      listener: LinkListener;
    },
  ) {
    const { clock, logger } = dependencies;
    const random: PseudoRandom = dependencies.random;
    const { log, stored, links, listener } = parts;
    this.id = id;
    this.log = log;
    this.links = links;
    this.listener = listener;
    const transport = new LinkTransport({ node: id, group: GROUP }, { links, logger });
    const options = {
      core: { ...core, id, incarnation: log.identity.incarnation },
      ...(runner && { runner }),
    };
    const events = {
      onFailed: (error: unknown) => {
        this.failure = error;
      },
      ...(onApplied && { onApplied }),
    };
    const { machine } = this;
    const runnerDependencies = { clock, random, log, transport, machine, logger, events };
    if (bare !== true) this.raft = new AtlasRaft(options, stored, runnerDependencies);
    this.runner = this.raft?.runner ?? new RaftRunner(options, stored, runnerDependencies);
    transport.onMessage((message) =>
      this.raft ? this.raft.emit("data", message) : this.runner.receive(message),
    );
    this.calls = new PeerCalls({ group: GROUP }, { links, clock });
    this.client = new GroupClient(
      { node: id, timeoutMs: 1800 },
      { runner: this.runner, calls: this.calls },
    );
  }

  get leads(): boolean {
    return this.runner.isRunning && this.runner.status.role === "leader";
  }

  submit(command: string): Promise<Position> {
    return this.client.submit(new TextEncoder().encode(command));
  }

  async stop(): Promise<void> {
    await this.cut();
    await this.runner.stop();
    await this.log.close();
  }

  /** Without a goodbye to its log; its disk has to be killed, too. */
  async cut(): Promise<void> {
    this.raft?.end();
    const stopped = this.runner.stop();
    // Never settles when the disk is dead.
    stopped.then(
      () => {},
      () => {},
    );
    this.calls.stop();
    this.links.stop();
    await this.listener.close();
  }
}
