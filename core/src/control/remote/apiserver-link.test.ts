import assert from "node:assert/strict";
import { test } from "node:test";
import { callCode, TakenCalls } from "../../link/calls.ts";
import type { Link } from "../../link/link.ts";
import { noopLogger } from "../../logging/logger.ts";
import { settle } from "../../node/settle.ts";
import { SeededRandom } from "../../sim/seeded-random.ts";
import { SimClock } from "../../sim/sim-clock.ts";
import { SimNetwork } from "../../sim/sim-link.ts";
import { CONTROL_CHANNEL, NODES_GROUP } from "../../wire/group-messages.ts";
import { ControlError } from "../control-error.ts";
import { ApiserverLink, type ApiserverLinkOptions } from "./apiserver-link.ts";
import { helloAnswer, helloRequest, membersAnswer, nothing } from "./control-call-codec.ts";
import { encodeRefusal } from "./refusal.ts";

const NO_BYTES = new Uint8Array(0);
const leader = { node: "api-2", term: 3 };

/** What an apiserver does with a question besides hello and members. */
interface FakeApiserver {
  refuses?: boolean;
  /** Takes questions and does not answer. */
  hangs?: boolean;
  /** Answers so late to a hello and to a ping. */
  slowMs?: number;
  /** And so late to a ping alone. */
  slowPingMs?: number;
}

function scene(options: Partial<ApiserverLinkOptions> = {}) {
  const clock = new SimClock();
  const random = new SeededRandom("links");
  const network = new SimNetwork({}, { clock, random });
  const told: string[] = [];
  const during = { disconnected: () => {} };
  const links: Link[] = [];
  const serve = async (node: string, fake: FakeApiserver = {}) => {
    await network.node({ role: "apiserver", node }).listen((link) => {
      links.push(link);
      const channel = link.channel(CONTROL_CHANNEL);
      const taken = new TakenCalls({ group: NODES_GROUP, maxRunning: 10 });
      channel.onMessage((message) => {
        if (message.type !== "call") return;
        const { method } = message;
        taken.take(channel, message, async (body) => {
          if (fake.refuses) return encodeRefusal(new ControlError("forbidden", `${node}: no`));
          if (fake.hangs) return await new Promise(() => {});
          const { slowMs = 0, slowPingMs = slowMs } = fake;
          const lateMs = method === "ping" ? slowPingMs : method === "hello" ? slowMs : 0;
          if (lateMs > 0) await new Promise<void>((resolve) => clock.setTimer(lateMs, resolve));
          if (method === "hello") {
            assert.equal(helloRequest.decode(body).software, "test");
            const hello = { version: 1, cluster: "c", node, software: "fake", leader };
            return { code: "ok", body: helloAnswer.encode(hello) };
          }
          if (method === "ping") return { code: "ok", body: nothing.encode({}) };
          if (method !== "members") return callCode(method);
          const members = [{ node: "api-2", address: "10.0.0.2:2556" }];
          return { code: "ok", body: membersAnswer.encode({ members }) };
        });
      });
    });
    return fake;
  };
  const link = new ApiserverLink(
    { apiservers: ["api-1"], software: "test", ...options },
    {
      network: network.node({ role: "proxy", node: "p" }),
      ...{ clock, random, logger: noopLogger },
      events: {
        connected: ({ node }) => told.push(`+${node}`),
        disconnected: (node) => {
          told.push(`-${node}`);
          during.disconnected();
        },
        refused: ({ message }) => told.push(message),
        members: (members) => told.push(members.map(({ address }) => address).join()),
      },
    },
  );
  const pass = (ms: number) => clock.elapse(ms, settle);
  const linkedTo = () => link.connected?.node;
  return { clock, network, link, linkedTo, links, told, during, serve, pass };
}

test("links to one that answers, says what it heard, and goes to another when it is gone", async () => {
  const { link, linkedTo, links, network, told, serve, pass } = scene();
  assert.equal((await link.ask("x", NO_BYTES, 100)).code, "unreachable");
  await serve("api-1");
  await serve("api-2");
  const leaders: unknown[] = [];
  link.onConnected((known) => leaders.push(known));
  link.start();
  link.start();
  await pass(100);
  assert.equal(linkedTo(), "api-1");
  assert.deepEqual(told, ["+api-1", "10.0.0.2:2556"]);
  const asked = link.ask("x", NO_BYTES, 100);
  await pass(50);
  assert.equal((await asked).code, "x");
  links[0]?.close({ code: "closed" });
  await pass(100);
  assert.deepEqual(told.slice(2), ["-api-1", "+api-2", "10.0.0.2:2556"]);
  assert.deepEqual(leaders, [leader, leader]);
  network.kill("api-2");
  await pass(20_000);
  assert.equal(linkedTo(), "api-1");
  let late: unknown;
  link.onConnected((known) => {
    late = known;
  });
  await settle();
  assert.deepEqual(late, leader);
  link.stop();
});

test("an apiserver that is silent is given up: at its hello, and later", async () => {
  const { link, linkedTo, told, serve, pass } = scene({ apiservers: ["api-1", "api-2"] });
  const fakes = [await serve("api-1", { hangs: true }), await serve("api-2", { hangs: true })];
  link.start();
  await pass(5_000);
  assert.equal(linkedTo(), undefined);
  assert.ok(link.counts.failed >= 2);
  for (const fake of fakes) fake.hangs = false;
  await pass(10_000);
  const first = linkedTo();
  assert.ok(first !== undefined);
  for (const fake of fakes) fake.hangs = true;
  const asked = link.ask("x", NO_BYTES, 1000);
  await pass(1000);
  for (const fake of fakes) fake.hangs = false;
  assert.equal((await asked).code, "timeout");
  await pass(2000);
  assert.ok(told.includes(`-${first}`));
  assert.ok(linkedTo() !== undefined && linkedTo() !== first);
  link.stop();
});

test("one that says nothing any more is replaced in half a second, long before its link is given up", async () => {
  const { link, linkedTo, serve, pass, clock } = scene({ apiservers: ["api-1", "api-2"] });
  const fakes = [await serve("api-1"), await serve("api-2")];
  link.start();
  await pass(30_000);
  const first = linkedTo();
  assert.equal(link.counts.connected, 1, "while it answers it stays");
  const index = first === "api-1" ? 0 : 1;
  const fake = fakes[index];
  assert.ok(fake !== undefined);
  fake.hangs = true;
  const began = clock.now();
  for (let i = 0; i < 100 && linkedTo() === first; i++) await pass(10);
  assert.ok(clock.now() - began <= 600, `${clock.now() - began} ms`);
  assert.ok(linkedTo() !== undefined, "the other one was there before this one was left");
  link.stop();
  await pass(100);
  assert.equal(clock.pending, 0);
});

test("whoever stops while another one takes a silent one's place leaves no link behind", async () => {
  const { link, linkedTo, links, during, serve, pass } = scene({ apiservers: ["api-1", "api-2"] });
  const fakes = { "api-1": await serve("api-1"), "api-2": await serve("api-2") };
  link.start();
  await pass(5_000);
  const fake = linkedTo() === "api-1" ? fakes["api-1"] : fakes["api-2"];
  fake.hangs = true;
  let open = 0;
  during.disconnected = () => {
    open = links.length;
    for (const each of links) void each.closed.then(() => open--);
    link.stop();
  };
  await pass(5_000);
  assert.equal(links.length, 2);
  assert.equal(open, 0);
});

test("one that is only late stays, and is doubted more and more seldom", async () => {
  const { link, serve, pass } = scene({ apiservers: ["api-1", "api-2"] });
  const fakes = [await serve("api-1"), await serve("api-2")];
  link.start();
  await pass(5_000);
  const first = link.connected?.node;
  // The answer comes before the other one has said hello.
  for (const fake of fakes) fake.slowMs = 400;
  await pass(60_000);
  assert.equal(link.counts.connected, 1);
  assert.equal(link.connected?.node, first);
  assert.ok(link.counts.doubted >= 3 && link.counts.doubted <= 8, `${link.counts.doubted} doubts`);
  link.stop();
});

test("those that die one after another are replaced in half a second each", async () => {
  const apiservers = ["api-1", "api-2", "api-3"];
  const { link, linkedTo, network, serve, pass, clock } = scene({ apiservers });
  for (const node of apiservers) await serve(node);
  link.start();
  await pass(5_000);
  for (let deaths = 0; deaths < 8; deaths++) {
    const dead = linkedTo();
    assert.ok(dead !== undefined);
    network.kill(dead);
    const began = clock.now();
    while (linkedTo() === dead) await pass(10);
    assert.ok(clock.now() - began <= 600, `death ${deaths}: ${clock.now() - began} ms`);
    await serve(dead);
    await pass(2_500);
  }
  assert.equal(link.counts.connected, 9);
  link.stop();
  await pass(100);
  assert.equal(clock.pending, 0);
});

test("busy ones that speak once they are left are left more and more seldom", async () => {
  const { link, serve, pass, clock } = scene({ apiservers: ["api-1", "api-2"] });
  // Another one is linked long before the answer comes.
  for (const node of ["api-1", "api-2"]) await serve(node, { slowPingMs: 700 });
  link.start();
  await pass(60_000);
  const { connected, doubted } = link.counts;
  assert.ok(connected >= 5 && connected <= 8, `${connected} links, ${doubted} doubts`);
  link.stop();
  await pass(1_000);
  assert.equal(clock.pending, 0);
});

test("with nobody else to go to, one that says nothing is given up after a while", async () => {
  const { link, linkedTo, told, serve, pass } = scene();
  const fake = await serve("api-1");
  link.start();
  await pass(5_000);
  fake.hangs = true;
  await pass(1_400);
  assert.equal(linkedTo(), "api-1");
  await pass(500);
  assert.equal(linkedTo(), undefined);
  assert.equal(told.at(-1), "-api-1");
  link.stop();
});

test("refusals of all are told, and one that is only away keeps them back", async () => {
  const { link, linkedTo, told, serve, pass } = scene({ apiservers: ["api-1", "api-2"] });
  await serve("api-1", { refuses: true });
  link.start();
  await pass(5_000);
  assert.deepEqual(told, []);
  const second = await serve("api-2", { refuses: true });
  await pass(5_000);
  assert.match(String(told[0]), /^api-[12]: no$/);
  second.refuses = false;
  await pass(5_000);
  assert.equal(linkedTo(), "api-2");
  link.stop();
});

test("one that cannot serve is left after a while, and nothing goes on after the end", async () => {
  const { link, linkedTo, serve, pass, clock } = scene({ apiservers: ["api-1", "api-2"] });
  await serve("api-1");
  await serve("api-2");
  link.start();
  await pass(500);
  const first = linkedTo();
  link.moveOn();
  await pass(100);
  assert.equal(linkedTo(), first);
  await pass(1000);
  link.moveOn();
  await pass(500);
  assert.notEqual(linkedTo(), first);
  assert.equal(link.counts.movedOn, 1);
  const asked = link.ask("x", NO_BYTES, 1000);
  link.stop();
  link.stop();
  assert.equal((await asked).code, "lost");
  await pass(60_000);
  assert.equal(linkedTo(), undefined);
  assert.equal(clock.pending, 0);
});
