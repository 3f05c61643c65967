import assert from "node:assert/strict";
import { type Disk, noopLogger, OperatingError } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimDisk, type SimDiskFaults } from "@atlasnet/core/sim";
import type { Entry } from "../../raft/core/types.ts";
import type { Save, Stored } from "../wal-options.ts";
import { WriteAheadLog } from "../write-ahead-log.ts";
import {
  EMPTY_LOG,
  hashOf,
  type LogVersion,
  nextHash,
  replaced,
  stateOf,
  truncated,
  withEntries,
} from "./log-model.ts";

export interface WalPlan {
  readonly seed: number;
  readonly faults?: SimDiskFaults;
  /** Planted errors: the disk as a wrong log would use it. */
  readonly plant?: (disk: Disk) => Disk;
  /** Bytes are damaged between two lives. */
  readonly damage?: boolean;
}

const LIVES = 6;
const ACTIONS = 40;
const DIR = "/log";
const FOREIGN_TERM = 1_000_000;
const MEMBERS = { voters: ["a", "b", "c"], learners: [], incarnations: {} };

/**
 * A log that lives, crashes and is opened, again and again, on a simulated disk under a seed. Checked
 * at every opening: what it holds is what was saved up to a save, and no acknowledged save is behind
 * that one. A damaged log may be refused, but then by name.
 */
export class WalSimulation {
  private readonly plan: WalPlan;
  private readonly random: SeededRandom;
  private readonly clock = new SimClock();
  private readonly disk: SimDisk;
  /** The log after each save since the last opening; `acknowledged` is the newest that is durable. */
  private versions: LogVersion[] = [EMPTY_LOG];
  private acknowledged = 0;
  /** Entries up to here are never truncated. */
  private commit = 0;
  private checkpointIndex = 0;
  private durableCheckpoint = 0;
  private incarnation: number | undefined;
  private life = 0;
  /** Openings that found something, refusals, and acknowledged saves: that it tested anything. */
  readonly seen = { opened: 0, refused: 0, saved: 0, checkpoints: 0, failed: 0 };

  constructor(plan: WalPlan) {
    this.plan = plan;
    this.random = new SeededRandom(plan.seed);
    const slow = this.random.float() < 0.5;
    const latency = (): Promise<void> =>
      new Promise((resolve) => this.clock.setTimer(this.random.float() * (slow ? 40 : 2), resolve));
    this.disk = new SimDisk({}, { random: this.random, latency });
  }

  async run(): Promise<void> {
    for (let life = 0; life < LIVES; life++) {
      if (this.random.float() < 0.3) await this.dieAtStart();
      if (this.plan.damage === true) await this.openDamaged();
      const log = await this.openGood();
      this.disk.setFaults(this.plan.faults ?? {});
      await this.live(log);
      this.disk.setFaults({});
    }
    await this.openGood();
  }

  private open(): Promise<{ log: WriteAheadLog; stored: Stored }> {
    const disk = this.disk.process();
    const { clock, random } = this;
    return WriteAheadLog.open(
      {
        dir: DIR,
        identity: { cluster: "sim", node: "a" },
        create: this.life === 0,
        segmentBytes: 16 * 1024,
        maxGroupBytes: 4 * 1024,
      },
      { disk: this.plan.plant?.(disk) ?? disk, clock, logger: noopLogger, random },
    );
  }

  private async openGood(): Promise<WriteAheadLog> {
    const { log, stored } = await this.clock.drive(this.open(), settle);
    await this.clock.drive(this.check(log, stored), settle);
    this.seen.opened++;
    this.writing = false;
    return log;
  }

  private async dieAtStart(): Promise<void> {
    // A failed start may have counted: lives only grow.
    const dead = this.open().catch(() => undefined);
    this.disk.setFaults(this.plan.faults ?? {});
    await this.clock.elapse(this.random.float() * 300, settle);
    this.crash();
    this.disk.setFaults({});
    void dead;
  }

  private async check(log: WriteAheadLog, stored: Stored): Promise<void> {
    assert.equal(log.identity.incarnation, this.incarnation ?? log.identity.incarnation);
    this.incarnation = log.identity.incarnation;
    assert.ok(log.life > this.life, `life ${log.life} after ${this.life}`);
    this.life = log.life;
    const { checkpoint, entries } = stored;
    const base = checkpoint?.index ?? 0;
    const reader = await log.readCheckpoint();
    assert.equal(reader?.checkpoint.index, checkpoint?.index);
    let hash = "empty";
    if (reader !== undefined) {
      const chunks: Uint8Array[] = [];
      for await (const chunk of reader.chunks()) chunks.push(Uint8Array.from(chunk));
      reader.close();
      hash = hashOf(Buffer.concat(chunks));
      assert.deepEqual(reader.checkpoint.members, MEMBERS);
    }
    const baseHash = hash;
    for (const [i, entry] of entries.entries()) {
      assert.equal(entry.index, base + 1 + i, "entries have gaps");
      hash = nextHash(hash, entry);
    }
    const last = base + entries.length;
    const found = this.versions.findIndex(
      (version, i) =>
        i >= this.acknowledged &&
        version.lastIndex === last &&
        version.hashes.get(last) === hash &&
        version.hashes.get(base) === baseHash &&
        version.hardState.term === stored.hardState.term &&
        version.hardState.vote === stored.hardState.vote,
    );
    const wanted = this.versions[this.acknowledged];
    assert.ok(
      found >= 0,
      `${stored.hardState.term}/${stored.hardState.vote}/${last} after checkpoint ${base} is none of ` +
        `the ${this.versions.length - this.acknowledged} from ${wanted?.hardState.term}/${wanted?.lastIndex} on`,
    );
    if (this.plan.damage !== true)
      assert.ok(base >= this.durableCheckpoint, `checkpoint ${this.durableCheckpoint} is lost`);
    this.versions = this.versions.slice(found, found + 1);
    this.acknowledged = 0;
    this.checkpointIndex = this.durableCheckpoint = base;
  }

  /** Damages bytes or removes a file; opens if it can, and else mends it. */
  private async openDamaged(): Promise<void> {
    const disk = this.disk.process();
    const names = await this.clock.drive(
      disk.list(DIR).catch(() => []),
      settle,
    );
    const name = names[this.random.int(0, Math.max(0, names.length - 1))];
    if (name === undefined) return;
    const path = `${DIR}/${name}`;
    const size = (await this.clock.drive(disk.read(path), settle)).length;
    if (size === 0) return;
    // Near the beginning, where headers and frames are, more often than in the zeros behind.
    const places = Array.from({ length: this.random.int(1, 3) }, () =>
      this.random.int(0, Math.floor((size - 1) * this.random.float() ** 2)),
    );
    const unique = [...new Set(places)];
    for (const at of unique) this.disk.damage(path, at);
    try {
      const { log, stored } = await this.clock.drive(this.open(), settle);
      await this.clock.drive(this.check(log, stored), settle);
      await this.clock.drive(log.close(), settle);
    } catch (error) {
      if (!(error instanceof OperatingError)) throw error;
      assert.match(error.code, /^wal-(damaged|incomplete|newer-format)$/);
      assert.ok(error.hint !== undefined);
      this.seen.refused++;
      for (const at of unique) this.disk.damage(path, at);
    }
  }

  private async live(log: WriteAheadLog): Promise<void> {
    const running: Promise<unknown>[] = [];
    const begin = (work: Promise<unknown>) =>
      running.push(
        work.catch((error: unknown) => {
          // What the disk refuses is expected, and nothing counts by it.
          if (!(error instanceof OperatingError)) throw error;
          this.seen.failed++;
        }),
      );
    for (let action = 0; action < ACTIONS; action++) {
      const dice = this.random.float();
      if (dice < 0.04) begin(this.checkpoint(log));
      else if (dice < 0.06) begin(this.install(log));
      else if (dice < 0.65) begin(this.save(log, this.someSave()));
      else await this.clock.elapse(this.random.float() * 60, settle);
      if (dice > 0.98) return this.crash();
    }
    if (this.random.float() < 0.5) return this.crash();
    await this.clock.drive(Promise.all(running), settle);
    await this.clock.drive(log.close(), settle);
    this.crash();
  }

  private crash(): void {
    this.disk.crash(this.random.float() < 0.5 ? "power" : "process");
  }

  private newest(): LogVersion {
    return this.versions.at(-1) ?? EMPTY_LOG;
  }

  private someSave(): { save: Save; after: LogVersion } {
    let after = this.newest();
    const save: { -readonly [K in keyof Save]: Save[K] } = {};
    if (this.random.float() < 0.3) {
      const term = after.hardState.term + this.random.int(0, 2);
      save.hardState = { term, vote: ["", "a", "node-b"][this.random.int(0, 2)] ?? "" };
      after = { ...after, hardState: save.hardState };
    }
    if (this.random.float() < 0.1 && after.lastIndex > this.commit) {
      save.truncateFrom = this.random.int(this.commit + 1, after.lastIndex);
      after = truncated(after, save.truncateFrom);
    }
    save.entries = this.someEntries(after);
    return { save, after: withEntries(after, save.entries) };
  }

  private someEntries({ hardState, lastIndex }: LogVersion): Entry[] {
    return Array.from({ length: this.random.int(0, 3) }, (_, i) => {
      // Zeros at times: they must not pass for sectors that were never written.
      const length = this.random.float() < 0.1 ? 3_000 : this.random.int(0, 200);
      const zeros = this.random.float() < 0.3;
      const data = zeros ? new Uint8Array(length) : this.random.bytes(length);
      return { term: hardState.term, index: lastIndex + 1 + i, type: "command", data };
    });
  }

  private async save(
    log: WriteAheadLog,
    { save, after }: { save: Save; after: LogVersion },
  ): Promise<void> {
    this.versions.push(after);
    for (const { index, term } of save.entries ?? [])
      this.terms.set(index, { term, hash: after.hashes.get(index) ?? "" });
    const { versions } = this;
    const number = versions.length - 1;
    await log.save(save);
    assert.equal(versions, this.versions, "a save of a dead process was acknowledged");
    assert.ok(number >= this.acknowledged, "acknowledged out of order");
    this.acknowledged = number;
    this.seen.saved++;
    // Committed is what nobody may truncate, now and in what is under way.
    const least = Math.min(...versions.slice(number).map(({ lastIndex }) => lastIndex));
    if (this.random.float() < 0.5) this.commit = Math.max(this.commit, least);
  }

  /** A checkpoint of our own, at a committed index. */
  private async checkpoint(log: WriteAheadLog): Promise<void> {
    const index = this.random.int(Math.min(this.checkpointIndex + 1, this.commit), this.commit);
    const hash = this.newest().hashes.get(index);
    if (hash === undefined || index <= this.checkpointIndex || this.writing) return;
    const stored = await this.write(log, index, hash);
    if (stored === undefined || index <= this.checkpointIndex) return;
    this.checkpointIndex = index;
    await this.save(log, { save: { checkpoint: stored }, after: this.newest() });
    this.durableCheckpoint = Math.max(this.durableCheckpoint, index);
    this.seen.checkpoints++;
  }

  /** A checkpoint from the leader: beyond our log, or at an entry that our log has otherwise. */
  private async install(log: WriteAheadLog): Promise<void> {
    if (this.writing) return;
    const hash = Buffer.from(this.random.bytes(20)).toString("hex");
    const { lastIndex } = this.newest();
    const within = this.random.float() < 0.5 && lastIndex > this.commit;
    const index = within
      ? this.random.int(this.commit + 1, lastIndex)
      : lastIndex + this.random.int(20, 60);
    const stored = await this.write(log, index, hash);
    const before = this.newest();
    const { commit, checkpointIndex } = this;
    if (stored === undefined || index <= Math.max(commit, checkpointIndex)) return;
    if (!within && index <= before.lastIndex) return;
    const truncateFrom = index < before.lastIndex ? index + 1 : undefined;
    let after = replaced(before, index, hash);
    this.checkpointIndex = this.commit = index;
    const entries = this.someEntries(after);
    after = withEntries(after, entries);
    await this.save(log, { save: { truncateFrom, checkpoint: stored, entries }, after });
    this.durableCheckpoint = Math.max(this.durableCheckpoint, index);
    this.seen.checkpoints++;
  }

  private writing = false;
  /** Term and hash of the newest entry of each index: checkpoints of our own name them. */
  private readonly terms = new Map<number, { term: number; hash: string }>();

  private async write(log: WriteAheadLog, index: number, hash: string) {
    const size = this.random.float() < 0.1 ? 300_000 : this.random.int(0, 500);
    // The leader's has a term that no entry of ours has.
    const own = this.terms.get(index);
    const term = own?.hash === hash ? own.term : FOREIGN_TERM;
    const writer = log.beginCheckpoint({ index, term, members: MEMBERS });
    this.writing = true;
    try {
      const state = stateOf(hash, Math.max(1, size));
      await writer.write(state.subarray(0, size / 3));
      await writer.write(state.subarray(size / 3));
      if (this.random.float() < 0.1) {
        await writer.abort();
        return undefined;
      }
      return await writer.finish();
    } catch (error) {
      await writer.abort().catch((cause: unknown) => {
        if (!(cause instanceof OperatingError)) throw cause;
      });
      throw error;
    } finally {
      this.writing = false;
    }
  }
}

export type WalSeen = WalSimulation["seen"];

/** Runs seeds until one fails; what was seen in all of them, or the failure with its seed. */
export async function simulateWal(
  seeds: number,
  plan: Omit<WalPlan, "seed">,
  firstSeed = 1,
): Promise<WalSeen> {
  const total = { opened: 0, refused: 0, saved: 0, checkpoints: 0, failed: 0 };
  for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
    const simulation = new WalSimulation({ ...plan, seed });
    try {
      await simulation.run();
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      throw new Error(`seed ${seed}: ${message}`, { cause: error });
    }
    total.opened += simulation.seen.opened;
    total.refused += simulation.seen.refused;
    total.saved += simulation.seen.saved;
    total.checkpoints += simulation.seen.checkpoints;
    total.failed += simulation.seen.failed;
  }
  return total;
}
