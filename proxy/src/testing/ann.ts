import type { Attached, Hello } from "@atlasnet/core";

/** A client that comes back to its stream. */
export const HELLO: Hello = {
  world: "arena",
  stream: Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8),
  attempt: 3,
  firstUnacked: 5,
  lastReceived: 7,
};

/** What its shard answers. */
export const ATTACHED: Attached = {
  type: "attached",
  shard: "s",
  epoch: 2,
  attach: 1,
  session: 11,
  account: "ann",
  name: "Ann",
  attempt: 3,
  timeline: 1,
  tick: 100,
  tickRate: 20,
  schema: new Uint8Array(8),
  appliedSeq: 6,
  outSeq: 8,
  lastInput: 0,
  graceTicks: 10,
};
