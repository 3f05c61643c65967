import { noopLogger } from "@atlasnet/core";
import { SeededRandom, SimClock, SimDisk, SimNetwork } from "@atlasnet/core/sim";
import type { Entry } from "../../core/types.ts";
import { pause } from "../pace.ts";
import { RaftError } from "../raft-error.ts";
import { apiserver } from "./test-group.ts";
import { TestMember } from "./test-member.ts";

const IDS = ["a", "b", "c"];
const CLIENTS = 4;
const TROUBLE_MS = 6_000;
/** Elections take a second at most when nothing is in the way. */
const HEALED_MS = 20_000;

export interface SimResult {
  readonly acknowledged: number;
  readonly unknown: number;
  readonly crashes: number;
  readonly installs: number;
  readonly reads: number;
  readonly failedSyncs: number;
  readonly entries: number;
}

/** What must not happen. */
export class SimViolation extends Error {
  constructor(seed: number, what: string) {
    super(`seed ${seed}: ${what}`);
    this.name = "SimViolation";
  }
}

/**
 * A group of three with its logs, links and questions to the leader under one seed: crashes in the middle of
 * anything, power losses, failing syncs, slow disks, cuts one way and both, transfers, checkpoints all the time.
 * What was acknowledged must be applied everywhere, once, in one order; a read sees what was acknowledged before it.
 */
export class SimGroup {
  readonly clock = new SimClock();
  private readonly seed: number;
  private readonly random: SeededRandom;
  private readonly network: SimNetwork;
  private readonly disks: ReadonlyMap<string, SimDisk>;
  private readonly members = new Map<string, TestMember>();
  private readonly lives = new Map<string, number>();
  /** By index: what was applied there, wherever it was first. */
  private readonly applied: string[] = [];
  private readonly acknowledged: string[] = [];
  private readonly counts = { unknown: 0, crashes: 0, installs: 0, reads: 0, failedSyncs: 0 };
  private violation: SimViolation | undefined;
  private over = false;
  private commands = 0;

  constructor(seed: number) {
    this.seed = seed;
    this.random = new SeededRandom(seed);
    const { clock, random } = this;
    this.network = new SimNetwork(
      { idleTimeoutMs: 800, connectTimeoutMs: 200, maxDelayMs: random.int(1, 30) },
      { clock, random: random.fork("network") },
    );
    this.disks = new Map(
      IDS.map((id) => {
        const own = random.fork(`disk ${id}`);
        const latency = () => pause(clock, own.float() < 0.01 ? own.int(0, 150) : own.float() * 2);
        return [id, new SimDisk({}, { random: own, latency })];
      }),
    );
  }

  /** To be driven by the clock. @throws SimViolation */
  async run(): Promise<SimResult> {
    for (const id of IDS) this.start(id);
    const clients = Array.from({ length: CLIENTS }, (_, at) => this.client(at));
    await this.trouble();
    this.over = true;
    await Promise.all(clients);
    await this.heal();
    this.check();
    if (this.violation) throw this.violation;
    const { acknowledged, applied, counts } = this;
    return { ...counts, acknowledged: acknowledged.length, entries: applied.length };
  }

  private start(id: string): void {
    const life = (this.lives.get(id) ?? 0) + 1;
    this.lives.set(id, life);
    const disk = this.disks.get(id);
    if (disk === undefined) throw new Error(`no disk ${id}`);
    disk.setFaults({});
    const { clock, random } = this;
    TestMember.start(
      {
        id,
        dir: `/${id}`,
        firstVoters: IDS,
        bare: true,
        core: { trailingBytes: 200, chunkBytes: 256, maxBatchEntries: 8 },
        runner: { checkpointEntries: random.int(10, 60), requestTimeoutMs: 700 },
        onApplied: (entries) => this.note(id, entries),
      },
      {
        clock,
        random: random.fork(`${id} ${life}`),
        logger: noopLogger,
        disk: disk.process(),
        network: this.network.node(apiserver(id)),
      },
    ).then(
      (member) => {
        if (this.lives.get(id) === life) this.members.set(id, member);
        else this.drop(member);
      },
      (error: unknown) => this.fault(`${id} did not start: ${String(error)}`),
    );
  }

  private drop(member: TestMember): void {
    this.counts.installs += member.machine.installs;
    member.cut().catch((error: unknown) => this.fault(String(error)));
  }

  private crash(id: string, kind: "power" | "process"): void {
    this.counts.crashes++;
    this.lives.set(id, (this.lives.get(id) ?? 0) + 1);
    this.disks.get(id)?.crash(kind);
    this.network.kill(id);
    const member = this.members.get(id);
    this.members.delete(id);
    if (member) this.drop(member);
    this.clock.setTimer(this.random.int(10, 900), () => this.start(id));
  }

  private async trouble(): Promise<void> {
    const { clock, random } = this;
    while (clock.now() < TROUBLE_MS) {
      await pause(clock, random.int(50, 500));
      const id = IDS[random.int(0, 2)] ?? "a";
      const other = IDS[random.int(0, 2)] ?? "a";
      const member = this.members.get(id);
      switch (random.int(0, 8)) {
        case 0:
        case 1:
          if (member) this.crash(id, "process");
          break;
        case 2:
          if (member) this.crash(id, "power");
          break;
        case 3:
          if (id !== other) this.network.cut(id, other, { oneWay: random.float() < 0.5 });
          break;
        case 4:
          for (const any of IDS) if (any !== id) this.network.cut(id, any);
          break;
        case 5:
          member?.runner.transferLeadership(other).catch(refused);
          break;
        case 6:
          if (member) this.failSyncs(id, member);
          break;
        default:
          this.network.healAll();
      }
    }
  }

  /** The next sync fails: the member must stop by itself, and comes back as a new process. */
  private failSyncs(id: string, member: TestMember): void {
    this.disks.get(id)?.setFaults({ syncError: 1 });
    this.clock.setTimer(300, () => {
      if (this.members.get(id) !== member) return;
      if (member.failure !== undefined) this.counts.failedSyncs++;
      this.crash(id, "power");
    });
  }

  private async client(number: number): Promise<void> {
    const { clock, random } = this;
    while (!this.over) {
      await pause(clock, random.int(1, 40));
      const member = this.members.get(IDS[random.int(0, 2)] ?? "a");
      if (member === undefined) continue;
      if (random.float() < 0.2) await this.read(member);
      else await this.write(member, `${number}/${this.commands++}`);
    }
  }

  private async write(member: TestMember, command: string): Promise<void> {
    try {
      await member.submit(command);
      this.acknowledged.push(command);
    } catch (error) {
      refused(error);
      if (error instanceof RaftError && error.code === "unknown") this.counts.unknown++;
    }
  }

  private async read(member: TestMember): Promise<void> {
    const before = this.acknowledged.length;
    try {
      await member.client.barrier();
    } catch (error) {
      refused(error);
      return;
    }
    this.counts.reads++;
    const seen = new Set(member.machine.commands);
    for (const command of this.acknowledged.slice(0, before))
      if (!seen.has(command)) this.fault(`a read on ${member.id} does not see ${command}`);
  }

  private async heal(): Promise<void> {
    const { clock } = this;
    this.network.healAll();
    const deadline = clock.now() + HEALED_MS;
    const settled = () => {
      const ends = IDS.map((id) => this.members.get(id)?.machine);
      const [first] = ends;
      return (
        first?.commands.at(-1) === "end" &&
        ends.every((machine) => machine?.lastIndex === first.lastIndex)
      );
    };
    while (!settled()) {
      if (clock.now() > deadline) this.fault("it does not get on after everything was healed");
      if (this.violation) return;
      await pause(clock, 50);
      const leader = [...this.members.values()].find(({ leads }) => leads);
      if (leader && leader.machine.commands.at(-1) !== "end") await this.write(leader, "end");
      // A disk that failed late.
      for (const [id, { failure }] of this.members)
        if (failure !== undefined) this.crash(id, "process");
    }
  }

  /** One history: nobody ever applied something else at an index, or the same entry in another place. */
  private note(id: string, entries: readonly Entry[]): void {
    for (const { index, term, data } of entries) {
      const what = `${term} ${new TextDecoder().decode(data)}`;
      const known = this.applied[index];
      if (known === undefined) this.applied[index] = what;
      else if (known !== what) this.fault(`${id} applied "${what}" at ${index}, not "${known}"`);
    }
  }

  private check(): void {
    for (const id of IDS) {
      const commands = this.members.get(id)?.machine.commands ?? [];
      const times = new Map<string, number>();
      for (const command of commands) times.set(command, (times.get(command) ?? 0) + 1);
      for (const command of this.acknowledged)
        if (command !== "end" && times.get(command) !== 1)
          this.fault(
            `${command} was acknowledged and is on ${id} ${times.get(command) ?? 0} times`,
          );
      this.counts.installs += this.members.get(id)?.machine.installs ?? 0;
    }
  }

  /** Kept, for who throws in here may be a member, and would only stop itself. */
  private fault(what: string): void {
    this.violation ??= new SimViolation(this.seed, what);
  }
}

/** An answer that a client has to live with. */
function refused(error: unknown): void {
  if (!(error instanceof RaftError)) throw error;
}
