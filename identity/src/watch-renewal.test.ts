import assert from "node:assert/strict";
import test from "node:test";
import { type LogFacts, type Logger, noopLogger, OperatingError } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import type { ObtainedIdentity } from "./obtain-identity.ts";
import { watchRenewal } from "./watch-renewal.ts";

const START = Date.UTC(2030, 0, 1);
const HOUR = 3_600_000;
const DAY = 24 * HOUR;

function identityOf(notBefore: number, days: number): ObtainedIdentity["identity"] {
  return {
    cluster: "c",
    role: "proxy",
    node: "p-1",
    certificate: `certificate of ${notBefore} for ${days}`,
    privateKey: "key",
    authorities: "ca",
    notBefore,
    notAfter: notBefore + days * DAY,
  };
}

function scene(days = 90) {
  const clock = new SimClock({ wallStart: START });
  const lines: { level: string; facts: LogFacts }[] = [];
  const log =
    (level: string) =>
    (_message: string, facts: LogFacts = {}) => {
      lines.push({ level, facts });
    };
  const logger: Logger = { ...noopLogger, warn: log("warn"), error: log("error") };
  const disk: { identity: ObtainedIdentity["identity"] } = { identity: identityOf(START, days) };
  const attempts: number[] = [];
  const taken: ObtainedIdentity[] = [];
  let answer = async (): Promise<ObtainedIdentity> => {
    disk.identity = identityOf(clock.wallTime(), days);
    return disk;
  };
  const watch = watchRenewal(
    { dir: "none", role: "proxy", node: "p-1", identity: disk.identity },
    {
      logger,
      clock,
      onRenewed: (obtained) => taken.push(obtained),
      source: {
        read: async () => disk,
        renew: () => {
          attempts.push((clock.wallTime() - START) / DAY);
          return answer();
        },
      },
    },
  );
  return {
    clock,
    lines,
    disk,
    attempts,
    taken,
    watch,
    answerWith: (next: typeof answer) => {
      answer = next;
    },
    // In steps, because no timer is longer than some weeks.
    pass: async (ms: number) => {
      for (let left = ms; left > 0; left -= DAY) await clock.elapse(Math.min(left, DAY), settle);
    },
  };
}

test("a certificate is renewed at two thirds of its life, and the next one likewise", async () => {
  const { attempts, taken, watch, lines, pass, clock } = scene();
  await pass(60 * DAY - 1);
  assert.deepEqual(attempts, []);
  await pass(1);
  assert.deepEqual(attempts, [60]);
  assert.equal(taken.length, 1);
  await pass(60 * DAY + 1);
  assert.deepEqual(attempts, [60, 120]);
  assert.deepEqual(lines, []);
  await watch.stop();
  assert.equal(clock.pending, 0);
});

test("what fails is tried again at growing distances, with the days left in the log", async () => {
  const { attempts, lines, taken, watch, answerWith, pass } = scene();
  let working = false;
  answerWith(async () => {
    if (working) return { identity: identityOf(START + 61 * DAY, 90) };
    throw new OperatingError("ca-unreachable", "nobody there", { hint: "look" });
  });
  await pass(61 * DAY);
  const waits = attempts.slice(1).map((at, n) => Math.round((at - (attempts[n] ?? 0)) * 1440));
  assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 360, 360]);
  assert.equal(lines.length, attempts.length);
  const [first] = lines;
  assert.equal(first?.level, "warn");
  assert.equal(first.facts["daysLeft"], 30);
  assert.equal(first.facts["hint"], "look");
  working = true;
  await pass(6 * HOUR);
  assert.equal(taken.length, 1);
  await watch.stop();
});

test("near the end it is tried more often, and after it the log says error", async () => {
  const { attempts, lines, watch, answerWith, pass } = scene(3);
  answerWith(() => Promise.reject(new Error("no")));
  await pass(3 * DAY - HOUR);
  const before = attempts.length;
  await pass(HOUR - 60_000);
  assert.ok(
    attempts.length - before >= 50,
    `${attempts.length - before} attempts in the last hour`,
  );
  assert.ok(lines.every(({ level }) => level === "warn"));
  await pass(3 * 60_000);
  assert.deepEqual([lines.at(-1)?.level, lines.at(-1)?.facts["daysLeft"]], ["error", 0]);
  await watch.stop();
});

test("a newer certificate that somebody put there is taken up, an older one is not", async () => {
  const { disk, attempts, taken, watch, pass } = scene();
  for (const older of [identityOf(START - 100 * DAY, 90), identityOf(START - DAY, 90)]) {
    disk.identity = older;
    await pass(DAY / 2);
    assert.equal(taken.length, 0);
  }
  disk.identity = identityOf(START + DAY, 90);
  await pass(HOUR);
  assert.deepEqual(taken, [{ identity: identityOf(START + DAY, 90) }]);
  await pass(60 * DAY);
  assert.deepEqual(attempts, [61]);
  await watch.stop();
});

test("certificates that are due as soon as they are issued do not make a loop", async () => {
  const { attempts, watch, answerWith, pass } = scene(3);
  answerWith(async () => ({
    identity: identityOf(START - 100 * DAY, 103 + attempts.length / 1e6),
  }));
  await pass(2 * DAY + 10 * 60_000);
  assert.ok(attempts.length >= 2 && attempts.length <= 11, `${attempts.length}`);
  await watch.stop();
});

test("a stop ends the attempt under way, and nothing comes after it", async () => {
  const { clock, attempts, lines, taken, watch, answerWith, pass } = scene();
  let reject: (error: Error) => void = () => undefined;
  answerWith(
    () =>
      new Promise((_, fail) => {
        reject = fail;
      }),
  );
  await pass(60 * DAY + 1);
  assert.equal(attempts.length, 1);
  const stopped = watch.stop();
  reject(new Error("given up"));
  await stopped;
  await watch.stop();
  assert.deepEqual([lines.length, taken.length, clock.pending], [0, 0, 0]);
});
