import assert from "node:assert/strict";
import { test } from "node:test";
import { indexPage } from "./index-page.ts";

test("worlds with a page are links, others are named", () => {
  const html = indexPage([
    { world: "arena", playable: true },
    { world: "lobby", playable: false },
  ]);
  assert.match(html, /<a href="\/arena\/"><b>arena<\/b>/);
  assert.match(html, /<b>lobby<\/b>/);
  assert.doesNotMatch(html, /href="\/lobby/);
});

test("a name is text, whatever is in it", () => {
  const html = indexPage([{ world: `<i>"&'`, playable: true }]);
  assert.match(html, /<b>&lt;i&gt;&quot;&amp;&#39;<\/b>/);
  assert.doesNotMatch(html, /<i>/);
  assert.match(html, /href="\/%3Ci%3E%22%26'\/"/);
});
