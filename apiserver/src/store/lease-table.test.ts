import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LeaseTable, type Received } from "./lease-table.ts";

const HOLDER = { node: "gs-1", boot: "b1", leaseMs: 1000 };
const RENEWAL = { node: "gs-1", boot: "b1", number: 7 };

function leading(): LeaseTable {
  const table = new LeaseTable();
  table.lead(0, [HOLDER]);
  return table;
}

function receive(table: LeaseTable, now: number, boot = "b1"): Received {
  const received = table.receive({ ...RENEWAL, boot }, now);
  return "refused" in received ? assert.fail(JSON.stringify(received)) : received;
}

describe("lease table", () => {
  test("a new leader declares nobody lost before a full lease, and knows of no renewal", () => {
    const table = leading();
    assert.deepEqual(table.expired(1019), []);
    assert.equal(table.declare("gs-1", 1019), false);
    assert.equal(table.holds("gs-1", 10), false);
    assert.equal(table.nextExpiry(), 1020);
    assert.deepEqual(table.expired(1020), ["gs-1"]);
  });

  test("a renewal counts from its receipt, once it is confirmed", () => {
    const table = leading();
    const received = receive(table, 500);
    assert.equal(table.holds("gs-1", 510), false);
    assert.deepEqual(table.confirmed(received), { ok: true, number: 7, leaseMs: 1000 });
    assert.equal(table.holds("gs-1", 1489), true);
    assert.equal(table.holds("gs-1", 1490), false);
    assert.deepEqual(table.expired(1519), []);
    assert.deepEqual(table.expired(1520), ["gs-1"]);
  });

  test("declaring stops renewals, those under way too, until it is decided", () => {
    const table = leading();
    const underWay = receive(table, 1100);
    assert.equal(table.declare("gs-1", 1200), true);
    assert.deepEqual(table.confirmed(underWay), { ok: false, code: "lost" });
    assert.deepEqual(table.receive(RENEWAL, 1210), { refused: { ok: false, code: "lost" } });
    table.declined("gs-1");
    assert.equal(table.confirmed(receive(table, 1300)).ok, true);
    assert.equal(table.declare("gs-1", 1400), false);
  });

  test("a round that was begun in another leadership answers nothing", () => {
    const table = leading();
    const before = receive(table, 100);
    table.follow();
    assert.deepEqual(table.confirmed(before), { ok: false, code: "not-leader" });
    table.lead(200, [HOLDER]);
    assert.deepEqual(table.confirmed(before), { ok: false, code: "not-leader" });
    assert.equal(table.confirmed(receive(table, 300)).ok, true);
  });

  test("another boot is another holder; the one before may act to its end", () => {
    const table = leading();
    table.confirmed(receive(table, 500));
    table.registered({ ...HOLDER, boot: "b2", leaseMs: 100 }, 600);
    assert.deepEqual(table.receive(RENEWAL, 610), {
      refused: { ok: false, code: "unknown-node" },
    });
    assert.equal(table.confirmed(receive(table, 620, "b2")).ok, true);
    assert.deepEqual(table.expired(1519), []);
    assert.deepEqual(table.expired(1520), ["gs-1"]);
    table.removed("gs-1");
    assert.deepEqual(table.expired(9999), []);
    assert.equal(table.nextExpiry(), undefined);
  });
});
