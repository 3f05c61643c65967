import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  InProcessNetwork,
  type LinkMessage,
  noopLogger,
  shardChannel,
  UpstreamBatch,
  UpstreamKind,
} from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import { reached, TinyStore } from "@atlasnet/core/testing";
import { ByteReader, ByteWriter, compileDefinition, defineWorld, text } from "@atlasnet/world";
import { Gameserver } from "../server/gameserver.ts";
import { FakeControlPlane } from "../testing/fake-control-plane.ts";
import { readBatch } from "../testing/test-shard.ts";
import { kvServices } from "./kv-services.ts";
import { WorldHost } from "./world-host.ts";
import { WorldModules } from "./world-modules.ts";

const definition = defineWorld({
  name: "clock",
  tickRate: 60,
  components: {},
  clientMessages: { say: { text: text(100) } },
  serverMessages: { said: { text: text(1000) } },
});
const [said] = compileDefinition(definition.data).serverMessages;
const [say] = compileDefinition(definition.data).clientMessages;

/** Says a number with every tick, and does what it is told. */
const CLOCK = `
  create(ctx) {
    ctx.kv.set("n", 0);
    ctx.request("kv.cluster", { op: "put", key: "made", value: "by create", expect: 0 });
  },
  tick(ctx) { ctx.kv.set("n", ctx.kv.get("n") + 1); ctx.broadcast("said", { text: String(ctx.kv.get("n")) }); },
  message: { say(ctx, player, { text }) {
    if (text === "die") process.exit();
    ctx.request("kv.cluster", { op: "put", key: "word", value: text });
  } },
  response(ctx, { ok, value, code }) { ctx.broadcast("said", { text: ok ? "kept " + value.ok : code }); },
`;

interface Attached {
  readonly epoch: number;
  readonly timeline: number;
  readonly session: number;
  readonly attach: number;
}

async function scene(t: TestContext) {
  const dir = mkdtempSync(join(tmpdir(), "atlasnet-fence-"));
  writeFileSync(
    join(dir, "clock.mjs"),
    `export const world = { definition: { data: ${JSON.stringify(definition.data)} }, behaviour: {${CLOCK}} };`,
  );
  const tiny = new TinyStore();
  // The first generation after a restore: its revisions are above 2^40.
  tiny.restore(tiny.backup());
  const control = new FakeControlPlane({ tiny });
  const network = new InProcessNetwork();
  const modules = new WorldModules(
    { dir },
    {
      stored: {
        fileOf: async () => assert.fail("no stored module here"),
        hold: () => () => undefined,
      },
    },
  );
  const host = new WorldHost({ control, modules, clock: systemClock, logger: noopLogger });
  const server = new Gameserver(
    {
      node: "g",
      threads: 1,
      thread: {
        dataDir: join(dir, "data"),
        tickLimitMs: 300,
        snapshotIntervalMs: 60_000,
        keepSnapshots: 2,
        journalSyncMs: 10,
        development: false,
      },
      outboxMessages: 100_000,
      outboxBytes: 10_000_000,
      maxSessionsPerWorld: 10,
    },
    {
      links: network.node({ role: "gameserver", node: "g" }),
      logger: noopLogger,
      randomSeed: () => 5,
      services: kvServices("g", control.store),
      control: host,
      onStats: () => undefined,
      onPlaced: () => undefined,
      onFault: () => undefined,
    },
  );
  t.after(async () => {
    host.stop();
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  });
  await server.start();
  await host.start(server, () => assert.fail("nobody asks for the load here"));
  const link = await network.node({ role: "proxy", node: "p" }).connect("g");
  const channel = link.channel(shardChannel("arena/0"));
  const seen: LinkMessage[] = [];
  const words: string[] = [];
  channel.onMessage((message) => {
    seen.push(message);
    if (message.type !== "downstream") return;
    for (const { messages } of readBatch(message.batch).sessions.values())
      for (const { payload } of messages)
        words.push(String(said?.codec.decode(new ByteReader(payload))["text"]));
  });
  const until = reached;
  const epoch = () => server.hosted[0]?.epoch;
  let attaches = 0;
  type Again = Partial<{ session: number; timeline: number }>;
  const ask = (at: number, number: number, again: Again = {}) =>
    channel.send({
      type: "attach",
      shard: "arena/0",
      epoch: at,
      attach: number,
      account: "ann",
      name: "Ann",
      data: null,
      stream: new Uint8Array(8),
      attempt: number,
      firstUnacked: 1,
      lastReceived: 0,
      ...again,
    });
  const attach = async (again: Again = {}) => {
    const number = ++attaches;
    ask(epoch() ?? 0, number, again);
    const find = () => seen.find((each) => each.type === "attached" && each.attach === number);
    await until(() => find() !== undefined);
    const found = find();
    assert.ok(found?.type === "attached");
    return { ...found, attach: number };
  };
  const tell = (to: Attached, seq: number, word: string) => {
    const writer = new ByteWriter();
    say?.codec.encode(writer, { text: word });
    const batch = new UpstreamBatch();
    batch.add(to.attach, UpstreamKind.message, seq, 0, writer.finish());
    const { epoch: at } = to;
    channel.send({ type: "upstream", shard: "arena/0", epoch: at, batch: batch.take() });
  };
  control.createWorld("arena", { module: { source: "node", path: "./clock.mjs" } }, "g");
  await until(() => epoch() !== undefined);
  return { control, server, dir, seen, words, until, epoch, ask, attach, tell };
}

const inOrder = (words: readonly string[]) => {
  const numbers = words.flatMap((word) => (/^\d+$/.test(word) ? [Number(word)] : []));
  for (const [at, number] of numbers.entries())
    assert.equal(number, (numbers[0] ?? 0) + at, `after ${numbers.slice(0, at).join()}`);
  return numbers;
};

test("a world runs at the epoch of its claim, which is above 2^40, and keeps what it is told", async (t) => {
  const { control, epoch, attach, tell, words, until } = await scene(t);
  const { modified } = control.owner("arena");
  assert.ok(modified > 2 ** 40);
  assert.equal(epoch(), modified);
  const ann = await attach();
  assert.equal(ann.epoch, modified);
  tell(ann, 1, "hello");
  await until(() => words.includes("kept true"));
  const kept = (key: string) =>
    Buffer.from(control.tiny.get(`kv/cluster/${key}`)?.value ?? []).toString();
  assert.deepEqual([kept("made"), kept("word")], ["by create", "hello"]);
});

test("nothing leaves while the node may not act; then it goes on without a gap", async (t) => {
  const { control, server, attach, seen, words, until } = await scene(t);
  await attach();
  await until(() => words.length > 3);
  control.expire();
  // What left before is on its way over the link.
  await new Promise((resolve) => setImmediate(resolve));
  const before = seen.length;
  await until(() => server.heldBytes > 0);
  control.seal();
  assert.equal(seen.length, before);
  const count = words.length;
  control.unseal();
  await until(() => words.length > count + 5);
  assert.equal(server.heldBytes, 0);
  assert.ok(inOrder(words).length > 8);
});

test("what was lost never leaves; the next claim goes on with the state and its timeline", async (t) => {
  const { control, server, epoch, attach, seen, words, until } = await scene(t);
  const ann = await attach();
  await until(() => words.length > 3);
  control.expire();
  await new Promise((resolve) => setImmediate(resolve));
  const before = seen.length;
  const last = Math.max(...inOrder(words));
  await until(() => server.heldBytes > 0);
  await control.lose();
  assert.equal(seen.length, before);
  assert.deepEqual(server.hosted, []);
  control.register();
  await until(() => epoch() !== undefined);
  assert.equal(epoch(), control.owner("arena").modified);
  assert.ok((epoch() ?? 0) > ann.epoch);
  const back = await attach({ session: ann.session, timeline: ann.timeline });
  assert.equal(back.timeline, ann.timeline);
  await until(() => words.some((word) => Number(word) > last + 1));
});

test("a thread that dies has its worlds run at another epoch, and another timeline", async (t) => {
  const { control, epoch, attach, tell, until } = await scene(t);
  const ann = await attach();
  tell(ann, 1, "die");
  await until(() => epoch() !== undefined && epoch() !== ann.epoch);
  assert.equal(epoch(), control.owner("arena").modified);
  const again = await attach();
  assert.notEqual(again.timeline, ann.timeline);
  assert.equal(again.timeline, again.epoch);
});

test("what was given back answers that it is not here", async (t) => {
  const { control, epoch, seen, ask, attach, until } = await scene(t);
  const ann = await attach();
  control.want("arena", undefined);
  await until(() => control.owner("arena").record?.state === "released");
  assert.equal(epoch(), undefined);
  ask(ann.epoch, 99);
  await until(() => seen.some((each) => each.type === "closed" && each.attach === 99));
  control.want("arena", "g");
  await until(() => epoch() !== undefined);
  const back = await attach({ session: ann.session, timeline: ann.timeline });
  assert.equal(back.timeline, ann.timeline, "nobody had it in between");
});

test("a changed module runs at a new epoch; one that is refused changes nothing", async (t) => {
  const { control, server, dir, epoch, attach, words, until } = await scene(t);
  const ann = await attach();
  const changed = join(dir, "changed.mjs");
  const source = readFileSync(join(dir, "clock.mjs"), "utf8");
  writeFileSync(changed, source.replace('String(ctx.kv.get("n"))', '"now " + ctx.kv.get("n")'));
  await server.swap("arena", changed);
  const second = epoch();
  assert.ok(second !== undefined && second > ann.epoch);
  assert.equal(second, control.owner("arena").modified);
  const back = await attach({ session: ann.session, timeline: ann.timeline });
  assert.equal(back.timeline, ann.timeline);
  await until(() => words.some((word) => word.startsWith("now ")));
  writeFileSync(join(dir, "torn.mjs"), "export const world = {");
  await assert.rejects(server.swap("arena", join(dir, "torn.mjs")));
  assert.equal(epoch(), second);
  assert.equal(control.owner("arena").modified, second);
  const heard = words.length;
  await until(() => words.length > heard);
});
