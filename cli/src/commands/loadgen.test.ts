import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { loadConfig } from "@atlasnet/core/node";
import { formsOf } from "@atlasnet/core/testing";
import { type LoadResult, runLoad } from "@atlasnet/loadgen";
import { createMonolith } from "@atlasnet/monolith";
import type { CliIo } from "../cli-io.ts";
import { runCommand } from "../testing/command.ts";

const WORLDS = `
  import { defineWorld, implementWorld, int, text } from ${JSON.stringify(import.meta.resolve("@atlasnet/world"))};
  const inputs = { move: { dx: int(-1, 1) } };
  const meadow = defineWorld({
    name: "meadow",
    tickRate: 30,
    components: {},
    inputs,
    clientMessages: { shout: { words: text(20) }, whisper: { words: text(20) } },
    serverMessages: { echo: { words: text(20) } },
    join: { name: text(20) },
  });
  const still = defineWorld({ name: "still", tickRate: 30, components: {}, inputs });
`;
const MEADOW = `${WORLDS}
  export const world = implementWorld(meadow, {
    message: { shout: (_ctx, player, { words }) => player.send("echo", { words }) },
    input: { move() {} },
  });
`;
const STILL = `${WORLDS}
  export const world = implementWorld(still, { input: { move() {} } });
`;

const folder = await mkdtemp(join(tmpdir(), "atlasnet-loadgen-"));
await writeFile(join(folder, "meadow.mjs"), MEADOW);
await writeFile(join(folder, "still.mjs"), STILL);

async function startServer(settings: { [path: string]: string } = {}) {
  const name = join(folder, `data-${Math.random().toString(36).slice(2)}`);
  const flags = Object.entries({
    "data.dir": name,
    "proxy.host": "127.0.0.1",
    "proxy.port": "0",
    "health.port": "0",
    "apiserver.port": "0",
    "http.enabled": "false",
    ...settings,
  }).map(([path, text]) => ({ name: `--${path}`, path, text }));
  for (const world of ["meadow", "still"])
    flags.push({ name: "--world", path: "worlds", text: `${world}=./${world}.mjs` });
  const { config } = await loadConfig({ env: {}, flags, workingDir: folder });
  const server = createMonolith({ config }, { logger: noopLogger });
  await server.start();
  return server;
}

const server = await startServer();
const URL = `127.0.0.1:${server.addresses.players.port}`;

after(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

const loadgen = (args: readonly string[], io: Partial<CliIo> = {}) =>
  runCommand(["loadgen", ...args], { workingDir: folder, ...io });

const SHORT = ["--url", URL, "--clients", "20", "--seconds", "1", "--warm-up", "0.2"];

for (const transport of formsOf(["tcp", "ws", "udp"])) {
  test(`clients in two processes shout over ${transport}, and all of it is applied`, async () => {
    const json = `${transport}.json`;
    const { code, out, talk } = await loadgen([
      ...["--world", "meadow", ...SHORT, "--transport", transport, "--json", json],
      ...["--processes", "2", "--input", "move", "--input-rate", "5"],
    ]);
    assert.equal(code, 0, talk);
    assert.match(out, /message shout +[\d,]+\/s of 200\/s asked for/);
    const result: LoadResult = JSON.parse(await readFile(join(folder, json), "utf8"));
    assert.deepEqual(result.clients, { asked: 20, joined: 20, failed: 0, ended: 0 });
    assert.deepEqual(result.transports, { [transport]: 20 });
    assert.deepEqual(result.sequenceErrors, { total: 0, byKind: {} });
    assert.deepEqual(result.errors, {});
    const { due, sent, acknowledged, missed, unacknowledged, lost } = result.messages ?? {};
    assert.deepEqual(
      { due, sent, acknowledged, missed, unacknowledged, lost },
      { due: 200, sent: 200, acknowledged: 200, missed: 0, unacknowledged: 0, lost: 0 },
    );
    assert.equal(result.roundTripMs?.count, 200);
    assert.ok((result.roundTripMs?.p50 ?? 0) > 0);
    assert.deepEqual([result.inputs?.due, result.inputs?.sent], [100, 100]);
    assert.equal(result.joins.timeMs.count, 20);
    assert.equal(result.generator.processes, 2);
    assert.equal(result.packets !== null, transport === "udp");
    // Acks, echoes and states come back, but at least one of each pair.
    assert.ok(result.traffic.received.messages > 0 && result.traffic.sent.messages >= 200);
  });
}

test("a world without messages gets inputs, and it is said that nobody measures their way back", async () => {
  const { code, out, talk } = await loadgen(["--world", "still", ...SHORT, "--json", "-"]);
  assert.equal(code, 0, talk);
  const result: LoadResult = JSON.parse(out);
  assert.equal(result.messages, null);
  assert.equal(result.roundTripMs, null);
  assert.equal(result.inputs?.sent, 200);
  assert.match(talk, /note +the world has no client messages/);
});

test("a stop ends the load, and shows what there is", async () => {
  const stop = new AbortController();
  const { code, out } = await loadgen(
    ["--world", "meadow", "--url", URL, "--clients", "3", "--seconds", "600", "--warm-up", "0"],
    {
      stop: stop.signal,
      live: true,
      talk: (text) => {
        if (text.includes("measuring")) stop.abort();
      },
    },
  );
  assert.equal(code, 0);
  assert.match(out, /measured [\d.]+ s \(stopped early\)/);
  assert.match(out, /clients +3 of 3 joined/);
});

test("where no guests are let in, tickets are made with the server's key", async (t) => {
  const strict = await startServer({
    "proxy.allowGuests": "false",
    "tickets.keyFile": "keys.json",
  });
  t.after(() => strict.stop());
  const url = `127.0.0.1:${strict.addresses.players.port}`;
  const args = ["--world", "meadow", ...SHORT, "--url", url];
  const guests = await loadgen(args);
  assert.equal(guests.code, 1);
  assert.match(guests.talk, /unauthorized[\s\S]*--tickets/);
  const { code, out, talk } = await loadgen([...args, "--key-file", "keys.json"]);
  assert.equal(code, 0, talk);
  assert.match(out, /clients +20 of 20 joined/);
});

test("a server that goes away is told of: what was not acknowledged, and lost connections", async () => {
  const brief = await startServer();
  const url = `127.0.0.1:${brief.addresses.players.port}`;
  let stopped: Promise<void> | undefined;
  const { out } = await loadgen(
    [
      ...["--world", "meadow", "--url", url, "--clients", "5", "--seconds", "3", "--warm-up", "0"],
      ...["--grace", "0.2", "--json", "-"],
    ],
    {
      live: true,
      talk: (text) => {
        if (text.includes("measuring")) stopped ??= brief.stop();
      },
    },
  );
  await stopped;
  const result: LoadResult = JSON.parse(out);
  assert.equal(result.sequenceErrors.total, 0);
  assert.ok(result.connections.drops > 0 || result.clients.ended > 0);
  const {
    due = 0,
    acknowledged = 0,
    missed = 0,
    unacknowledged = 0,
    lost = 0,
  } = result.messages ?? {};
  assert.equal(due, 150);
  assert.ok(acknowledged < due);
  assert.equal(acknowledged + missed + unacknowledged + lost, due);
});

const LOAD = { url: URL, world: "meadow", clients: 20, rate: 10, seconds: 1, processes: 2 };

/** Code that ends a process of the generator, if `condition` holds there. */
function dying(condition: string): string[] {
  const code = `import { mkdirSync } from "node:fs"; if (${condition}) setTimeout(() => process.exit(3), 300);`;
  return ["--import", `data:text/javascript,${encodeURIComponent(code)}`];
}

/** True for the first process that asks. */
function firstOf(name: string): string {
  const mark = JSON.stringify(join(folder, name));
  return `(() => { try { mkdirSync(${mark}); return true; } catch { return false; } })()`;
}

test("a process that is lost is told of, and the others are counted", async () => {
  const first = firstOf("first");
  const { errors, examples, clients, generator } = await runLoad({
    ...LOAD,
    execArgv: dying(first),
  });
  assert.deepEqual(errors, { "process-lost": 1 });
  assert.equal(examples.length, 1);
  assert.deepEqual([clients.asked, clients.joined, generator.processes], [20, 10, 1]);
});

test("a load that lost a process has failed, whatever the others measured", async (t) => {
  const { NODE_OPTIONS } = process.env;
  t.after(() => {
    if (NODE_OPTIONS === undefined) delete process.env["NODE_OPTIONS"];
    else process.env["NODE_OPTIONS"] = NODE_OPTIONS;
  });
  process.env["NODE_OPTIONS"] = dying(firstOf("first of the command")).join(" ");
  const { code, out, talk } = await loadgen(["--world", "meadow", ...SHORT, "--processes", "2"]);
  assert.equal(code, 1);
  assert.match(out, /process-lost 1/);
  assert.match(talk, /1 of 2 processes were lost/);
});

test("when all processes are lost there is no result", async () => {
  await assert.rejects(runLoad({ ...LOAD, execArgv: dying("true") }), { code: "load-lost" });
  await assert.rejects(runLoad({ ...LOAD, execArgv: ["--no-such-flag"] }), {
    code: "load-lost",
    message: /bad option: --no-such-flag/,
  });
});

test("what cannot be done is refused by the name of its flag", async () => {
  const url = ["--url", URL];
  const cases: [string[], RegExp, number?][] = [
    [[], /required option '--world <name>'/],
    [["--world", "w", "--clients", "many"], /--clients: found "many", allowed: a number/],
    [["--world", "w", "--clients", "20001"], /--clients: found 20001, allowed: 1 to 20000/],
    [["--world", "w", "--ramp", "-1"], /--ramp: found -1, allowed/],
    [["--world", "w", "--input-rate", "5000"], /--input-rate: found 5000/],
    [["--world", "w", "--transport", "smoke"], /Allowed choices are tcp, ws, udp/],
    [["--world", "w", "--url", "game.example:2555"], /--url: game\.example[\s\S]*--remote/],
    [["--world", "w", "--tickets", "none.txt"], /--tickets: .*none\.txt cannot be read/],
    [["--world", "w", "--tickets", "a", "--key-file", "b"], /allowed: one of them/],
    [["--world", "meadow", ...url, "--message", "sing"], /--message: found sing, allowed: shout/],
    [["--world", "nowhere", ...url], /unknown-world[\s\S]*--world names a world/, 1],
  ];
  for (const [args, pattern, exit = 2] of cases) {
    const { code, out, talk } = await loadgen(args);
    assert.match(talk, pattern);
    assert.deepEqual([code, out], [exit, ""], args.join(" "));
  }
});
