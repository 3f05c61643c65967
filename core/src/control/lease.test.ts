import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Lease, type Sealed } from "./lease.ts";

/** A clock whose two times are set by hand. */
class HandClock {
  time = 1000;
  wall = 5_000_000;
  now(): number {
    return this.time;
  }
  wallTime(): number {
    return this.wall;
  }
  pass(ms: number): void {
    this.time += ms;
    this.wall += ms;
  }
  setTimer(): never {
    throw new Error("a lease sets no timers");
  }
}

function make() {
  const clock = new HandClock();
  const sealed: Sealed[] = [];
  const lease = new Lease(
    { maxStallMs: 2000, maxJumpMs: 100 },
    { clock, onSealed: (reason) => sealed.push(reason) },
  );
  return { clock, lease, sealed };
}

describe("lease", () => {
  test("it runs from the moment of sending, a little shorter than granted", () => {
    const { clock, lease, sealed } = make();
    assert.equal(lease.mayAct(), false);
    const number = lease.renewing();
    clock.pass(600);
    lease.granted(number, 1000);
    assert.equal(lease.left(), 390);
    clock.pass(389);
    assert.equal(lease.mayAct(), true);
    clock.pass(1);
    assert.equal(lease.mayAct(), false);
    assert.deepEqual(sealed, ["expired"]);
  });

  test("answers that are late, unknown or repeated grant nothing", () => {
    const { clock, lease } = make();
    const first = lease.renewing();
    lease.granted(first + 1, 1000);
    assert.equal(lease.mayAct(), false);
    clock.pass(1000);
    lease.granted(first, 1000);
    assert.equal(lease.mayAct(), false);
    const second = lease.renewing();
    lease.granted(second, 1000);
    clock.pass(500);
    lease.granted(second, 60_000);
    assert.equal(lease.left(), 490);
  });

  test("a stall seals; only a renewal sent afterwards unseals", () => {
    const { clock, lease, sealed } = make();
    lease.granted(lease.renewing(), 60_000);
    const before = lease.renewing();
    clock.pass(2001);
    assert.equal(lease.mayAct(), false);
    lease.granted(before, 60_000);
    assert.equal(lease.mayAct(), false);
    lease.granted(lease.renewing(), 60_000);
    assert.equal(lease.mayAct(), true);
    assert.deepEqual(sealed, ["stall"]);
  });

  test("a sleep of the machine, which the monotonic clock does not see, seals", () => {
    for (const jump of [101, -101]) {
      const { clock, lease, sealed } = make();
      const number = lease.renewing();
      lease.granted(number, 60_000);
      const waiting = lease.renewing();
      clock.wall += jump;
      lease.granted(waiting, 60_000);
      assert.equal(lease.mayAct(), false);
      assert.deepEqual(sealed, ["clock-jump"]);
    }
  });

  test("sleeps that are too short to be seen do not make it longer", () => {
    const { clock, lease, sealed } = make();
    lease.granted(lease.renewing(), 1000);
    for (let sleep = 0; sleep < 5; sleep++) {
      assert.equal(lease.mayAct(), true, `sleep ${sleep}`);
      clock.wall += 90;
      clock.pass(100);
    }
    assert.equal(lease.left(), 990 - 5 * 190);
    clock.pass(39);
    assert.equal(lease.mayAct(), true);
    clock.pass(1);
    assert.equal(lease.mayAct(), false);
    assert.deepEqual(sealed, ["expired"]);
    lease.granted(lease.renewing(), 1000);
    assert.equal(lease.left(), 990);
  });

  test("lost stays until a new registration", () => {
    const { lease, sealed } = make();
    lease.granted(lease.renewing(), 1000);
    const open = lease.renewing();
    lease.lost();
    lease.granted(open, 1000);
    lease.granted(lease.renewing(), 1000);
    assert.equal(lease.sealed, "lost");
    lease.registered();
    assert.equal(lease.mayAct(), false);
    lease.granted(lease.renewing(), 1000);
    assert.equal(lease.mayAct(), true);
    assert.deepEqual(sealed, ["lost"]);
  });
});
