import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import {
  type Link,
  type LinkMessage,
  NODE_CHANNEL,
  noopLogger,
  type Peer,
  shardChannel,
  UpstreamBatch,
  UpstreamKind,
} from "@atlasnet/core";
import { inProcessLinks, type LinkKind } from "@atlasnet/core/testing";
import { linkKinds } from "@atlasnet/quic/testing";
import {
  ByteReader,
  ByteWriter,
  compileDefinition,
  defineWorld,
  text,
  uint,
} from "@atlasnet/world";
import { readBatch } from "../testing/test-shard.ts";
import type { WorldFault } from "./fault-reports.ts";
import { Gameserver } from "./gameserver.ts";
import type { HostedWorld, WorldRequest } from "./hosted-world.ts";
import type { Service } from "./services.ts";

const root = mkdtempSync(join(tmpdir(), "atlasnet-gameserver-"));
after(() => rmSync(root, { recursive: true, force: true }));

function definition(extra: object = {}) {
  return defineWorld({
    name: "kept",
    tickRate: 60,
    components: { sheep: { wool: uint(100), ...extra } },
    clientMessages: { say: { text: text(100) } },
    serverMessages: { said: { text: text(1000) } },
  });
}

/** A module as a file; it speaks through messages: `said` tells what happened. */
function moduleFile(name: string, behaviour: string, data = definition().data): string {
  const file = join(root, name);
  writeFileSync(
    file,
    `export const world = { definition: { data: ${JSON.stringify(data)} }, behaviour: {${behaviour}} };`,
  );
  return file;
}

const say = (ctx: string) => `message: { say(ctx, player, { text }) { ${ctx} } },`;

const OTHERS = ["p2", "p3"] as const;
const PEERS: readonly Peer[] = [
  { role: "gameserver", node: "g" },
  ...["p", ...OTHERS].map((node) => ({ role: "proxy", node }) as const),
];

interface Started {
  server: Gameserver;
  link: Link;
  /** One more link, of this other proxy. */
  connect(proxy: (typeof OTHERS)[number]): Promise<Link>;
  faults: WorldFault[];
  placed: HostedWorld[];
  /** Resolves with the first message, from here on or before, that fits. */
  until(fits: (message: LinkMessage) => boolean): Promise<LinkMessage>;
  words: string[];
  spoken(word: string): Promise<void>;
}

/** Of all that was started, in the order in which it ends. */
const ends: (() => Promise<unknown>)[] = [];
after(async () => {
  for (const end of ends) await end();
});

async function start(
  options: {
    threads?: number;
    dataDir?: string;
    services?: [string, Service][];
    development?: boolean;
    /** Default: in this process. */
    links?: LinkKind;
  } = {},
): Promise<Started> {
  const links = await (options.links ?? inProcessLinks).create(PEERS);
  const faults: WorldFault[] = [];
  const placed: HostedWorld[] = [];
  const quiet = () => undefined;
  const server = new Gameserver(
    {
      node: "g",
      threads: options.threads ?? 1,
      thread: {
        dataDir: options.dataDir,
        tickLimitMs: 300,
        snapshotIntervalMs: 60_000,
        keepSnapshots: 2,
        journalSyncMs: 10,
        development: options.development ?? false,
      },
      outboxMessages: 1000,
      outboxBytes: 1_000_000,
      maxSessionsPerWorld: 10,
    },
    {
      links: links.node({ role: "gameserver", node: "g" }),
      logger: noopLogger,
      randomSeed: () => 5,
      services: new Map(options.services),
      onStats: quiet,
      onPlaced: (world) => placed.push({ ...world }),
      onFault: (_, fault) => faults.push(fault),
    },
  );
  ends.push(
    () => server.stop(),
    async () => links.stop?.(),
  );
  await server.start();
  const link = await links.node({ role: "proxy", node: "p" }).connect("g");
  const seen: LinkMessage[] = [];
  const words: string[] = [];
  let wake = quiet;
  const said = compileDefinition(definition().data).serverMessages[0];
  for (const world of ["kept", "other"])
    link.channel(shardChannel(`${world}/0`)).onMessage((message) => {
      seen.push(message);
      if (message.type === "downstream")
        for (const entry of readBatch(message.batch).sessions.values())
          for (const { payload } of entry.messages)
            words.push(String(said?.codec.decode(new ByteReader(payload))["text"]));
      wake();
    });
  const wait = async <T>(look: () => T | undefined): Promise<T> => {
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await new Promise<void>((resolve) => {
        wake = () => resolve(undefined) as undefined;
      });
    }
  };
  return {
    server,
    link,
    connect: (node) => links.node({ role: "proxy", node }).connect("g"),
    faults,
    placed,
    words,
    until: async (fits) => wait(() => seen.find(fits)),
    spoken: async (word) => {
      await wait(() => (words.includes(word) ? true : undefined));
    },
  };
}

const request = (module: string, extra: Partial<WorldRequest> = {}): WorldRequest => ({
  world: "kept",
  module,
  config: null,
  durability: "journal",
  graceSeconds: 30,
  fresh: false,
  ...extra,
});

let attaches = 0;

async function attach(
  { link, until }: Started,
  world: HostedWorld,
  message: object = {},
): Promise<Extract<LinkMessage, { type: "attached" }> & { attach: number }> {
  const number = ++attaches;
  const { shard, epoch } = world;
  link.channel(shardChannel(shard)).send({
    type: "attach",
    shard,
    epoch,
    attach: number,
    account: "ann",
    name: "Ann",
    data: null,
    stream: new Uint8Array(8),
    attempt: 0,
    firstUnacked: 1,
    lastReceived: 0,
    ...message,
  });
  const answer = await until(
    (m) => (m.type === "attached" || m.type === "closed") && m.attach === number,
  );
  assert.ok(answer.type === "attached", JSON.stringify(answer));
  return answer;
}

function speak({ link }: Started, world: HostedWorld, number: number, seq: number, words: string) {
  const struct = compileDefinition(definition().data).clientMessages[0];
  const writer = new ByteWriter();
  struct?.codec.encode(writer, { text: words });
  const batch = new UpstreamBatch();
  batch.add(number, UpstreamKind.message, seq, 0, writer.finish());
  const { shard, epoch } = world;
  link.channel(shardChannel(shard)).send({ type: "upstream", shard, epoch, batch: batch.take() });
}

const COUNTER = `
  create(ctx) { ctx.kv.set("n", 0); ctx.spawn({ sheep: { wool: 7 } }); },
  ${say(`ctx.kv.set("n", ctx.kv.get("n") + 1); ctx.broadcast("said", { text: text + ctx.kv.get("n") });`)}
`;

for (const links of linkKinds)
  test(`${links.name}: a world is kept over a clean stop: same state, same timeline, higher epoch`, async () => {
    const dataDir = join(root, links.name, "clean");
    const file = moduleFile("counter.mjs", COUNTER);
    const first = await start({ links, dataDir });
    const world = await first.server.open(request(file), root);
    const ann = await attach(first, world);
    speak(first, world, ann.attach, 1, "n=");
    await first.spoken("n=1");
    await first.server.drain();
    await first.server.stop();
    const second = await start({ links, dataDir });
    const again = await second.server.open(request(file), root);
    assert.ok(again.epoch > world.epoch);
    const back = await attach(second, again, {
      session: ann.session,
      attempt: 2,
      timeline: ann.timeline,
      lastReceived: 1,
    });
    assert.deepEqual([back.timeline, back.appliedSeq, back.outSeq], [ann.timeline, 1, 1]);
    speak(second, again, back.attach, 2, "n=");
    await second.spoken("n=2");
    await second.server.stop();
    assert.ok(readdirSync(dataDir).length > 0);
  });

for (const links of linkKinds)
  test(`${links.name}: a changed module is swapped in: state stays, players attach anew; a bad one is refused`, async () => {
    const file = moduleFile("before.mjs", COUNTER);
    const run = await start({ links, dataDir: join(root, links.name, "swap") });
    // Opened afresh: the swap must not start it empty again.
    const world = await run.server.open(request(file, { fresh: true }), root);
    const ann = await attach(run, world);
    speak(run, world, ann.attach, 1, "n=");
    await run.spoken("n=1");
    const changed = definition({ name: text(20) });
    const after = moduleFile(
      "after.mjs",
      say(`for (const e of ctx.query("sheep")) text += e.sheep.wool + e.sheep.name;
         ctx.broadcast("said", { text: text + ctx.kv.get("n") });`),
      changed.data,
    );
    await run.server.swap("kept", after);
    const [hosted] = run.server.hosted;
    assert.ok(hosted !== undefined && hosted.epoch > ann.epoch);
    await run.until((message) => message.type === "shard-reset" && message.epoch === hosted.epoch);
    const back = await attach(run, hosted, { session: ann.session, attempt: 2, lastReceived: 1 });
    assert.equal(back.timeline, ann.timeline);
    speak(run, hosted, back.attach, 2, "swapped ");
    await run.spoken("swapped 71");
    // A field that changes its type needs upgrade; this module has none, the next one loops in it.
    const typed = JSON.parse(JSON.stringify(definition().data).replace("uint", "float64"));
    const unfit = moduleFile("unfit.mjs", "", {
      ...typed,
      components: [
        { name: "sheep", owner: false, fields: [["wool", { kind: "text", maxBytes: 9 }]] },
      ],
    });
    await assert.rejects(run.server.swap("kept", unfit), /wool/);
    await assert.rejects(run.server.swap("kept", moduleFile("torn.mjs", "create( {")));
    const loops = moduleFile("loops.mjs", "upgrade() { for (;;); },");
    await assert.rejects(run.server.swap("kept", loops), { code: "upgrade-timeout" });
    speak(run, hosted, back.attach, 3, "still ");
    await run.spoken("still 71");
    await run.server.stop();
  });

for (const links of linkKinds)
  test(`${links.name}: a thread that ends is replaced and its worlds are opened again, at a higher epoch`, async () => {
    const file = moduleFile(
      "exits.mjs",
      say(`if (text === "die") process.exit(); ctx.broadcast("said", { text });`),
    );
    for (const durability of ["none", "journal"] as const) {
      const run = await start({ links, dataDir: join(root, links.name, `exit-${durability}`) });
      const world = await run.server.open(request(file, { durability }), root);
      const { epoch } = world;
      const ann = await attach(run, world);
      speak(run, world, ann.attach, 1, "die");
      const reset = await run.until((message) => message.type === "shard-reset");
      assert.ok(reset.type === "shard-reset" && reset.epoch > epoch, durability);
      const [hosted] = run.server.hosted;
      assert.ok(hosted !== undefined);
      const again = await attach(run, hosted);
      assert.notEqual(again.timeline, ann.timeline);
      speak(run, hosted, again.attach, 1, "alive");
      await run.spoken("alive");
      await run.server.stop();
    }
  });

for (const links of linkKinds)
  test(`${links.name}: what is hosted is said over every link: when it opens, and after every change`, async () => {
    const run = await start({ links });
    const second = await run.connect("p2");
    const lists: string[][] = [[], []];
    [run.link, second].forEach((link, index) => {
      link.channel(NODE_CHANNEL).onMessage((message) => {
        assert.ok(message.type === "hosting");
        const worlds = message.worlds.map(
          ({ world, shard, epoch }) => `${world} ${shard} ${epoch}`,
        );
        lists[index]?.push(worlds.join(", "));
      });
    });
    const dies = moduleFile("dies.mjs", say(`process.exit();`));
    const kept = await run.server.open(request(dies, { durability: "none" }), root);
    const fine = moduleFile("hosted.mjs", COUNTER);
    await run.server.open(request(fine, { world: "other", durability: "none" }), root);
    await run.server.swap("other", fine);
    const ann = await attach(run, kept);
    speak(run, kept, ann.attach, 1, "die");
    await run.until((message) => message.type === "shard-reset" && message.shard === "kept/0");
    await run.until((message) => message.type === "shard-reset" && message.epoch === 3);
    const third = await run.connect("p3");
    const last = await new Promise<LinkMessage>((resolve) => {
      third.channel(NODE_CHANNEL).onMessage(resolve);
    });
    assert.deepEqual(lists[0]?.slice(0, 4), [
      "",
      "kept kept/0 1",
      "kept kept/0 1, other other/0 1",
      "kept kept/0 1, other other/0 2",
    ]);
    assert.equal(lists[0]?.at(-1), "kept kept/0 2, other other/0 3");
    assert.deepEqual(lists[1], lists[0]);
    assert.deepEqual(last, {
      type: "hosting",
      worlds: run.server.hosted.map(({ world, shard, epoch }) => ({ world, shard, epoch })),
    });
    await run.server.stop();
  });

for (const links of linkKinds)
  test(`${links.name}: a world that loops is cut off; the other one on its thread goes on`, async () => {
    const run = await start({ links, development: true });
    const looping = moduleFile("looping.mjs", say(`for (;;);`));
    const fine = moduleFile("fine.mjs", `${COUNTER} tick() {},`);
    const kept = await run.server.open(request(looping, { durability: "none" }), root);
    const other = await run.server.open(
      request(fine, { world: "other", durability: "none" }),
      root,
    );
    const ann = await attach(run, kept);
    const bob = await attach(run, other);
    speak(run, kept, ann.attach, 1, "loop");
    speak(run, other, bob.attach, 1, "n=");
    await run.spoken("n=1");
    speak(run, kept, ann.attach, 2, "loop");
    speak(run, kept, ann.attach, 3, "loop");
    await run.until((message) => message.type === "closed" && message.code === "world-failed");
    assert.deepEqual(new Set(run.faults.map(({ event }) => event)), new Set(["message.say"]));
    speak(run, other, bob.attach, 2, "n=");
    await run.spoken("n=2");
    await run.server.stop();
  });

test("in development the clock and chance are refused by name, inside worlds only", async () => {
  const run = await start({ development: true });
  const file = moduleFile(
    "chance.mjs",
    say(`
      const tries = [() => Math.random(), () => Date.now(), () => new Date(), () => Date(),
        () => performance.now(), () => setTimeout(() => {}, 1), () => fetch("x")];
      let refused = 0;
      for (const tryIt of tries) try { tryIt(); } catch (error) { refused += /not allowed in a world/.test(error.message); }
      new Date(0);
      ctx.broadcast("said", { text: text + refused });`),
  );
  const world = await run.server.open(request(file, { durability: "none" }), root);
  const ann = await attach(run, world);
  speak(run, world, ann.attach, 1, "refused ");
  await run.spoken("refused 7");
  await run.server.stop();
});

for (const links of linkKinds)
  test(`${links.name}: requests are answered by services; timers fire in a world without a tick handler`, async () => {
    const run = await start({ links, services: [["double", async (n) => Number(n) * 2]] });
    const file = moduleFile(
      "asks.mjs",
      `${say(`ctx.request("double", 21); ctx.request("nobody", 1); ctx.after(3, "ring", text);`)}
     response(ctx, r) { ctx.broadcast("said", { text: r.ok ? "got " + r.value : r.code }); },
     timer: { ring(ctx, data) { ctx.broadcast("said", { text: "rang " + data }); } },`,
    );
    const world = await run.server.open(request(file, { durability: "none" }), root);
    const ann = await attach(run, world);
    speak(run, world, ann.attach, 1, "bell");
    await run.spoken("got 42");
    await run.spoken("unknown-service");
    await run.spoken("rang bell");
    await run.server.stop();
  });

test("a world whose create fails is refused, and what is not open can be drained", async () => {
  const run = await start({ dataDir: join(root, "create") });
  const bad = moduleFile("bad.mjs", `create() { throw new Error("no grass"); },`);
  await assert.rejects(
    run.server.open(request(bad), root),
    /, create: no grass \(file:.*bad[^\n]*\)$/,
  );
  const slow = moduleFile("endless.mjs", `create() { for (;;); },`);
  await assert.rejects(run.server.open(request(slow), root), {
    code: "create-failed",
    hint: /raise gameserver\.tickLimitMs/,
  });
  await run.server.drain();
  await run.server.drain();
  await run.server.stop();
});
