import assert from "node:assert/strict";
import test from "node:test";
import type { IssuedRecord } from "@atlasnet/identity";
import { certificateRows, tableText } from "./certificate-table.ts";

const NOW = Date.UTC(2030, 0, 1);
const DAY = 86_400_000;
const dateText = (at: number) => new Date(at).toISOString().slice(0, 10);

function record(node: string, from: number, until: number): IssuedRecord {
  const span = { notBefore: NOW + from * DAY, notAfter: NOW + until * DAY };
  return { serial: "4f", role: "proxy", node, fingerprint: "", key: "", ...span };
}

test("a node's latest good certificate is the valid one", () => {
  const records = [
    record("a", 1, 91),
    record("a", -1, 89.5),
    record("a", -10, 80),
    record("a", -100, -10),
    record("b", -100, -10),
  ];
  const rows = certificateRows(records, NOW, dateText);
  assert.deepEqual(
    rows.map(({ node, daysLeft, state }) => [node, daysLeft, state]),
    [
      ["a", 91, "not-yet-valid"],
      ["a", 89, "valid"],
      ["a", 80, "renewed"],
      ["a", 0, "expired"],
      ["b", 0, "expired"],
    ],
  );
  assert.equal(
    tableText(rows.slice(1, 2)),
    `NODE  ROLE   SERIAL  FROM        UNTIL       DAYS LEFT  STATE
a     proxy  4f      2029-12-31  2030-03-31  89         valid
`,
  );
});
