import assert from "node:assert/strict";
import { resolve } from "node:path";
import test from "node:test";
import fc from "fast-check";
import { parse } from "smol-toml";
import { buildConfig, type LoadedConfig } from "./build-config.ts";
import { ConfigError } from "./config-error.ts";
import type { ConfigFlag } from "./gathering.ts";
import { originText } from "./origin.ts";
import { envName, type HostFacts } from "./setting.ts";
import { settings } from "./settings.ts";
import { tomlLines } from "./toml-lines.ts";

const host: HostFacts = {
  hostname: "host-1",
  cores: 4,
  workingDir: resolve("/srv"),
  resolvePath: resolve,
};

interface Given {
  toml?: string;
  env?: { [name: string]: string };
  flags?: { [path: string]: string };
}

function build({ toml, env = {}, flags = {} }: Given): LoadedConfig {
  const list: ConfigFlag[] = Object.entries(flags).map(([path, text]) => ({
    name: `--${path}`,
    path,
    text,
  }));
  if (toml === undefined) return buildConfig({ env, flags: list }, host);
  const file = {
    name: "a.toml",
    folder: resolve("/etc/atlasnet"),
    table: parse(toml),
    line: tomlLines(toml),
  };
  return buildConfig({ file, env, flags: list }, host);
}

function problemsOf(given: Given): string[] {
  try {
    build(given);
  } catch (error) {
    assert.ok(error instanceof ConfigError, String(error));
    return error.message.split("\n");
  }
  return [];
}

test("without anything given, the defaults hold", () => {
  const { config, origins } = build({});
  assert.equal(config.node.id, "host-1");
  assert.equal(config.data.dir, resolve("/srv/data"));
  assert.equal(config.tickets.keyFile, resolve("/srv/data/keys/tickets.jwks.json"));
  assert.equal(config.proxy.port, 2555);
  assert.equal(config.gameserver.threads, 3);
  assert.equal(config.proxy.tls.cert, undefined);
  assert.equal(config.proxy.udp.port, undefined);
  assert.equal(config.proxy.udp.keyFile, resolve("/srv/data/keys/udp.jwk.json"));
  assert.deepEqual(config.worlds, []);
  for (const path of Object.keys(settings))
    assert.deepEqual(origins.get(path), { kind: "default" }, path);
});

test("flag beats environment beats file beats default, and origins say so", () => {
  const toml = "[proxy]\nport = 1001\nhost = 'a'\n[http]\nport = 1002\n[health]\nport = 1003\n";
  const env = { ATLASNET_PROXY_PORT: "2001", ATLASNET_HTTP_PORT: "2002" };
  const { config, origins } = build({ toml, env, flags: { "proxy.port": "3001" } });
  const seen = [config.proxy.port, config.http.port, config.health.port, config.log.level];
  assert.deepEqual(seen, [3001, 2002, 1003, "info"]);
  const where = ["proxy.port", "http.port", "health.port", "log.level"].map((path) => {
    const origin = origins.get(path);
    return origin && originText(origin);
  });
  assert.deepEqual(where, ["--proxy.port", "ATLASNET_HTTP_PORT", "a.toml:7", "default"]);
});

test("paths of the file start at its folder, others at the working folder", () => {
  assert.equal(build({ toml: 'data.dir = "d"' }).config.data.dir, resolve("/etc/atlasnet/d"));
  const { config } = build({ toml: 'data.dir = "d"', flags: { "data.dir": "e" } });
  assert.equal(config.data.dir, resolve("/srv/e"));
  assert.equal(config.tickets.keyFile, resolve("/srv/e/keys/tickets.jwks.json"));
});

test("the configuration cannot be changed afterwards", () => {
  const { config } = build({ toml: '[worlds.a]\nmodule = "m"\nconfig = { list = [1] }' });
  const parts: unknown[] = [config, config.proxy.limits, config.worlds, config.worlds[0]?.config];
  for (const part of parts) assert.ok(Object.isFrozen(part));
});

test("camelCase settings have environment names with underscores", () => {
  assert.equal(envName("proxy.allowGuests"), "ATLASNET_PROXY_ALLOW_GUESTS");
  assert.equal(envName("proxy.limits.maxMessageBytes"), "ATLASNET_PROXY_LIMITS_MAX_MESSAGE_BYTES");
  const names = Object.keys(settings).map(envName);
  assert.equal(new Set(names).size, names.length);
  const { config } = build({ env: { ATLASNET_PROXY_ALLOW_GUESTS: "false" } });
  assert.equal(config.proxy.allowGuests, false);
});

test("every kind of wrong value names place, field, what was found and what is allowed", () => {
  const cases: [Given, string][] = [
    [
      { toml: "\n[proxy]\nport = 70000" },
      "a.toml:3: proxy.port: found 70000, allowed: an integer from 0 to 65535",
    ],
    [
      { toml: "[proxy]\nport = '2555'" },
      'a.toml:2: proxy.port: found "2555", allowed: an integer from 0 to 65535',
    ],
    [
      { toml: "proxy.port = 1.5" },
      "a.toml:1: proxy.port: found 1.5, allowed: an integer from 0 to 65535",
    ],
    [
      { env: { ATLASNET_PROXY_PORT: "0x10" } },
      'ATLASNET_PROXY_PORT: proxy.port: found "0x10", allowed: an integer from 0 to 65535',
    ],
    [
      { flags: { "snapshot.intervalMs": "5s" } },
      '--snapshot.intervalMs: snapshot.intervalMs: found "5s", allowed: an integer from 1000 to 86400000 (ms)',
    ],
    [
      { toml: "[proxy]\nallowGuests = 1" },
      "a.toml:2: proxy.allowGuests: found 1, allowed: true or false",
    ],
    [
      { flags: { "journal.enabled": "maybe" } },
      '--journal.enabled: journal.enabled: found "maybe", allowed: true or false',
    ],
    [
      { toml: 'log.level = "loud"' },
      'a.toml:1: log.level: found "loud", allowed: one of debug, info, warn, error, silent',
    ],
    [
      { toml: 'telemetry.otlpEndpoint = "localhost"' },
      'a.toml:1: telemetry.otlpEndpoint: found "localhost", allowed: an http:// or https:// address',
    ],
    [{ toml: 'data.dir = ""' }, 'a.toml:1: data.dir: found "", allowed: a path'],
    [{ toml: "data.dir = [1]" }, "a.toml:1: data.dir: found a list, allowed: a path"],
    [{ toml: "proxy = 5" }, "a.toml:1: proxy: found 5, allowed: a table, as in [proxy]"],
    [
      { toml: "proxy.limits = 1979-05-27" },
      "a.toml:1: proxy.limits: found a date, allowed: a table, as in [proxy.limits]",
    ],
    [
      { toml: "proxy.port = {a = 1}" },
      "a.toml:1: proxy.port: found a table, allowed: an integer from 0 to 65535",
    ],
  ];
  for (const [given, problem] of cases) assert.deepEqual(problemsOf(given), [problem]);
});

test("unknown names are refused, with what was probably meant", () => {
  const cases: [Given, string][] = [
    [
      { toml: "[proxy]\nprot = 1" },
      "a.toml:2: proxy.prot: no such setting; did you mean proxy.port?",
    ],
    [{ toml: "[prxy]\nport = 1" }, "a.toml:1: prxy: no such setting; did you mean proxy?"],
    [{ toml: "[world.a]" }, "a.toml:1: world: no such setting; did you mean worlds?"],
    [{ toml: "[zzzzzz]" }, "a.toml:1: zzzzzz: no such setting"],
    [
      { env: { ATLASNET_PROXY_PROT: "1" } },
      "ATLASNET_PROXY_PROT: no such setting; did you mean ATLASNET_PROXY_PORT?",
    ],
    [
      { flags: { "proxy.alowGuests": "true" } },
      "--proxy.alowGuests: proxy.alowGuests: no such setting; did you mean proxy.allowGuests?",
    ],
  ];
  for (const [given, problem] of cases) assert.deepEqual(problemsOf(given), [problem]);
});

test("every problem is named, also of values that another layer replaces", () => {
  const problems = problemsOf({
    toml: "proxy.port = -1\nlog.level = 2",
    flags: { "proxy.port": "1" },
  });
  assert.equal(problems.length, 2);
});

test("variables that are empty, or set by Docker and Kubernetes links, are passed over", () => {
  const env = {
    ATLASNET_PROXY_PORT: "",
    ATLASNET_SERVICE_HOST: "10.0.0.1",
    ATLASNET_SERVICE_PORT_PLAYERS: "2555",
    ATLASNET_PORT: "tcp://10.0.0.1:2555",
    ATLASNET_PORT_2555_TCP_ADDR: "10.0.0.1",
    PATH: "/bin",
  };
  assert.equal(build({ env }).config.proxy.port, 2555);
});

test("settings that contradict each other are refused where they were set", () => {
  const cases: [Given, RegExp][] = [
    [{ toml: "[proxy.tls]\ncert = 'c.pem'" }, /^a\.toml:2: proxy\.tls\.cert: .* belong together/],
    [{ flags: { "proxy.limits.byteBurst": "2000" } }, /^--proxy\.limits\.byteBurst: .* at least/],
    [
      { flags: { "proxy.limits.stateBacklogBytes": "2000000" } },
      /^proxy\.limits\.reliableBacklogBytes: found 1048576, allowed: at least .*2000000/,
    ],
    [{ flags: { "http.port": "2555" } }, /^--http\.port: http\.port: 2555 is proxy\.port too/],
    [{ flags: { "health.port": "3000" } }, /^--health\.port: .* two servers need two ports/],
  ];
  for (const [given, pattern] of cases) {
    const problems = problemsOf(given);
    assert.equal(problems.length, 1, problems.join("\n"));
    assert.match(problems[0] ?? "", pattern);
  }
  const anyPorts = { "proxy.port": "0", "http.port": "0", "health.port": "0" };
  assert.deepEqual(problemsOf({ flags: anyPorts }), []);
});

test("any text for any setting is taken as its value or refused by its name", () => {
  fc.assert(
    fc.property(
      fc.constantFrom(...Object.keys(settings)),
      fc.oneof(fc.string(), fc.integer().map(String), fc.constantFrom("true", "info", "http://a")),
      (path, text) => {
        for (const given of [{ flags: { [path]: text } }, { env: { [envName(path)]: text } }]) {
          const problems = problemsOf(given);
          if (problems.length > 0) assert.ok(problems.join("\n").includes(path));
        }
      },
    ),
    { numRuns: 200 },
  );
});

test("multicast goes to multicast groups, topics come as a list", () => {
  assert.equal(build({}).config.gameserver.multicast.address, undefined);
  assert.deepEqual(build({}).config.gameserver.multicast.topics, []);
  const { config } = build({
    toml: "gameserver.multicast.topics = ['arena/scores', 'arena/cell/3,4']",
    flags: { "gameserver.multicast.address": "239.255.0.1:30001" },
  });
  assert.equal(config.gameserver.multicast.address, "239.255.0.1:30001");
  assert.deepEqual(config.gameserver.multicast.topics, ["arena/scores", "arena/cell/3,4"]);
  const env = { ATLASNET_GAMESERVER_MULTICAST_TOPICS: " a/cell/1,2,3  b/c " };
  assert.deepEqual(build({ env }).config.gameserver.multicast.topics, ["a/cell/1,2,3", "b/c"]);
  for (const address of [
    "10.0.0.1:1",
    "240.0.0.1:1",
    "239.256.0.1:1",
    "239.0.0.1:0",
    "[ff02::1]:1",
  ])
    assert.match(
      problemsOf({ flags: { "gameserver.multicast.address": address } }).join(),
      /gameserver\.multicast\.address: found .*, allowed: an IPv4 multicast group/,
      address,
    );
  const many = Array.from({ length: 65 }, (_, n) => `a/cell/0,${n}`).join(" ");
  for (const topics of ["arena", "arena/cell/1", "arena/cell/01,2", "a/b/c", many])
    assert.match(
      problemsOf({ flags: { "gameserver.multicast.topics": topics } }).join(),
      /gameserver\.multicast\.topics: found .*, allowed: a list of at most 64, each WORLD\/CHANNEL/,
      topics,
    );
});

test("flags of a list add up; of other settings the last one counts", () => {
  const flag = (name: string, path: string, text: string): ConfigFlag => ({ name, path, text });
  const given = [
    flag("--peer", "links.peers", "gs-1=h:1"),
    flag("--links.peers", "links.peers", "gs-2=h:2 gs-3=[::1]:3"),
    flag("--port", "proxy.port", "1"),
    flag("--proxy.port", "proxy.port", "2"),
  ];
  const env = { ATLASNET_LINKS_PEERS: "gs-9=h:9" };
  const { config, origins } = buildConfig({ env, flags: given }, host);
  assert.deepEqual(config.links.peers, ["gs-1=h:1", "gs-2=h:2", "gs-3=[::1]:3"]);
  assert.deepEqual(origins.get("links.peers"), { kind: "flag", name: "--links.peers" });
  assert.equal(config.proxy.port, 2);
});

test("a path may be the address of a bucket where its setting allows that; a folder is relative as ever", () => {
  const store = (text: string) =>
    build({ toml: `artifacts.store = ${JSON.stringify(text)}` }).config.artifacts.store;
  assert.equal(store("s3://games/atlasnet?region=eu"), "s3://games/atlasnet?region=eu");
  assert.equal(store("../store"), resolve("/etc/store"));
  assert.equal(
    build({ toml: 'data.dir = "s3://x"' }).config.data.dir,
    resolve("/etc/atlasnet/s3://x"),
  );
});
