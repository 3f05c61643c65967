import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { parseRecord, recordLine } from "./record-line.ts";
import { Story } from "./testing/story.ts";

function everyKind() {
  const story = new Story('a "client"\nwith a name');
  story.attach();
  story.say();
  story.settle();
  story.shard.snapshot();
  story.rollBack(() => 0);
  story.record({ type: "asked", seq: 0 });
  story.record({ type: "resync" });
  story.record({ type: "resumed" });
  story.loseSession();
  story.attach();
  story.record({ type: "ended", code: "left", reason: "the player left" });
  story.record({ type: "hole", records: 3 });
  return story.records;
}

test("every kind of record is read back from its line", () => {
  const records = everyKind();
  assert.equal(new Set(records.map(({ event }) => event.type)).size, 19);
  for (const record of records) {
    const line = recordLine(record);
    assert.ok(!line.includes("\n"));
    assert.deepEqual(parseRecord(line), record);
  }
});

test("what is no record is refused in words", () => {
  const refused = (line: string, words: RegExp) =>
    assert.throws(() => parseRecord(line), { code: "bad-history", message: words });
  refused("", /JSON/);
  refused("{}", /list of client, time and event/);
  refused('["a",1]', /list of client/);
  refused('[1,1,{"type":"resumed"}]', /client/);
  refused('["a","1",{"type":"resumed"}]', /time/);
  refused('["a",1,{"type":"toString"}]', /no event/);
  refused('["a",1,{"type":"sent","seq":-1,"hash":1}]', /no event/);
  refused('["a",1,{"type":"sent","seq":1}]', /no event/);
  refused(`["${"a".repeat(20_000)}"]`, /characters/);
});

test("any text is a record or is refused", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseRecord(text);
      } catch (error) {
        assert.ok(error instanceof Error && "code" in error && error.code === "bad-history");
      }
    }),
  );
});
