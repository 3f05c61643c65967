import assert from "node:assert/strict";
import { cp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { memoryResumeStorage } from "@atlasnet/client";
import { reached } from "@atlasnet/core/testing";
import {
  CheckedSession,
  HistoryChecker,
  type HistoryVerdict,
  violationText,
} from "@atlasnet/history";
import { CHECKER_WORLD_FILE } from "@atlasnet/history/node";
import { definition } from "@atlasnet/history/world";
import { startRelay } from "@atlasnet/netem";
import { monolith, type ServerForm, serverForms, type TestServer } from "./testing/server-forms.ts";
import { type Settings, Workplace } from "./testing/workplace.ts";

const SCHEMES = ["tcp", "ws", "udp"] as const;
type Scheme = (typeof SCHEMES)[number];
const WORLDS = { worlds: `checker=${CHECKER_WORLD_FILE}` };
const EVERY_MS = 20;

/** A client that talks until it is told not to, with all it does held against the rules. */
class Talker {
  readonly session: CheckedSession;
  drops = 0;
  rollbacks = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(client: string, writer: number, checker: HistoryChecker) {
    this.session = new CheckedSession(
      { client, writer },
      { sink: checker.take, now: () => performance.now() },
    );
  }

  async enter(server: TestServer, scheme: Scheme, url: string): Promise<() => void> {
    const { session } = this;
    const world = await server
      .client(scheme, { url })
      .join(definition, { world: "checker", observe: session.observe });
    session.begin(world);
    world.onDrop(() => {
      this.drops += 1;
    });
    world.onRollback(() => {
      this.rollbacks += 1;
    });
    this.timer = setInterval(() => session.say(), EVERY_MS);
    return () => world.input("nudge", { n: 1 });
  }

  async hush(): Promise<void> {
    clearInterval(this.timer);
    this.session.balance();
    await reached(() => this.session.settled);
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

async function talkers(
  place: Workplace,
  checker: HistoryChecker,
  server: TestServer,
  port: number,
): Promise<{ all: Talker[]; nudge: () => void }> {
  const all = SCHEMES.map((scheme, n) => new Talker(scheme, n + 1, checker));
  place.undo(() => {
    for (const talker of all) talker.stop();
  });
  const nudges = await Promise.all(
    all.map((talker, n) => {
      const scheme = SCHEMES[n] ?? "tcp";
      return talker.enter(server, scheme, `${scheme}://127.0.0.1:${port}`);
    }),
  );
  return { all, nudge: () => nudges[0]?.() };
}

/** Waits until each has said so much more, and has been answered since. */
async function more(all: readonly Talker[], count: number): Promise<void> {
  const due = all.map(({ session }) => session.heardUpTo + count);
  await reached(() => all.every(({ session }, n) => session.heardUpTo >= (due[n] ?? 0)));
}

function assertProved(verdict: HistoryVerdict): void {
  assert.deepEqual(verdict.told.map(violationText), []);
  assert.ok(verdict.ok && verdict.complete, JSON.stringify(verdict.figures));
}

async function scene(t: TestContext, form: ServerForm, settings: Settings) {
  const place = await Workplace.create(t);
  const server = await form.start(place, settings);
  return { place, server, checker: new HistoryChecker() };
}

for (const form of serverForms)
  describe(`history: ${form.name}`, () => {
    test("connections that break and a cut leave a history that is proved", async (t) => {
      const { place, server, checker } = await scene(t, form, WORLDS);
      const relay = await startRelay({
        target: { host: "127.0.0.1", port: server.players.port },
        conditions: {
          loss: 0.02,
          delayMs: 10,
          jitterMs: 5,
          reorder: 0.02,
          duplicate: 0.02,
          seed: 3,
        },
      });
      place.undo(() => relay.stop());
      const { all } = await talkers(place, checker, server, relay.address.port);
      for (let round = 0; round < 3; round++) {
        await more(all, 10);
        relay.breakConnections();
        relay.rebind();
      }
      await more(all, 10);
      relay.setConditions({ loss: 1 });
      const said = all.map(({ session }) => session.said);
      await reached(() => all.every(({ session }, n) => session.said > (said[n] ?? 0) + 60));
      relay.setConditions({ loss: 0.02 });
      await more(all, 10);
      await Promise.all(all.map((talker) => talker.hush()));
      const verdict = checker.finish();
      assertProved(verdict);
      assert.ok(verdict.figures.drops >= 6 && verdict.figures.resends > 0);
      assert.equal(verdict.figures.rollbacks, 0);
      assert.ok((verdict.gaps[0]?.ms ?? 0) > 50 * EVERY_MS, "the cut is the longest gap");
    });
  });

test("a move from WebSocket to UDP and back, and a page that is loaded again, are proved", async (t) => {
  const { server, checker } = await scene(t, monolith, WORLDS);
  const storage = memoryResumeStorage();
  const enter = async (client: string, writer: number) => {
    const session = new CheckedSession(
      { client, writer },
      { sink: checker.take, now: () => performance.now() },
    );
    const world = await server
      .client("ws", { transport: "auto", storage })
      .join(definition, { world: "checker", observe: session.observe });
    session.begin(world);
    const talk = async (messages: number) => {
      for (let n = 0; n < messages; n++) session.say();
      await reached(() => session.settled);
    };
    return { world, session, talk };
  };
  const first = await enter("first", 1);
  await first.talk(10);
  await reached(() => first.world.transport === "udp");
  await first.talk(10);
  const second = await enter("second", 2);
  assert.equal(second.world.session, first.world.session);
  await second.talk(10);
  await reached(() => second.world.transport === "udp");
  await second.talk(10);
  const verdict = checker.finish();
  assertProved(verdict);
  assert.ok(verdict.figures.welcomes >= 4, "each was welcomed over both transports");
});

test("a server that stops and starts again goes on where it was", async (t) => {
  const { place, server, checker } = await scene(t, monolith, WORLDS);
  const { port } = server.players;
  const { all } = await talkers(place, checker, server, port);
  await more(all, 10);
  await server.stop();
  await monolith.start(place, { ...WORLDS, "proxy.port": String(port) });
  await more(all, 10);
  await Promise.all(all.map((talker) => talker.hush()));
  const verdict = checker.finish();
  assertProved(verdict);
  assert.deepEqual([verdict.figures.rollbacks, verdict.figures.undone], [0, 0]);
});

test("a world whose thread ends goes back, and what that undid is told", async (t) => {
  const place = await Workplace.create(t);
  const file = join(place.dir, "mortal.mjs");
  const marker = JSON.stringify(join(place.dir, "died"));
  await writeFile(
    file,
    `import { existsSync, writeFileSync } from "node:fs";
    import { definition, world as checker } from ${JSON.stringify(pathToFileURL(CHECKER_WORLD_FILE).href)};
    function nudge() {
      if (existsSync(${marker})) return;
      writeFileSync(${marker}, "");
      process.exit(1);
    }
    export const world = { definition, behaviour: { ...checker.behaviour, input: { nudge } } };`,
  );
  const server = await monolith.start(place, { worlds: `checker=${file}` });
  const checker = new HistoryChecker();
  const { all, nudge } = await talkers(place, checker, server, server.players.port);
  await more(all, 60);
  nudge();
  await reached(() => all.every(({ rollbacks }) => rollbacks > 0));
  await more(all, 10);
  await Promise.all(all.map((talker) => talker.hush()));
  const verdict = checker.finish();
  assertProved(verdict);
  assert.equal(verdict.figures.rollbacks, SCHEMES.length);
});

test("an old copy of a server's data, put back by hand, is found out", async (t) => {
  const { place, server, checker } = await scene(t, monolith, WORLDS);
  const { port } = server.players;
  const settings = { ...WORLDS, "proxy.port": String(port) };
  const { all } = await talkers(place, checker, server, port);
  await more(all, 10);
  await server.stop();
  const [data, copy] = [join(place.dir, "n1"), join(place.dir, "copy")];
  await cp(data, copy, { recursive: true });
  const second = await monolith.start(place, settings);
  await more(all, 10);
  await second.stop();
  await rm(data, { recursive: true });
  await cp(copy, data, { recursive: true });
  await monolith.start(place, settings);
  await reached(() => !checker.verdict().ok);
  const [first] = checker.verdict().told;
  assert.ok(first !== undefined);
  assert.match(
    violationText(first),
    /^(?:epoch-went-back|attempt-went-back|silent-rollback|acknowledged-lost): /,
  );
});
