import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { Condition } from "./condition.ts";

function make() {
  const clock = new SimClock();
  return { clock, condition: new Condition({ clock }) };
}

describe("a condition", () => {
  test("is true at once for what holds, and else with the first signal at which it does", async () => {
    const { condition } = make();
    assert.equal(await condition.until(() => true), true);
    let count = 0;
    const answers: boolean[] = [];
    const waits = condition.until(() => count === 2).then((held) => answers.push(held));
    count = 1;
    condition.signal();
    await settle();
    assert.deepEqual(answers, []);
    count = 2;
    condition.signal();
    await waits;
    assert.deepEqual(answers, [true]);
  });

  test("is false when the time is over, and does not look any more then", async () => {
    const { clock, condition } = make();
    let looks = 0;
    const looking = () => {
      looks += 1;
      return false;
    };
    assert.equal(await clock.drive(condition.until(looking, 100), settle), false);
    assert.equal(clock.now(), 100);
    assert.equal(looks, 1);
    condition.signal();
    assert.equal(looks, 1);
  });

  test("that is closed lets go of everybody, with what holds at that moment", async () => {
    const { condition } = make();
    let holds = false;
    const never = condition.until(() => false);
    const last = condition.until(() => holds);
    holds = true;
    condition.close();
    assert.equal(await never, false);
    assert.equal(await last, true);
    assert.equal(await condition.until(() => false), false);
    assert.ok(condition.isClosed);
  });
});
