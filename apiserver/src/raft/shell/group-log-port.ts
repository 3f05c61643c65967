import type { LeaderInfo } from "@atlasnet/core";
import { CheckpointDecoder } from "../../store/checkpoint-decoder.ts";
import { encodeCheckpoint } from "../../store/checkpoint-encoder.ts";
import type {
  LogConsumer,
  Proposed,
  ReadIndex,
  ReplicatedLog,
} from "../../store/replicated-log.ts";
import type { FrozenState, StateMachineOptions } from "../../store/state-machine.ts";
import type { Entry } from "../core/types.ts";
import type { GroupClient } from "./group-client.ts";
import type { GroupMachine, MachineInstall } from "./ports.ts";
import type { RaftRunner } from "./raft-runner.ts";

/** The group as seen by the member that uses its log. */
export interface GroupMember {
  readonly runner: Pick<RaftRunner, "propose" | "leader">;
  readonly client: Pick<GroupClient, "readIndex">;
}

/**
 * The group's log as the control store needs it, and the store as the group's state machine. It is made
 * first, then the store over it, then the runner with it; `join` brings it together with its member.
 */
export class GroupReplicatedLog implements ReplicatedLog, GroupMachine {
  readonly node: string;
  private readonly machineOptions: StateMachineOptions;
  private consumer: LogConsumer | undefined;
  private frozen: (() => FrozenState) | undefined;
  private member: GroupMember | undefined;

  constructor({
    node,
    machine = {},
  }: { readonly node: string; readonly machine?: StateMachineOptions }) {
    this.node = node;
    this.machineOptions = machine;
  }

  attach(consumer: LogConsumer): void {
    this.consumer = consumer;
  }

  /** `freeze` gives the store's state for checkpoints. Before the runner is started. */
  join(member: GroupMember, freeze: () => FrozenState): void {
    this.member = member;
    this.frozen = freeze;
  }

  propose(command: Uint8Array): Proposed {
    const proposed = this.member?.runner.propose(command);
    return proposed?.ok === true
      ? { ok: true, index: proposed.firstIndex, term: proposed.term }
      : { ok: false };
  }

  async readIndex(): Promise<ReadIndex> {
    const read = await this.member?.client.readIndex();
    return read?.ok === true ? { ok: true, index: read.index } : { ok: false };
  }

  leader(): LeaderInfo | undefined {
    return this.member?.runner.leader;
  }

  /** For `RunnerEvents.onChange`. */
  leaderChanged(): void {
    this.consumer?.leaderChanged();
  }

  apply(entries: readonly Entry[]): void {
    this.consumer?.apply(
      entries.map(({ index, term, type, data }) => ({
        index,
        term,
        command: type === "command" ? data : undefined,
      })),
    );
  }

  freeze(): Iterable<Uint8Array> {
    if (this.frozen === undefined) throw new Error("the log has no state machine yet");
    return encodeCheckpoint(this.frozen());
  }

  beginInstall(): MachineInstall {
    const decoder = new CheckpointDecoder(this.machineOptions);
    return {
      push: (bytes) => decoder.push(bytes),
      finish: () => this.consumer?.install(decoder),
    };
  }
}
