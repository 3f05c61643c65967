import assert from "node:assert/strict";
import { test } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { Machine, SimProcess } from "./process.ts";

test("who sets a timer again until its time has come gets there, at whatever rate its clock runs", () => {
  const sim = new SimClock();
  sim.advance(17_000);
  for (let n = 0; n < 200; n++) {
    const machine = new Machine({ rate: 1 + n / 44_000, start: n / 7 }, { sim });
    machine.slept(16_000);
    const process = new SimProcess(machine, { sim });
    const at = process.now() + 1000 / (n + 3);
    let calls = 0;
    const again = () => {
      if (process.now() >= at || ++calls > 10) return;
      process.setTimer(at - process.now(), again);
    };
    again();
    sim.advance(1000);
    assert.ok(calls <= 3, `rate ${machine.rate}: called ${calls} times`);
  }
});
