import assert from "node:assert/strict";
import { test } from "node:test";
import { PERFECT, startRelay, withConditions } from "@atlasnet/netem";
import { describeConditions, statusLine, totalsTable } from "./report.ts";

test("conditions in words", () => {
  assert.equal(describeConditions(PERFECT), "a perfect line; seed 1");
  const bad = { loss: 0.005, burst: 3, delayMs: 50, jitterMs: 20, reorder: 0.01, duplicate: 0.02 };
  assert.equal(
    describeConditions(withConditions({ ...bad, rateBytesPerSecond: 125_000, seed: 7 })),
    "0.5 % lost in runs of 3, 50 ± 20 ms each way, 1 % reordered, 2 % doubled, " +
      "1,000,000 bit/s with a queue of 65,536 bytes; seed 7",
  );
  assert.match(describeConditions(withConditions({ delayMs: 50 })), /^50 ms each way; /);
});

test("figures have a column for each transport and direction that is relayed", async (t) => {
  const relay = await startRelay({ target: { host: "127.0.0.1", port: 1 } });
  t.after(() => relay.stop());
  const { tcp, udp } = relay.stats;
  assert.ok(tcp !== undefined && udp !== undefined);
  Object.assign(udp.up, { packets: 12_345, lost: 3, queueDrops: 2, overflows: 1 });
  tcp.opened = 42;
  assert.equal(
    statusLine(5, { tcp, udp }),
    "    5 s  udp 0 open, up 12,345 (6 lost), down 0 (0 lost); tcp 0 open, up 0 (0 lost), down 0 (0 lost)",
  );
  const both = totalsTable({ tcp, udp }).split("\n");
  assert.match(both[0] ?? "", /^ +udp up +udp down +tcp up +tcp down$/);
  assert.match(both[1] ?? "", /^packets in +12,345 +0 +0 +0$/);
  assert.ok(
    both.some((line) => /^flows +0 +42$/.test(line)),
    both.join("\n"),
  );
  assert.match(totalsTable({ tcp: undefined, udp }), /^ +udp up +udp down\n/);
});
