import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import type { Config } from "@atlasnet/core";
import { loadOrCreateKeyFile } from "@atlasnet/core/node";
import type { AtlasNetServer } from "@atlasnet/monolith";
import type { CliIo } from "./cli-io.ts";
import type { MonolithFactory } from "./commands/monolith.ts";
import { runCommand } from "./testing/command.ts";
import { version } from "./version.ts";

async function tempDir(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-cli-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

interface Options extends Partial<CliIo> {
  readonly monolith?: MonolithFactory;
}

const cli = (args: string[], { monolith, ...io }: Options = {}) =>
  runCommand(args, io, monolith && { loadMonolith: async () => monolith });

test("--version and --help answer on stdout with 0", async () => {
  assert.deepEqual(await cli(["--version"]), { code: 0, out: `${version}\n`, talk: "" });
  const { code, out } = await cli(["monolith", "--help"]);
  assert.equal(code, 0);
  assert.match(out, /^ {2}--proxy\.port, --port$/m);
  assert.match((await cli(["--help"])).out, /^Exit codes:$/m);
});

test("what is not understood ends with 2, and with what was probably meant", async () => {
  const cases: [string[], RegExp][] = [
    [["monolit"], /Did you mean monolith\?/],
    [
      ["config", "print", "--proxy.prot", "1"],
      /unknown option '--proxy\.prot'; did you mean --proxy\.port\?/,
    ],
    [["config", "print", "--output", "xml"], /Allowed choices are toml, json/],
    [["ticket", "issue", "--world", "w"], /required option '--account/],
    [["build"], /nothing to build/],
    [["build", "--world", "x"], /--world: found "x", allowed: name=file/],
    [["monolith", "--world", "x"], /--world: found "x", allowed: name=module/],
    [["monolith", "--port", "x"], /--port: proxy\.port: found "x", allowed: an integer/],
    [["monolith", "--config", "none.toml"], /none\.toml: cannot be read: no such file/],
  ];
  for (const [args, pattern] of cases) {
    const { code, out, talk } = await cli(args);
    assert.match(talk, pattern);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
    assert.doesNotMatch(talk, /\n {4}at /, "no stack");
  }
});

test("--verbose shows where an error came from", async () => {
  const { talk } = await cli(["--verbose", "monolith", "--port", "x"]);
  assert.match(talk, /\n {4}at /);
});

test("config print shows values and origins, of flag, environment and file", async (t) => {
  const workingDir = await tempDir(t);
  await writeFile(join(workingDir, "a.toml"), "[log]\nlevel = 'warn'\n");
  const args = ["config", "print", "-c", "a.toml", "--proxy.port=1", "--port", "2", "--fresh"];
  const env = { ATLASNET_HTTP_PORT: "3" };
  const { code, out } = await cli([...args, "--output", "json"], { workingDir, env });
  assert.equal(code, 0);
  const json = JSON.parse(out);
  assert.deepEqual(json["proxy.port"], { value: 2, origin: "--port" });
  assert.deepEqual(json["data.fresh"], { value: true, origin: "--fresh" });
  assert.deepEqual(json["http.port"], { value: 3, origin: "ATLASNET_HTTP_PORT" });
  assert.deepEqual(json["log.level"], { value: "warn", origin: "a.toml:2" });
  const toml = await cli(args, { workingDir, env });
  assert.match(toml.out, /^port = 2 +# --port$/m);
});

test("config/atlasnet.example.toml is what `atlasnet config example` prints", async () => {
  const file = new URL("../../config/atlasnet.example.toml", import.meta.url);
  const { out } = await cli(["config", "example"]);
  const kept = (await readFile(file, "utf8")).replaceAll("\r\n", "\n");
  assert.equal(
    kept,
    out,
    "Settings changed: node cli/dist/main.js config example > config/atlasnet.example.toml",
  );
});

test("ticket issue prints nothing but a ticket of the data folder's key", async (t) => {
  const workingDir = await tempDir(t);
  const args = ["ticket", "issue", "--account", "ann", "--world", "arena", "--data", "d"];
  const before = Math.floor(Date.now() / 1000);
  const { code, out, talk } = await cli(
    [...args, "--name", "Ann", "--claims", '{"level": 3}', "--ttl", "30m"],
    { workingDir },
  );
  assert.equal(code, 0, talk);
  assert.match(out, /^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  assert.match(talk, /^Made a new key in .*tickets\.jwks\.json/);
  const { keys } = await loadOrCreateKeyFile(join(workingDir, "d", "keys", "tickets.jwks.json"));
  const answer = await keys.verify(out.trim(), before);
  assert.ok(answer.ok);
  const { expiresAt, ...claims } = answer.claims;
  assert.deepEqual(claims, { account: "ann", world: "arena", name: "Ann", data: { level: 3 } });
  assert.ok(expiresAt >= before + 1800);
  assert.equal((await cli(args, { workingDir })).talk, "", "the key is there now");
});

test("ticket issue refuses what no ticket may say", async (t) => {
  const workingDir = await tempDir(t);
  const args = ["ticket", "issue", "--account", "a", "--world", "w"];
  const cases: [string[], RegExp][] = [
    [["--ttl", "1"], /--ttl: found "1", allowed: 1s to 3650d, a whole number/],
    [["--ttl", "0s"], /--ttl: found "0s"/],
    [["--claims", "{"], /--claims: found what is not JSON/],
    [["--claims", "[1]"], /--claims: found \[1\], allowed: a JSON object/],
    [["--account", ""], /sub must have 1 to 128 bytes, found 0/],
  ];
  for (const [more, pattern] of cases) {
    const { code, out, talk } = await cli([...args, ...more], { workingDir });
    assert.deepEqual([code, out], [2, ""]);
    assert.match(talk, pattern);
  }
});

test("init makes a game, and refuses a folder with something in it", async (t) => {
  const workingDir = await tempDir(t);
  const made = await cli(["init", "game"], { workingDir });
  assert.equal(made.code, 0, made.talk);
  assert.match(made.out, /cd game/);
  assert.ok(existsSync(join(workingDir, "game", "src", "world.ts")));
  const again = await cli(["init", "game"], { workingDir });
  assert.equal(again.code, 1);
  assert.match(again.talk, /game is not empty: .*\n {2}Choose a folder/);
});

/** A server that notes what is asked of it. */
function recorded(calls: string[], behaviour: Partial<AtlasNetServer> = {}) {
  const configs: Config[] = [];
  const monolith: MonolithFactory = ({ config }) => {
    configs.push(config);
    const note = (name: string) => () => {
      calls.push(name);
      return Promise.resolve();
    };
    return {
      start: note("start"),
      drain: note("drain"),
      stop: note("stop"),
      swap: note("swap"),
      notice: note("notice"),
      addresses: {
        players: { host: "0.0.0.0", port: 4001, udpPort: 4009 },
        health: { host: "127.0.0.1", port: 4002 },
        pages: { host: "::", port: 4003 },
        api: { host: "127.0.0.1", port: 4004 },
      },
      ...behaviour,
    };
  };
  return { monolith, configs };
}

test("monolith starts, says where to connect, and drains before it stops", async () => {
  const calls: string[] = [];
  const { monolith, configs } = recorded(calls);
  const controller = new AbortController();
  const running = cli(["monolith", "--world", "a=./a.mjs"], { monolith, stop: controller.signal });
  controller.abort();
  const { code, out, talk } = await running;
  assert.equal(code, 0, talk);
  assert.deepEqual(calls, ["start", "drain", "stop"]);
  assert.deepEqual(
    configs[0]?.worlds.map(({ name }) => name),
    ["a"],
  );
  assert.equal(out, "");
  assert.match(talk, /Play +http:\/\/localhost:4003$/m);
  assert.match(talk, /Players +localhost:4001 +\(TCP, WebSocket, UDP at port 4009\)$/m);
  assert.match(talk, /Health +http:\/\/127\.0\.0\.1:4002\/ready$/m);
  assert.match(talk, /Worlds +a$/m);
  assert.match(talk, /Guests +welcome/m);
});

test("without worlds the examples run", async () => {
  const { monolith, configs } = recorded([]);
  const { talk } = await cli(["monolith"], { monolith, stop: AbortSignal.abort() });
  assert.deepEqual(
    configs[0]?.worlds.map(({ name, module }) => [name, module]),
    [
      ["arena", "@atlasnet/example-arena"],
      ["sandbox", "@atlasnet/example-sandbox"],
    ],
  );
  assert.match(talk, /Worlds +arena, sandbox {2}\(the examples/m);
});

test("a server that cannot start is stopped again, and ends with 1", async () => {
  const calls: string[] = [];
  const start = () => Promise.reject(new Error("port in use"));
  const { monolith } = recorded(calls, { start });
  const { code, talk } = await cli(["monolith"], { monolith });
  assert.equal(code, 1);
  assert.match(talk, /^error: Error: port in use/);
  assert.deepEqual(calls, ["stop"]);
});
