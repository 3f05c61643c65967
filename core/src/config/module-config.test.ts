import assert from "node:assert/strict";
import { resolve } from "node:path";
import test from "node:test";
import { parse } from "smol-toml";
import { buildConfig, type LoadedConfig } from "./build-config.ts";
import { ConfigError } from "./config-error.ts";
import type { ConfigFlag } from "./gathering.ts";
import { originText } from "./origin.ts";
import { tomlLines } from "./toml-lines.ts";

const FOLDER = resolve("/etc/atlasnet");
const WORKING = resolve("/srv");

function build(toml: string, flags: string[] = [], env = {}): LoadedConfig {
  const list: ConfigFlag[] = flags.map((text) => ({ name: "--world", path: "worlds", text }));
  const file = { name: "a.toml", folder: FOLDER, table: parse(toml), line: tomlLines(toml) };
  return buildConfig(
    { file, env, flags: list },
    { hostname: "h", cores: 1, workingDir: WORKING, resolvePath: resolve },
  );
}

function problemsOf(toml: string, flags: string[] = [], env = {}): string[] {
  try {
    build(toml, flags, env);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.split("\n");
  }
  return [];
}

const ARENA = `
[worlds.arena]
module = "./arena.ts"
durability = "snapshot"
graceSeconds = 5
config = { bots = 8, names = ["a", "b"] }
`;

test("worlds and services come from the file, with what they inherit", () => {
  const toml = `${ARENA}[worlds.plain]\nmodule = "pkg"\nsleepAfterSeconds = 60\n[services.clock]\nmodule = "./c.ts"`;
  const { config } = build(toml);
  assert.deepEqual(config.worlds, [
    {
      name: "arena",
      module: "./arena.ts",
      from: FOLDER,
      config: { bots: 8, names: ["a", "b"] },
      durability: "snapshot",
      graceSeconds: 5,
    },
    {
      name: "plain",
      module: "pkg",
      from: FOLDER,
      config: {},
      durability: "journal",
      graceSeconds: 30,
      sleepAfterSeconds: 60,
    },
  ]);
  assert.deepEqual(config.services, [{ name: "clock", module: "./c.ts", from: FOLDER }]);
});

test("a flag replaces the module of a world and keeps the rest; others are added", () => {
  const { config, origins } = build(ARENA, ["arena=b.ts", "more=c=d.ts"]);
  const [arena, more] = config.worlds;
  assert.deepEqual([arena?.module, arena?.from, arena?.graceSeconds], ["b.ts", WORKING, 5]);
  assert.deepEqual([more?.name, more?.module, more?.from], ["more", "c=d.ts", WORKING]);
  const where = ["arena.module", "arena.graceSeconds", "arena.config", "more.graceSeconds"].map(
    (path) => {
      const origin = origins.get(`worlds.${path}`);
      return origin && originText(origin);
    },
  );
  assert.deepEqual(where, ["--world", "a.toml:5", "a.toml:6", "default"]);
});

test("the environment names worlds and services as a list", () => {
  const env = { ATLASNET_WORLDS: "a=./a.ts, b=./b.ts", ATLASNET_SERVICES: "s=./s.ts" };
  const { config } = build("", [], env);
  assert.deepEqual(
    config.worlds.map(({ name, module }) => [name, module]),
    [
      ["a", "./a.ts"],
      ["b", "./b.ts"],
    ],
  );
  assert.deepEqual(config.services, [{ name: "s", module: "./s.ts", from: WORKING }]);
});

test("without journals, journal durability means snapshot", () => {
  const { config } = build(
    '[journal]\nenabled = false\n[worlds.a]\nmodule = "a"\n[worlds.b]\nmodule = "b"\ndurability = "none"',
  );
  assert.deepEqual(
    config.worlds.map((world) => world.durability),
    ["snapshot", "none"],
  );
});

test("wrong worlds are refused with place, found and allowed", () => {
  const cases: [string, RegExp][] = [
    ["worlds = 5", /^a\.toml:1: worlds: found 5, allowed: tables, as in \[worlds\.NAME\]$/],
    ["[worlds]\na = 5", /^a\.toml:2: worlds\.a: found 5, allowed: a table/],
    ["[worlds.a]", /^a\.toml:1: worlds\.a: has no module; .*module = "\.\/world\.ts"/],
    ["[worlds.a]\nmodule = 5", /^a\.toml:2: worlds\.a\.module: found 5, allowed: a path$/],
    ["[worlds.a]\nmodule = 'm'\nmodul = 'm'", /^a\.toml:3: .*did you mean module\?$/],
    [
      "[worlds.a]\nmodule = 'm'\nzzz = 1",
      /allowed: module, durability, graceSeconds, sleepAfterSeconds, config$/,
    ],
    [
      "[worlds.a]\nmodule = 'm'\ndurability = 'twice'",
      /^a\.toml:3: .*allowed: one of mirror, journal, snapshot, none$/,
    ],
    ["[worlds.a]\nmodule = 'm'\nconfig = 5", /^a\.toml:3: worlds\.a\.config: found 5, .*a table$/],
    [
      "[worlds.a]\nmodule = 'm'\n[worlds.a.config]\nwhen = [1979-05-27]",
      /^a\.toml:4: worlds\.a\.config\.when\[0\]: found a date, allowed: text/,
    ],
    ["[worlds.'a b']\nmodule = 'm'", /a name is letters, digits/],
    ["[services.a]\nmodule = 'm'\nconfig = {}", /no such setting; allowed: module$/],
  ];
  for (const [toml, pattern] of cases) {
    const problems = problemsOf(toml);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", pattern);
  }
  for (const flag of ["arena", "=x", "arena=", "a b=c"]) {
    const problems = problemsOf("", [flag]);
    assert.equal(problems.length, 1);
    assert.match(problems[0] ?? "", /^--world: found .*, allowed: /);
  }
});
