import assert from "node:assert/strict";
import { test } from "node:test";
import { ABSENT, type MigrationRecord, type OwnerRecord, type Seen } from "@atlasnet/core";
import { standingOf, ticketProblem } from "./ticket.ts";

const RECORD: MigrationRecord = {
  id: "0123456789abcdef",
  world: 3,
  from: "g",
  fromBoot: "g1",
  epoch: 20,
  to: "h",
  toBoot: "h1",
  reason: "operator",
  started: 0,
  deadlineMs: 10_000,
};
const ME = { node: "g", boot: "g1" };
const OPEN = { id: RECORD.id, boot: "h1", epoch: 20 };

function view(fields: Partial<MigrationRecord> = {}, modified = 20) {
  const migration: Seen<MigrationRecord> = {
    record: { ...RECORD, ...fields },
    created: 30,
    modified: 30,
  };
  const record: OwnerRecord = { world: 3, node: "g", boot: "g1", state: "owned" };
  return { migration, owner: { record, created: 5, modified } };
}

test("a follower is let in by the record that names it, and by nothing else", () => {
  assert.equal(ticketProblem(OPEN, "h", view(), ME), undefined);
  for (const [code, open, peer, seen] of [
    ["unknown-ticket", OPEN, "h", { ...view(), migration: ABSENT }],
    ["unknown-ticket", { ...OPEN, id: "f".repeat(16) }, "h", view()],
    ["unknown-ticket", OPEN, "other", view()],
    ["unknown-ticket", { ...OPEN, boot: "h0" }, "h", view()],
    ["wrong-epoch", { ...OPEN, epoch: 19 }, "h", view()],
    ["wrong-epoch", OPEN, "h", view({}, 21)],
    ["wrong-epoch", OPEN, "h", view({ from: "other" })],
    ["wrong-epoch", OPEN, "h", view({ fromBoot: "g0" })],
  ] as const)
    assert.equal(ticketProblem(open, peer, seen, ME)?.code, code);
});

test("how it stands is told by the record and the owner's epoch together", () => {
  const was = view().migration;
  assert.equal(standingOf(was, view()), "open");
  assert.equal(standingOf(was, view({}, 21)), "stale");
  assert.equal(standingOf(was, { ...view(), migration: ABSENT }), "aborted");
  assert.equal(standingOf(was, view({ id: "f".repeat(16) })), "aborted");
  assert.equal(standingOf(was, { ...view({}, 31), migration: ABSENT }), "switched");
});
