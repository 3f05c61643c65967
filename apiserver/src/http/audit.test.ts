import assert from "node:assert/strict";
import test from "node:test";
import { noopLogger } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import { AuditLog, MAX_AUDIT_ENTRIES, MAX_STRANGERS_ENTRIES, STRANGER } from "./audit.ts";

const operator = { id: "t-1", name: "ann", role: "operate" } as const;

function log() {
  return new AuditLog({ logger: noopLogger, clock: systemClock });
}

test("what strangers ask for does not wash away what others did", () => {
  const audit = log();
  const facts = { from: "10.0.0.9", target: {}, result: "ok" };
  audit.add(operator, { ...facts, what: "node.rm" });
  for (let i = 0; i < 2 * MAX_AUDIT_ENTRIES; i++)
    audit.add(STRANGER, { ...facts, what: `links.join ${i}` });
  assert.equal(audit.entries.length, MAX_STRANGERS_ENTRIES + 1);
  assert.equal(audit.entries[0]?.what, `links.join ${2 * MAX_AUDIT_ENTRIES - 1}`);
  assert.equal(audit.entries.at(-1)?.what, "node.rm");
});

test("the newest entries are kept, and strangers' count among them", () => {
  const audit = log();
  const facts = { from: "10.0.0.9", target: {}, result: "ok" };
  audit.add(STRANGER, { ...facts, what: "links.join" });
  for (let i = 0; i < MAX_AUDIT_ENTRIES; i++)
    audit.add(operator, { ...facts, what: `kv.put ${i}` });
  assert.equal(audit.entries.length, MAX_AUDIT_ENTRIES);
  assert.equal(audit.entries.at(-1)?.what, "kv.put 0");
});
