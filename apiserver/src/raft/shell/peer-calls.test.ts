import assert from "node:assert/strict";
import { test } from "node:test";
import { type CallAnswer, InProcessNetwork, type LinkListener, noopLogger } from "@atlasnet/core";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { PeerCalls } from "./peer-calls.ts";
import { PeerLinks } from "./peer-links.ts";

const NOTHING = new Uint8Array(0);

test("a question for the leader is given up once another one leads", async (t) => {
  const network = new InProcessNetwork();
  const clock = new SimClock();
  const listeners: LinkListener[] = [];
  const member = async (node: string): Promise<PeerCalls> => {
    const own = network.node({ role: "apiserver", node });
    const links = new PeerLinks(
      {},
      { network: own, clock, random: new SeededRandom(1), logger: noopLogger },
    );
    const calls = new PeerCalls({ group: "g" }, { links, clock });
    listeners.push(await own.listen((link) => links.accept(link)));
    t.after(() => links.stop());
    return calls;
  };
  t.after(() => Promise.all(listeners.map((listener) => listener.close())));
  const [a, b] = [await member("a"), await member("b")];
  let cameThere = () => {};
  const came = new Promise<void>((resolve) => {
    cameThere = resolve;
  });
  b.handle("echo", async (_from, body) => ({ code: "ok", body }));
  b.handle("never", () => {
    cameThere();
    return new Promise<CallAnswer>(() => undefined);
  });
  // The first question opens the link.
  let opened: CallAnswer;
  do {
    opened = await a.ask("b", "echo", NOTHING, 1000);
    await new Promise(setImmediate);
  } while (opened.code === "unreachable");
  const [leader, plain] = [
    a.askLeader("b", "never", NOTHING, 1000),
    a.ask("b", "never", NOTHING, 1000),
  ];
  await came;
  a.leaderIs("b");
  assert.equal((await a.askLeader("b", "echo", NOTHING, 1000)).code, "ok");
  a.leaderIs("c");
  assert.equal((await leader).code, "lost");
  clock.advance(1000);
  assert.equal((await plain).code, "timeout");
});
