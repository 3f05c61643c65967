import assert from "node:assert/strict";
import { test } from "node:test";
import { LinkError } from "../link/link-error.ts";
import { type LogFacts, noopLogger } from "../logging/logger.ts";
import { SeededRandom } from "../sim/seeded-random.ts";
import { SimClock } from "../sim/sim-clock.ts";
import type { FoundApiservers } from "./control-plane-discovery.ts";
import { ApiserverTie } from "./control-plane-tie.ts";
import { settle } from "./settle.ts";

const found = (...addresses: readonly string[]): FoundApiservers => ({
  cluster: "play",
  apiservers: addresses.map((address, index) => ({ node: `api-${index + 1}`, address })),
  localAddress: "10.0.0.9",
});

/** Apiservers whose HTTP APIs answer as the map says, and whose links nobody takes. */
function scene(answers: Map<string, FoundApiservers>) {
  const clock = new SimClock();
  const asked: string[] = [];
  const warned: LogFacts[] = [];
  const dialled: string[] = [];
  const tie = new ApiserverTie(
    { urls: ["http://a:1", "http://b:1"], cluster: "play", software: "test" },
    {
      network: {
        connect: (node) => {
          dialled.push(node);
          return Promise.reject(new LinkError("unreachable", "nobody is there", node));
        },
      },
      clock,
      random: new SeededRandom(1),
      logger: { ...noopLogger, warn: (_message, facts = {}) => warned.push(facts) },
      find: async (url) => {
        asked.push(url);
        const answer = answers.get(url);
        if (answer === undefined) throw new Error("connection refused");
        return answer;
      },
      authorities: () => "",
    },
  );
  const elapse = (ms: number) => clock.elapse(ms, settle);
  return { tie, clock, asked, warned, dialled, elapse };
}

test("the first apiserver that answers says where all of them take links", async () => {
  const { tie, asked, dialled, elapse } = scene(
    new Map([["http://b:1", found("10.0.0.1:2556", "[fd00::2]:2557", "nonsense")]]),
  );
  await tie.start();
  assert.deepEqual(asked, ["http://a:1", "http://b:1"]);
  assert.deepEqual(tie.lookup("api-1"), { host: "10.0.0.1", port: 2556, role: "apiserver" });
  assert.deepEqual(tie.lookup("api-2"), { host: "fd00::2", port: 2557, role: "apiserver" });
  assert.equal(tie.lookup("api-3"), undefined);
  assert.equal(tie.lookup("gs-1"), undefined);
  assert.equal(tie.localAddress, "10.0.0.9");
  await elapse(1000);
  assert.ok(dialled.includes("api-1") && dialled.includes("api-2"));
  assert.match(tie.problem ?? "", /no link to api-1, api-2/);
  tie.stop();
});

test("while nobody answers it waits, says so once, and goes on when somebody does", async () => {
  const answers = new Map<string, FoundApiservers>();
  const { tie, asked, warned, elapse, clock } = scene(answers);
  const starting = tie.start();
  await elapse(60_000);
  assert.ok(asked.length > 40 && asked.length < 200, `${asked.length}`);
  assert.equal(warned.length, 1);
  assert.match(
    tie.problem ?? "",
    /no apiserver answers \(http:\/\/a:1: connection refused; http:\/\/b:1: /,
  );
  answers.set("http://a:1", found("10.0.0.1:2556"));
  await clock.drive(starting, settle);
  assert.ok(tie.lookup("api-1") !== undefined);
  tie.stop();
});

test("apiservers that moved, and others than before, are found while there is no link", async () => {
  const answers = new Map([["http://a:1", found("10.0.0.1:2556")]]);
  const { tie, elapse, dialled } = scene(answers);
  await tie.start();
  answers.set("http://a:1", found("10.0.7.1:2556", "10.0.7.2:2556"));
  await elapse(10_000);
  assert.equal(tie.lookup("api-1")?.host, "10.0.7.1");
  assert.ok(dialled.includes("api-2"));
  tie.stop();
});

test("only apiservers of another cluster are an error at the start, later a problem", async () => {
  const foreign = { ...found("10.0.0.1:2556"), cluster: "other" };
  const both = new Map([
    ["http://a:1", foreign],
    ["http://b:1", foreign],
  ]);
  await assert.rejects(scene(both).tie.start(), {
    code: "wrong-cluster",
    message: /of the cluster play \(http:\/\/a:1: it is of the cluster other/,
  });
  const answers = new Map([
    ["http://a:1", foreign],
    ["http://b:1", found("10.0.0.1:2556")],
  ]);
  const { tie, elapse } = scene(answers);
  await tie.start();
  answers.set("http://b:1", foreign);
  await elapse(10_000);
  assert.match(tie.problem ?? "", /it is of the cluster other/);
  tie.stop();
});

test("a stop ends the waiting", async () => {
  const { tie, elapse } = scene(new Map());
  const refused = assert.rejects(tie.start(), { code: "stopped" });
  await elapse(1000);
  tie.stop();
  await refused;
});
