import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { prettyLine } from "./pretty-line.ts";

const TIME = "2026-11-21T18:01:43.057Z";
const line = (facts: object) =>
  JSON.stringify({
    level: "warn",
    time: TIME,
    node: "gs-1",
    role: "gameserver",
    ...facts,
    msg: "It is gone.",
  });
const withoutTime = (text: string | undefined) => text?.replace(/^\d\d:\d\d:43\.057 /, "");

test("message and facts are one line; what the prefix says is not said again", () => {
  const [text, ...more] = prettyLine(
    line({ peer: "proxy-1", why: "two words", n: 3, deep: { a: [1] } }),
    false,
  );
  assert.equal(
    withoutTime(text),
    'WARN  It is gone. peer=proxy-1 why="two words" n=3 deep={"a":[1]}',
  );
  assert.deepEqual(more, []);
});

test("an error is a fact, with its stack below", () => {
  const error = {
    type: "Error",
    message: "no room",
    stack: "Error: no room\n    at a (b.js:1:2)\n    at c",
  };
  const [text, ...stack] = prettyLine(line({ error }), false);
  assert.equal(withoutTime(text), 'WARN  It is gone. error="no room"');
  assert.deepEqual(stack, ["    at a (b.js:1:2)", "    at c"]);
  assert.equal(prettyLine(line({ error: { stack: "x\n".repeat(100) } }), false).length, 21);
  assert.equal(
    withoutTime(prettyLine(line({ error: "gone" }), false)[0]),
    "WARN  It is gone. error=gone",
  );
});

test("colours for level, time and facts", () => {
  const [text = ""] = prettyLine(line({ a: 1 }), true);
  assert.ok(
    text.includes("\u001b[33mWARN \u001b[0m It is gone. \u001b[90ma=1\u001b[0m"),
    JSON.stringify(text),
  );
});

test("whatever else a process writes stays as it is", () => {
  for (const text of ["error: port in use", "{", "[1]", "{}", '{"level":1}'])
    assert.deepEqual(prettyLine(text, true), [text]);
  fc.assert(
    fc.property(fc.json(), (text) => {
      assert.ok(prettyLine(text, false).length > 0);
    }),
  );
});
