import {
  type Clock,
  type Disk,
  type Logger,
  noopLogger,
  type Peer,
  type Random,
} from "@atlasnet/core";
import { type LinkNetworks, reached } from "@atlasnet/core/testing";
import { isUnreachedVoter } from "../../testing/unreached-voter.ts";
import { RaftError } from "../raft-error.ts";
import { FaultyDisk } from "./faulty-disk.ts";
import { TestMember, type TestMemberOptions } from "./test-member.ts";

export interface TestGroupDependencies {
  readonly networks: LinkNetworks;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger?: Logger;
}

export function apiserver(node: string): Peer {
  return { role: "apiserver", node };
}

/** Members of one group in this process, on real disks and in real time. */
export class TestGroup {
  readonly members = new Map<string, TestMember>();
  readonly disks = new Map<string, FaultyDisk>();
  private readonly options: Pick<TestMemberOptions, "core" | "runner">;
  private readonly dirOf: (id: string) => string;
  private readonly dependencies: TestGroupDependencies;

  constructor(
    options: Pick<TestMemberOptions, "core" | "runner"> & { dirOf(id: string): string },
    dependencies: TestGroupDependencies,
  ) {
    this.options = options;
    this.dirOf = options.dirOf;
    this.dependencies = dependencies;
  }

  async start(id: string, firstVoters?: readonly string[]): Promise<TestMember> {
    const { networks, clock, random, logger = noopLogger } = this.dependencies;
    const disk = new FaultyDisk(this.dependencies.disk);
    this.disks.set(id, disk);
    const { core = {}, runner = {} } = this.options;
    const member = await TestMember.start(
      { id, dir: this.dirOf(id), firstVoters, core, runner },
      { clock, random, logger, disk, network: networks.node(apiserver(id)) },
    );
    this.members.set(id, member);
    return member;
  }

  /** As kill -9: without a close, and what is not on the disk is gone. */
  async kill(id: string): Promise<void> {
    const member = this.member(id);
    this.members.delete(id);
    await this.disks.get(id)?.kill();
    await member.cut();
  }

  member(id: string): TestMember {
    const member = this.members.get(id);
    if (member === undefined) throw new Error(`${id} does not run`);
    return member;
  }

  /** Once it has reached all first voters that run: one with a new log cannot help to elect the next. */
  async leader(): Promise<TestMember> {
    const find = () => {
      const members = [...this.members.values()];
      if (members.some(({ runner }) => isUnreachedVoter(runner.status))) return undefined;
      return members.find((member) => member.leads);
    };
    await reached(() => find() !== undefined);
    const leader = find();
    if (leader === undefined) return this.leader();
    return leader;
  }

  /** By way of any member, until it counts: with elections in between. A command may count twice. */
  async submit(command: string): Promise<void> {
    for (;;) {
      const members = [...this.members.values()].filter(({ runner }) => runner.isRunning);
      const member = members[this.dependencies.random.int(0, members.length - 1)];
      if (member === undefined) throw new Error("no member runs");
      try {
        await member.submit(command);
        return;
      } catch (error) {
        if (!(error instanceof RaftError)) throw error;
        await new Promise<void>((resolve) => this.dependencies.clock.setTimer(10, resolve));
      }
    }
  }

  /** Everybody has applied the same. */
  async agreed(): Promise<readonly string[]> {
    const members = [...this.members.values()];
    await reached(() => {
      const ends = members.map(({ machine }) => machine.lastIndex);
      return ends.every((end) => end === ends[0]);
    });
    return members[0]?.machine.commands ?? [];
  }

  async stop(): Promise<void> {
    await Promise.all([...this.members.values()].map((member) => member.stop()));
  }
}
