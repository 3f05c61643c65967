import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { SimClock } from "@atlasnet/core/sim";
import { DEFAULT_INTAKE, Intake, MAX_INTAKE_ADDRESSES } from "./intake.ts";

const rates = {
  ofAddress: { perSecond: 10, burst: 3 },
  ofAll: { perSecond: 20, burst: 5 },
};

function takes(intake: Intake, address: string, count: number): number {
  let taken = 0;
  for (let n = 0; n < count; n++) if (intake.take(address)) taken += 1;
  return taken;
}

describe("how many connections are taken in", () => {
  it("an address has its burst, then its rate", () => {
    const clock = new SimClock();
    const intake = new Intake(rates, { clock });
    assert.equal(takes(intake, "10.0.0.1", 100), 3);
    clock.advance(100);
    assert.equal(takes(intake, "10.0.0.1", 100), 1);
    clock.advance(60_000);
    assert.equal(takes(intake, "10.0.0.1", 100), 3);
  });

  it("one address takes nothing from another, and all together have their own bound", () => {
    const clock = new SimClock();
    const intake = new Intake(rates, { clock });
    assert.equal(takes(intake, "10.0.0.1", 1000), 3);
    assert.equal(takes(intake, "10.0.0.2", 2), 2);
    assert.equal(takes(intake, "10.0.0.3", 2), 0);
    clock.advance(50);
    assert.equal(takes(intake, "10.0.0.3", 2), 1);
  });

  it("a /64 network of IPv6 is one address", () => {
    const intake = new Intake(rates, { clock: new SimClock() });
    let taken = 0;
    for (let n = 1; n < 100; n++) if (intake.take(`2001:db8::${n}`)) taken += 1;
    assert.equal(taken, 3);
  });

  it("remembers so many addresses, and is bounded with more of them, too", () => {
    const intake = new Intake(rates, { clock: new SimClock() });
    let taken = 0;
    for (let n = 0; n < MAX_INTAKE_ADDRESSES + 10; n++)
      if (intake.take(`10.1.${n >> 8}.${n & 255}`)) taken += 1;
    assert.equal(taken, rates.ofAll.burst);
    assert.equal(intake.addresses, MAX_INTAKE_ADDRESSES);
  });

  it("by default leaves connections free for others while a flood's time out", () => {
    const { ofAll } = DEFAULT_INTAKE;
    const longestHandshakeSeconds = 5;
    assert.ok(ofAll.burst + ofAll.perSecond * longestHandshakeSeconds <= 1024 * 0.75);
  });
});
