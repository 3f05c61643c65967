import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { Footer } from "./footer.ts";

const ESCAPE = "\u001b";
const WRITTEN = new RegExp(`^(?:${ESCAPE}\\[(\\d+)A\\r${ESCAPE}\\[J)?([^${ESCAPE}]*)$`);

/** A terminal that understands what a footer writes: lines, and "so many up, then clear below". */
function scene({
  rows = 24,
  lines = () => ["A", "B"],
}: {
  rows?: number;
  lines?: () => string[];
} = {}) {
  const clock = new SimClock();
  const screen: string[] = [];
  let writes = 0;
  const out = (text: string) => {
    writes += 1;
    const [, up = "0", rest = ""] = WRITTEN.exec(text) ?? [];
    screen.splice(screen.length - Number(up), Number(up), ...rest.split("\n").slice(0, -1));
  };
  const footer = new Footer({ clock, out, rows: () => rows, lines });
  return { clock, screen, footer, writes: () => writes };
}

test("lines scroll above the footer, which is drawn anew below them", () => {
  let count = 0;
  const { clock, screen, footer } = scene({ lines: () => [`drawn ${++count}`] });
  footer.print("one");
  clock.advance(1_000);
  assert.deepEqual(screen, ["one", "drawn 1"]);
  footer.print("two");
  footer.print("three");
  clock.advance(1_000);
  assert.deepEqual(screen, ["one", "two", "three", "drawn 2"]);
  footer.refresh();
  clock.advance(1_000);
  assert.deepEqual(screen, ["one", "two", "three", "drawn 3"]);
});

test("a flood of lines is one write", () => {
  const { clock, screen, footer, writes } = scene();
  for (let n = 0; n < 1_000; n++) footer.print(String(n));
  clock.advance(1_000);
  assert.equal(writes(), 1);
  assert.equal(screen.length, 1_002);
});

test("at the end the footer is gone, nothing that waited is lost, and lines go through", () => {
  const { clock, screen, footer } = scene();
  footer.print("one");
  clock.advance(1_000);
  footer.print("two");
  footer.end();
  footer.end();
  footer.print("three");
  clock.advance(1_000);
  assert.deepEqual(screen, ["one", "two", "three"]);
});

test("a low terminal keeps room for lines", () => {
  const { clock, screen, footer } = scene({ rows: 5 });
  footer.refresh();
  clock.advance(1_000);
  assert.deepEqual(screen, ["A"]);
});
