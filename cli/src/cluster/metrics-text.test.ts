import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { figuresOf, parseMetrics } from "./metrics-text.ts";

const TEXT = `# HELP atlasnet_process_memory_bytes Memory
# TYPE atlasnet_process_memory_bytes gauge
atlasnet_process_memory_bytes{kind="rss"} 104857600
atlasnet_process_memory_bytes{kind="heap"} 5000
atlasnet_process_cpu_seconds_total{mode="user"} 1.5
atlasnet_process_cpu_seconds_total{mode="system"} 0.25 1700000000000
atlasnet_proxy_connections{transport="framed"} 3
atlasnet_proxy_connections{transport="websocket"} 4
atlasnet_world_sessions{world="arena"} 5
atlasnet_world_sessions{world="sandbox"} 6
atlasnet_link_open{adapter="quic"} 2
atlasnet_proxy_link_up{peer="gs-1"} 1
atlasnet_proxy_link_up{peer="gs-2"} 0
`;

test("the figures of a proxy, a gameserver and an apiserver", () => {
  const samples = parseMetrics(TEXT);
  const common = {
    leads: false,
    worlds: ["arena", "sandbox"],
    rssBytes: 104_857_600,
    cpuSeconds: 1.75,
  };
  assert.deepEqual(figuresOf("proxy", samples), { ...common, players: 7, linksUp: 1 });
  const raft = parseMetrics(`${TEXT}atlasnet_raft_is_leader 1\n`);
  const apiserver = { ...common, players: undefined, linksUp: 2, leads: true };
  assert.deepEqual(figuresOf("apiserver", raft), apiserver);
  assert.deepEqual(figuresOf("gameserver", samples), { ...common, players: 11, linksUp: 2 });
});

test("what a process does not say is not 0", () => {
  const { players, linksUp } = figuresOf("proxy", parseMetrics("other 1\n"));
  assert.deepEqual([players, linksUp], [undefined, undefined]);
});

test("labels with quotes, commas and braces, values of all forms", () => {
  assert.deepEqual(
    parseMetrics('a{x="}, y=\\"1\\"",z="\\\\n\\n"} 1e3\nb +Inf\nc -Inf\nd NaN\ne{} 2\nf\n{} 1\n'),
    [
      { name: "a", labels: { x: '}, y="1"', z: "\\n\n" }, value: 1000 },
      { name: "b", labels: {}, value: Infinity },
      { name: "c", labels: {}, value: -Infinity },
      { name: "e", labels: {}, value: 2 },
    ],
  );
});

test("whatever comes is passed over", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      for (const { value } of parseMetrics(text)) assert.ok(!Number.isNaN(value));
    }),
  );
});
