import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { StateReporter } from "./state-reporter.ts";

describe("what a node says of its state", () => {
  let clock: SimClock;
  let said: string[];
  let tries: number;
  let isReached: boolean;
  let reporter: StateReporter;

  beforeEach(() => {
    clock = new SimClock();
    said = [];
    tries = 0;
    isReached = true;
    const setState = async (state: string) => {
      tries += 1;
      if (!isReached) throw new Error("not reached");
      said.push(state);
    };
    reporter = new StateReporter({ control: { setState }, clock, logger: noopLogger });
  });

  const sayReady = () => reporter.ready(sayReady);

  test("is asked for again a second after the control plane could not be told that it is ready", async () => {
    isReached = false;
    sayReady();
    await settle();
    assert.equal(tries, 1);
    clock.advance(999);
    await settle();
    assert.equal(tries, 1);
    clock.advance(1);
    await settle();
    assert.equal(tries, 2);
    isReached = true;
    clock.advance(1_000);
    await settle();
    assert.deepEqual(said, ["ready"]);
    clock.advance(10_000);
    await settle();
    assert.deepEqual(said, ["ready"]);
  });

  test("is not asked for again once that is over", async () => {
    isReached = false;
    sayReady();
    await settle();
    reporter.cancel();
    isReached = true;
    clock.advance(10_000);
    await settle();
    assert.deepEqual(said, []);
  });

  test("ends with a last word that fails without harm", async () => {
    isReached = false;
    await clock.drive(reporter.stopped(5_000), settle);
    assert.equal(clock.now(), 0, "an answer is an answer");
  });
});
