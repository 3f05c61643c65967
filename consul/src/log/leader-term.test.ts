import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { type Fate, MemoryKv } from "../testing/memory-kv.ts";
import type { LogEntry } from "./entry.ts";
import { LogKeys } from "./keys.ts";
import { isPassing, LeaderTerm, readHead, Superseded } from "./leader-term.ts";
import { Replica } from "./replica.ts";
import { pause } from "./retrying.ts";

const keys = new LogKeys("atlasnet/games");

/** Two processes that both believe to lead, now and then, over a store that loses requests and answers. */
class Pair {
  readonly clock = new SimClock();
  readonly kv: MemoryKv;
  readonly random: SeededRandom;
  readonly logs: LogEntry[][] = [[], []];
  readonly replicas: Replica[];
  /** Commands that a leader was told are committed: those it applied by itself, in its own term. */
  readonly proposed: { node: number; index: number; term: number; text: string }[] = [];

  constructor(seed: number, fate: (random: SeededRandom) => Fate) {
    this.random = new SeededRandom(seed);
    this.kv = new MemoryKv(() => fate(this.random));
    this.replicas = this.logs.map((log) => {
      const machine = {
        apply: (entries: readonly LogEntry[]) => void log.push(...entries),
        freeze: () => [],
        beginInstall: () => assert.fail("there is no checkpoint"),
      };
      return new Replica({ agent: this.kv, keys, machine });
    });
  }

  /** One leads, writes, and ends by the signal or because the other one wrote. */
  async lead(node: number, writes: number): Promise<void> {
    const end = new AbortController();
    const { clock, random, kv } = this;
    const lost = (error: unknown) => {
      assert.ok(error instanceof Superseded, String(error));
      end.abort(error);
    };
    try {
      const term = await LeaderTerm.begin(
        { node: `api-${node}`, cluster: "games" },
        {
          ...{ agent: kv, keys, clock, random, logger: noopLogger, signal: end.signal },
          replica: this.replicas[node] ?? assert.fail(),
        },
        lost,
      );
      for (let i = 0; i < writes && !end.signal.aborted; i++) {
        const text = `${node}-${term.term}-${i}${i % 5 === 0 ? "x".repeat(200_000) : ""}`;
        const index = term.propose(Buffer.from(text));
        if (index !== undefined) this.proposed.push({ node, index, term: term.term, text });
        if (random.float() < 0.5) await pause(clock, 1, end.signal);
      }
      await term.settled();
    } catch (error) {
      if (!end.signal.aborted) throw error;
    }
  }

  /** Both read all there is, once nothing is lost any more. */
  async catchUp(): Promise<void> {
    const { signal } = new AbortController();
    for (const replica of this.replicas) {
      let done = false;
      while (!done) {
        try {
          const read = await readHead(this.kv, keys, signal);
          done = read !== undefined && (await replica.advance(read.head));
        } catch (error) {
          if (!isPassing(error)) throw error;
          await pause(this.clock, 1, signal);
        }
      }
    }
  }
}

const fates: { readonly [name: string]: (random: SeededRandom) => Fate } = {
  "every answer comes": () => "answered",
  "answers are lost": (random) => (random.float() < 0.3 ? "unanswered" : "answered"),
  "requests and answers are lost": (random) => {
    const chance = random.float();
    return chance < 0.25 ? "lost" : chance < 0.5 ? "unanswered" : "answered";
  },
};

describe("terms of leadership that overlap", () => {
  for (const [name, fate] of Object.entries(fates))
    test(`one log, every command at most once, nothing lost of a term that went on: ${name}`, async () => {
      for (let seed = 1; seed <= 12; seed++) {
        const pair = new Pair(seed, fate);
        await pair.clock.drive(
          Promise.all([pair.lead(0, 12), pair.lead(1, 12)]).then(() => pair.lead(seed % 2, 6)),
          settle,
        );
        await pair.clock.drive(pair.catchUp(), settle);
        const [one = [], other = []] = pair.logs;
        const shown = (log: readonly LogEntry[]) =>
          log.map(({ index, term, data }) => `${index} ${term} ${Buffer.from(data).toString()}`);
        assert.deepEqual(shown(one), shown(other), `seed ${seed}`);
        assert.deepEqual(
          one.map(({ index }) => index),
          one.map((_, at) => at + 1),
        );
        const terms = one.map(({ term }) => term);
        assert.deepEqual(
          terms,
          [...terms].sort((a, b) => a - b),
        );
        // What stands at an index in the term it was proposed in is what was proposed.
        for (const { index, term, text } of pair.proposed) {
          const entry = one[index - 1];
          if (entry?.term !== term) continue;
          assert.equal(Buffer.from(entry.data).toString(), text, `seed ${seed}`);
        }
        // The last one led alone: all of it is there.
        const last = Math.max(...pair.proposed.map(({ term }) => term));
        for (const { index, term } of pair.proposed)
          if (term === last) assert.equal(one[index - 1]?.term, last, `seed ${seed}`);
        const commands = shown(one.filter(({ type }) => type === "command")).map((line) =>
          line.split(" ").slice(2).join(" "),
        );
        assert.equal(new Set(commands).size, commands.length, `seed ${seed}`);
      }
    });
});
