import assert from "node:assert/strict";
import { test } from "node:test";
import { ABSENT, type MigrationRecord, type OwnerRecord, type Seen } from "@atlasnet/core";
import { MigrationSource, type SourceEvent } from "./source.ts";
import type { MovingView } from "./ticket.ts";

const RECORD: MigrationRecord = {
  ...{ id: "0123456789abcdef", world: 3, epoch: 20, reason: "operator", started: 0 },
  ...{ from: "g", fromBoot: "g1", to: "h", toBoot: "h1", deadlineMs: 10_000 },
};
const MIGRATION: Seen<MigrationRecord> = { record: RECORD, created: 30, modified: 30 };

function scene() {
  const record: OwnerRecord = { world: 3, node: "g", boot: "g1", state: "owned" };
  let view: MovingView = { migration: MIGRATION, owner: { record, created: 5, modified: 20 } };
  const source = new MigrationSource(
    { shard: "arena/0", me: { node: "g", boot: "g1" }, migration: MIGRATION },
    { view: () => view, wallTime: () => 0 },
    0,
  );
  const tell = (...events: SourceEvent["type"][]) =>
    events.flatMap((type) => {
      if (type === "copying") return source.handle({ type, again: false }, 1);
      if (type === "copied" || type === "ready" || type === "caught-up" || type === "look")
        return source.handle({ type }, 1);
      if (type === "gone" || type === "give-up")
        return source.handle({ type, problem: "this node is stopping" }, 1);
      if (type === "answered")
        return source.handle({ type, attempt: 1, answer: { type: "done", revision: 31 } }, 1);
      throw new Error(`${type} is not of this scene`);
    });
  /** The record is gone, and the owner's is another one. */
  const ownerAt = (modified: number) => {
    view = { migration: ABSENT, owner: { record, created: 5, modified } };
  };
  const outcomes = (effects: ReturnType<typeof tell>) =>
    effects.flatMap((effect) => (effect.type === "over" ? [effect.outcome] : []));
  return { tell, ownerAt, outcomes };
}

test("another owner after the seal: it has moved", () => {
  const { tell, ownerAt, outcomes } = scene();
  const effects = tell("copying", "copied", "ready", "caught-up");
  assert.ok(effects.some(({ type }) => type === "seal"));
  ownerAt(31);
  assert.deepEqual(outcomes(tell("look")), ["moved"]);
});

test("another owner without a seal: it was given back and has not moved, whoever has it now", () => {
  for (const before of [[], ["copying"], ["copying", "copied"]] as const) {
    const { tell, ownerAt, outcomes } = scene();
    tell(...before);
    ownerAt(31);
    assert.deepEqual(outcomes(tell("look")), ["aborted"], before.join());
  }
});

test("what is closed while it is sealed does not go on when its move is ended", () => {
  const abort = (...before: SourceEvent["type"][]) => {
    const { tell } = scene();
    tell("copying", "copied", "ready", "caught-up");
    assert.deepEqual(
      tell(...before).map(({ type }) => type),
      ["txn"],
      "whoever follows may have taken it over: the stream does not end yet",
    );
    return tell("answered").map(({ type }) => type);
  };
  assert.deepEqual(abort("give-up"), ["unseal", "end", "over"]);
  assert.deepEqual(abort("gone"), ["end", "over"]);
  assert.deepEqual(abort("give-up", "gone"), ["end", "over"]);
});
