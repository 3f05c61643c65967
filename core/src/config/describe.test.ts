import assert from "node:assert/strict";
import { resolve } from "node:path";
import test from "node:test";
import { parse } from "smol-toml";
import { buildConfig, type LoadedConfig } from "./build-config.ts";
import { configJson, configToml, exampleToml, settingFlags, settingsHelp } from "./describe.ts";
import { settings } from "./settings.ts";
import { tomlLines } from "./toml-lines.ts";

function build(toml: string): LoadedConfig {
  const file = { name: "a.toml", folder: resolve("/a"), table: parse(toml), line: tomlLines(toml) };
  const host = { hostname: "h", cores: 4, workingDir: resolve("/w"), resolvePath: resolve };
  return buildConfig({ file, env: {}, flags: [] }, host);
}

test("the help names every setting and keeps to its width", () => {
  const lines = settingsHelp(80).split("\n");
  for (const path of Object.keys(settings))
    assert.ok(
      lines.some((line) => line.trim().split(",")[0] === `--${path}`),
      path,
    );
  for (const line of lines) assert.ok(line.length <= 80, line);
});

test("aliases are unlike each other and unlike any setting", () => {
  const names = settingFlags.flatMap(({ flag, alias }) =>
    alias === undefined ? [flag] : [flag, alias],
  );
  assert.equal(new Set(names).size, names.length);
});

test("the example changes nothing as it is, and is valid with everything uncommented", () => {
  const example = exampleToml();
  assert.deepEqual(build(example).config, build("").config);
  // A cluster places worlds and finds peers by its apiservers, or by lists: not by both.
  const apiservers = /^# (apiservers = \[".+)$/m;
  const all = example.replace(apiservers, "").replaceAll(/^# (\w+ = .+|\[[\w.]+\])$/gm, "$1");
  const { config, origins } = build(all);
  assert.deepEqual(
    config.worlds.map(({ name }) => name),
    ["arena"],
  );
  const byLists = Object.keys(settings).filter((path) => path !== "cluster.apiservers");
  for (const path of byLists) assert.equal(origins.get(path)?.kind, "file", path);
  const byApiservers = build(example.replace(apiservers, "$1"));
  assert.equal(byApiservers.config.cluster.apiservers.length, 3);
});

test("a printed configuration says the same when it is read again", () => {
  const toml = `
[proxy]
port = 9
[worlds.arena]
module = "pkg"
config = { bots = 8, "odd key" = [true, "x\\"y"], deep = { a = 1.5 } }
`;
  const loaded = build(toml);
  const printed = configToml(loaded);
  assert.match(printed, /^port = 9 +# a\.toml:3$/m);
  assert.match(printed, /^host = "0\.0\.0\.0" +# default$/m);
  assert.deepEqual(build(printed).config, loaded.config);
});

test("JSON has value and origin of every setting", () => {
  const json = JSON.parse(configJson(build("[proxy]\nport = 9")));
  assert.deepEqual(json["proxy.port"], { value: 9, origin: "a.toml:2" });
  assert.deepEqual(json["proxy.tls.cert"], { value: null, origin: "default" });
  assert.deepEqual(Object.keys(json), Object.keys(settings));
});
