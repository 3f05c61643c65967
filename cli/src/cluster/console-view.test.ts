import assert from "node:assert/strict";
import { test } from "node:test";
import { stripVTControlCharacters } from "node:util";
import { SimClock } from "@atlasnet/core/sim";
import { ConsoleView } from "./console-view.ts";
import type { NodeRow } from "./table.ts";

const ROW: NodeRow = {
  node: "gs-1",
  role: "gameserver",
  pid: 4711,
  state: "ready",
  players: 1,
  linksUp: 1,
  linksWanted: 1,
  cores: 0.1,
  rssBytes: 1e8,
  restarts: 0,
  serves: "arena",
};
const JSON_LINE = JSON.stringify({
  level: "info",
  time: "no time",
  node: "gs-1",
  msg: "It is open.",
  n: 1,
});

function scene({
  live,
  pretty,
  env = {},
}: {
  live: boolean;
  pretty: boolean;
  env?: { [name: string]: string };
}) {
  const clock = new SimClock();
  let text = "";
  const view = new ConsoleView(
    { nodes: ["gs-1"], pretty },
    {
      io: {
        talk: (part) => {
          text += part;
        },
        live,
        liveSize: () => ({ rows: 24, columns: 80 }),
        env,
      },
      clock,
      rows: () => [ROW],
    },
  );
  return {
    view,
    shown: () => {
      clock.advance(1_000);
      return text;
    },
  };
}

test("on a pipe: lines as they are, and a line for each change of state", () => {
  const { view, shown } = scene({ live: false, pretty: false });
  view.line("gs-1", JSON_LINE);
  view.changed("gs-1", "ready", "", 4711);
  view.changed("gs-1", "restarting", "exited with code 1; starts again in 1 s", undefined);
  view.changed("gs-1", "exited", "", undefined);
  view.end();
  assert.equal(
    shown(),
    `[gs-1] ${JSON_LINE}\n` +
      "[cluster] gs-1 is ready (process 4711)\n" +
      "[cluster] gs-1 died: exited with code 1; starts again in 1 s\n" +
      "[cluster] gs-1 has ended\n",
  );
});

test("on a terminal: lines for people with the table below, which says what lines need not", () => {
  const { view, shown } = scene({ live: true, pretty: true });
  view.line("gs-1", JSON_LINE);
  view.changed("gs-1", "ready", "", 4711);
  view.changed("gs-1", "failing", "no answer", 4711);
  const text = shown();
  assert.ok(text.includes("\u001b[36m[gs-1]"), "coloured");
  const lines = stripVTControlCharacters(text).split("\n");
  assert.deepEqual(lines.slice(0, 3), [
    "[gs-1] no time INFO  It is open. n=1",
    "[cluster] gs-1 is failing (process 4711): no answer",
    "",
  ]);
  assert.match(lines[3] ?? "", /^NODE +STATE/);
  assert.match(lines[4] ?? "", /^gs-1 +ready +4711 .* arena$/);
});

test("NO_COLOR: the table, without colours; a terminal that can nothing: no table", () => {
  const plain = scene({ live: true, pretty: true, env: { NO_COLOR: "1" } });
  plain.view.line("gs-1", "\u001b[31mred\u001b[0m");
  assert.match(plain.shown(), /^\[gs-1\] red\n\nNODE /);
  const dumb = scene({ live: true, pretty: true, env: { TERM: "dumb" } });
  dumb.view.changed("gs-1", "ready", "", 1);
  assert.equal(dumb.shown(), "[cluster] gs-1 is ready (process 1)\n");
});
