import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { ControlError, noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock } from "@atlasnet/core/sim";
import { LocalLog } from "../store/local-log.ts";
import { ReplicatedStore } from "../store/replicated-store.ts";
import { registerTokens } from "./register-token.ts";
import { createToken, TOKENS } from "./tokens.ts";

function scene() {
  const clock = new SimClock();
  const random = new SeededRandom(1);
  const about = { name: "admin", role: "admin", created: 0, expires: 1 } as const;
  const token = { ...createToken(about, random), created: true };
  const stopping = new AbortController();
  const state = { tries: 0, fails: true };
  const log = new LocalLog({}, { clock });
  const store = new ReplicatedStore({}, { log, clock, random, holdsLease: () => true });
  const txn = store.txn.bind(store);
  store.txn = async (request) => {
    state.tries += 1;
    if (state.fails) throw new ControlError("no-quorum", "nobody leads");
    return txn(request);
  };
  const { signal } = stopping;
  registerTokens(token, { store, clock, logger: noopLogger, signal });
  const elapse = async (ms: number) => {
    for (const end = clock.now() + ms; clock.now() < end; ) {
      clock.advance(1_000);
      await settle();
    }
  };
  return { token, stopping, state, store, elapse };
}

test("the token is registered however long there is no leader, with one listener at a time", async () => {
  const { token, stopping, state, store, elapse } = scene();
  await elapse(60_000);
  assert.ok(state.tries > 20, `${state.tries} tries`);
  assert.ok(getEventListeners(stopping.signal, "abort").length <= 1);
  state.fails = false;
  await elapse(4_000);
  const key = `${TOKENS}${token.id}`;
  const { items } = await store.range({ key, consistency: "local" });
  assert.equal(items.length, 1);
  const { tries } = state;
  await elapse(10_000);
  assert.equal(state.tries, tries);
});

test("a stop ends the tries", async () => {
  const { stopping, state, elapse } = scene();
  await elapse(5_000);
  stopping.abort();
  const { tries } = state;
  await elapse(10_000);
  assert.equal(state.tries, tries);
});
