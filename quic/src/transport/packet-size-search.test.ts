import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import {
  CANDIDATE_BYTES,
  PacketSizeSearch,
  ROUND_PAUSES_MS,
  type SizeEffect,
  UNANSWERED_PROBES,
} from "./packet-size-search.ts";

const probes = (effects: readonly SizeEffect[]): number[] =>
  effects.filter(({ type }) => type === "probe").map(({ bytes }) => bytes);

describe("PacketSizeSearch", () => {
  it("probes every candidate up to the limit at once, and uses the largest answered", () => {
    const search = new PacketSizeSearch({ base: 1350, limit: 9000 });
    assert.deepEqual(probes(search.tick(0)), [1452, 4096, 8192, 8952]);
    assert.deepEqual(search.answered(1452), [{ type: "use", bytes: 1452 }]);
    assert.deepEqual(search.answered(8192), [{ type: "use", bytes: 8192 }]);
    assert.deepEqual(search.answered(4096), []);
    assert.equal(search.inUse, 8192);
  });

  it("asks again for what was not answered, ever more seldom", () => {
    const search = new PacketSizeSearch({ base: 1350, limit: 1452 });
    let now = 0;
    search.tick(now);
    for (const pause of ROUND_PAUSES_MS) {
      assert.deepEqual(search.tick(now + pause - 1), []);
      now += pause;
      assert.deepEqual(probes(search.tick(now)), [1452]);
    }
  });

  it("does nothing when no candidate is within the limit", () => {
    const search = new PacketSizeSearch({ base: 1200, limit: 1200 });
    assert.deepEqual(search.tick(0), []);
    assert.deepEqual(search.doubt(), []);
  });

  it("ignores an answer for a size it never asked for", () => {
    const search = new PacketSizeSearch({ base: 1350, limit: 1452 });
    search.tick(0);
    assert.deepEqual(search.answered(16_383), []);
    assert.deepEqual(search.answered(1400), []);
    assert.equal(search.inUse, 1350);
  });

  it("keeps a size in doubt that is answered", () => {
    const search = raised();
    assert.deepEqual(search.doubt(), [{ type: "probe", bytes: 16_383 }]);
    assert.deepEqual(search.doubt(), []);
    search.answered(16_383);
    assert.deepEqual(search.tick(1), []);
    assert.equal(search.inUse, 16_383);
  });

  it("falls back to the base when a size in doubt stays unanswered, and begins anew", () => {
    const search = raised();
    const asked = probes(search.doubt());
    for (let tick = 1; tick < UNANSWERED_PROBES; tick++) asked.push(...probes(search.tick(1)));
    assert.deepEqual(asked, new Array(UNANSWERED_PROBES).fill(16_383));
    const effects = search.tick(1);
    assert.deepEqual(effects[0], { type: "use", bytes: 1350 });
    assert.deepEqual(probes(effects), CANDIDATE_BYTES);
  });

  it("falls back at once from a size the system does not send, and never tries it again", () => {
    const search = raised();
    assert.deepEqual(search.refused(16_383), [{ type: "use", bytes: 1350 }]);
    assert.deepEqual(probes(search.tick(1)), [1452, 4096, 8192, 8952]);
    assert.deepEqual(search.answered(16_383), []);
  });

  it("never uses a size other than the base and those answered, whatever happens", () => {
    const event = fc.oneof(
      fc.record({ type: fc.constant("tick" as const), value: fc.nat(2000) }),
      fc.record({ type: fc.constant("answered" as const), value: fc.nat(17_000) }),
      fc.record({
        type: fc.constant("answered" as const),
        value: fc.constantFrom(...CANDIDATE_BYTES),
      }),
      fc.record({ type: fc.constant("refused" as const), value: fc.nat(17_000) }),
      fc.record({ type: fc.constant("doubt" as const), value: fc.constant(0) }),
    );
    fc.assert(
      fc.property(fc.array(event), fc.integer({ min: 1350, max: 16_383 }), (events, limit) => {
        const search = new PacketSizeSearch({ base: 1350, limit });
        const answered = new Set([1350]);
        let now = 0;
        for (const { type, value } of events) {
          if (type === "tick") {
            now += value;
            for (const bytes of probes(search.tick(now))) assert.ok(bytes <= limit);
          } else if (type === "answered") {
            answered.add(value);
            search.answered(value);
          } else if (type === "refused") search.refused(value);
          else search.doubt();
          assert.ok(answered.has(search.inUse) && search.inUse <= limit);
        }
      }),
    );
  });
});

function raised(): PacketSizeSearch {
  const search = new PacketSizeSearch({ base: 1350, limit: 16_383 });
  search.tick(0);
  search.answered(16_383);
  return search;
}
