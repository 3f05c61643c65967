import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { encodeRecord, type OwnerRecord, ownerKey } from "@atlasnet/core";
import { ClusterRecords } from "./cluster-records.ts";

const KEY = ownerKey("arena/0");

describe("ClusterRecords", () => {
  const put = (records: ClusterRecords, record: OwnerRecord, modified: number) =>
    records.apply({
      type: "put",
      item: { key: KEY, value: encodeRecord("owner", record), created: 3, modified, version: 1 },
    });

  it("gives a reader what is there now, decoded once for each state", () => {
    const records = new ClusterRecords();
    const read = records.reader("owner", KEY);
    assert.equal(read().record, undefined);
    put(records, { world: 1, node: "gs-1", boot: "boot-00000001", state: "owned" }, 3);
    const first = read();
    assert.deepEqual(first, records.seen("owner", KEY));
    assert.equal(first.record?.node, "gs-1");
    assert.equal(read(), first);
    put(records, { world: 1, node: "gs-2", boot: "boot-00000002", state: "owned" }, 7);
    assert.equal(read().record?.node, "gs-2");
    assert.equal(read().modified, 7);
    records.apply({ type: "delete", key: KEY, modified: 9 });
    assert.equal(read().record, undefined);
  });
});
