import { allMembers } from "../core/members.ts";
import type { RaftMessage } from "../core/messages.ts";
import type { Members, RaftStatus, Role, StoredState } from "../core/types.ts";
import { LifeRaft, type LifeRaftNode, type LifeRaftOptions } from "./liferaft.ts";
import { LifeRaftClock } from "./liferaft-clock.ts";
import type { RunnerDependencies } from "./ports.ts";
import { RaftError } from "./raft-error.ts";
import { RaftRunner, type RaftRunnerOptions } from "./raft-runner.ts";
import type { Position } from "./waiting-proposals.ts";

const STATES: { readonly [R in Role]: number } = {
  leader: LifeRaft.LEADER,
  candidate: LifeRaft.CANDIDATE,
  // It has not begun an election, it only asks whether it would win one.
  "pre-candidate": LifeRaft.FOLLOWER,
  follower: LifeRaft.FOLLOWER,
};

/**
 * A LifeRaft node whose consensus is ours (docs/adr/0014-raft.md). From the package come the peers (`join`,
 * `leave`, `message`), the timers, and its state with the events `term change`, `leader change`, `state change`,
 * `leader`, `follower`, `candidate`, `commit` and `end`. Its protocol is replaced, for it loses what was
 * acknowledged (plain-liferaft.test.ts shows how): nothing of its handler for `data`, of its votes and its log runs.
 */
export class AtlasRaft extends LifeRaft {
  readonly runner: RaftRunner;
  private readonly transport: RunnerDependencies["transport"];
  private readonly ownClock: LifeRaftClock | undefined;
  private ending: Promise<void> | undefined;

  /** `timersOfClock`: see `GroupMemberDependencies`. */
  constructor(
    options: RaftRunnerOptions,
    stored: StoredState,
    dependencies: RunnerDependencies & { readonly timersOfClock?: boolean | undefined },
  ) {
    super({ address: options.core.id });
    this.transport = dependencies.transport;
    const { events, clock, timersOfClock = false } = dependencies;
    if (!timersOfClock) this.ownClock = new LifeRaftClock(() => this.timers, clock);
    this.runner = new RaftRunner(options, stored, {
      ...dependencies,
      clock: this.ownClock ?? clock,
      // Through `message`, as everything that LifeRaft sends: by way of the peer's `write`.
      transport: { send: (message) => this.sendToPeer(message) },
      events: {
        onChange: (status) => {
          this.show(status);
          events?.onChange?.(status);
        },
        onMembers: (members) => {
          this.follow(members);
          events?.onMembers?.(members);
        },
        onApplied: (entries) => {
          events?.onApplied?.(entries);
          for (const entry of entries)
            if (entry.type === "command") this.emit("commit", entry.data, entry);
        },
        onFailed: (error) => {
          this.end();
          events?.onFailed?.(error);
        },
        ...(events?.onRetired && { onRetired: events.onRetired }),
      },
    });
    this.on("data", (message: RaftMessage) => this.runner.receive(message));
  }

  /** Loads the checkpoint and takes part from then on. */
  start(): Promise<void> {
    return this.runner.start();
  }

  /** Ends it, and waits until nothing of the log is in use any more. */
  async stop(): Promise<void> {
    this.end();
    await this.ending;
  }

  /** The package would install its protocol here, make its log and start its election timer. */
  override _initialize(_options: LifeRaftOptions): void {
    this.on("state change", (state: number) => {
      const name = LifeRaft.states[state];
      if (name !== undefined) this.emit(name.toLowerCase());
    });
    this.emit("initialize");
  }

  /** Peers are plain nodes of the package: a copy of this class would be a second member. */
  override clone(options: LifeRaftOptions): LifeRaftNode {
    return new LifeRaft(options);
  }

  /** The runner's ticks take the place of the package's heartbeat and election timers. */
  override heartbeat(): this {
    return this;
  }

  /** Starts an election at once; the package would also make itself a candidate. */
  override promote(): Promise<this> {
    this.runner.campaign();
    return Promise.resolve(this);
  }

  /**
   * Appends a command on the leader. The package resolves when it has written it itself; this resolves once it
   * is committed and applied. @throws RaftError (as a rejection)
   */
  override command(command: Uint8Array): Promise<Position> {
    return this.runner.submit(command);
  }

  /** The package's envelope; nothing of ours sends one. */
  override packet(type: string, data?: unknown): Promise<unknown> {
    const { address, leader, state, term } = this;
    return Promise.resolve({ address, data, leader, state, term, type });
  }

  override appendPacket(): Promise<unknown> {
    return Promise.reject(notOurs("appendPacket"));
  }

  override commitEntries(): Promise<void> {
    return Promise.reject(notOurs("commitEntries"));
  }

  override end(): boolean {
    this.ending ??= this.runner.stop();
    const ended = super.end();
    this.ownClock?.end();
    return ended;
  }

  /** Nodes of the package are the members; what the core answers to others, as one that is removed, goes past them. */
  private sendToPeer(message: RaftMessage): void {
    if (this.isPeer(message.to)) this.message(message.to, message);
    else this.transport.send(message);
  }

  private isPeer(id: string): boolean {
    return this.nodes.some(({ address }) => address === id);
  }

  private follow(members: Members): void {
    const wanted = new Set(allMembers(members));
    for (const id of wanted)
      if (id !== this.address && !this.isPeer(id))
        this.join(id, (message) => this.transport.send(message as RaftMessage));
    for (const { address } of [...this.nodes]) if (!wanted.has(address)) this.leave(address);
  }

  /** In this order no listener sees a role with the term before. */
  private show({ term, leader, role }: RaftStatus): void {
    this.change({ term, leader: leader ?? "", state: STATES[role] });
  }
}

function notOurs(method: string): RaftError {
  return new RaftError(
    "stopped",
    `${method} belongs to the package's own protocol, which is not used`,
  );
}
