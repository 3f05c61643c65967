import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { LazyTimer } from "./lazy-timer.ts";

describe("LazyTimer", () => {
  it("keeps a timer that is due sooner, and moves one that is due later", () => {
    const clock = new SimClock();
    let fired = 0;
    const timer = new LazyTimer({ fired: () => (fired += 1) }, { clock });
    timer.within(10);
    timer.within(100);
    clock.advance(10);
    assert.equal(fired, 1);
    timer.within(100);
    timer.within(20);
    clock.advance(20);
    assert.equal(fired, 2);
    clock.advance(200);
    assert.equal(fired, 2);
  });

  it("does not fire after it was cancelled", () => {
    const clock = new SimClock();
    let fired = 0;
    const timer = new LazyTimer({ fired: () => (fired += 1) }, { clock });
    timer.within(10);
    timer.cancel();
    clock.advance(20);
    assert.equal(fired, 0);
  });
});
