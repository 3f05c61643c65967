import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { type NodeRow, renderCluster } from "./table.ts";

const PROXY: NodeRow = {
  node: "proxy-1",
  role: "proxy",
  pid: 31_245,
  state: "ready",
  players: 12,
  linksUp: 2,
  linksWanted: 2,
  cores: 0.034,
  rssBytes: 92_300_000,
  restarts: 0,
  serves: ":2555",
};
const GAMESERVER: NodeRow = {
  ...PROXY,
  node: "gs-1",
  role: "gameserver",
  pid: undefined,
  state: "restarting",
  players: undefined,
  linksUp: undefined,
  cores: undefined,
  rssBytes: undefined,
  restarts: 3,
  serves: "arena, and-another-world",
};

test("80 columns hold everything but the role", () => {
  const lines = renderCluster([PROXY, GAMESERVER], { width: 80, colours: false });
  assert.deepEqual(lines, [
    "NODE     STATE          PID  PLAYERS  LINKS    CPU   MEMORY  RESTARTS  SERVES",
    "proxy-1  ready        31245       12    2/2    3 %    92 MB         0  :2555",
    "gs-1     restarting       -        -      -      -        -         3  arena, a…",
  ]);
});

test("wider ones show the role, too; nothing is wider than the terminal", () => {
  const [head = "", line = ""] = renderCluster([PROXY], { width: 100, colours: false });
  assert.match(head, /^NODE +ROLE +STATE/);
  assert.match(line, /^proxy-1 +proxy +ready/);
  for (const width of [1, 20, 79, 80, 91, 92, 200])
    for (const text of renderCluster([PROXY, GAMESERVER], { width, colours: false }))
      assert.ok(text.length <= width, `${width}: ${text}`);
});

test("colours add nothing but colours", () => {
  const plain = renderCluster([PROXY, GAMESERVER], { width: 80, colours: false });
  const coloured = renderCluster([PROXY, GAMESERVER], { width: 80, colours: true });
  assert.ok(coloured[1]?.includes("\u001b[32mready\u001b[0m"));
  assert.ok(coloured[2]?.includes("\u001b[33mrestarting\u001b[0m"));
  assert.deepEqual(coloured.map(stripVTControlCharacters), plain);
});
