import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ABSENT,
  type MirrorRecord,
  type NodeRecord,
  type OwnerRecord,
  type Seen,
} from "@atlasnet/core";
import { nodeRecord, worldRecord } from "@atlasnet/core/testing";
import { MirrorFollower } from "./follower.ts";
import type { FollowedView, FollowerEffect, FollowerEvent } from "./follower-types.ts";
import {
  MirrorOwner,
  type MirrorOwnerOptions,
  type OwnerEffect,
  type OwnerEvent,
} from "./owner.ts";
import { mirrorTicketProblem } from "./ticket.ts";

const SHARD = "arena/0";
const EPOCH = 10;
const [M1, M2] = ["0000000000000001", "0000000000000002"] as const;
const asked: MirrorRecord = {
  ...{ id: M1, world: 1, epoch: EPOCH, node: "b", boot: "b1", state: "asked" },
};
const inSync: MirrorRecord = { ...asked, state: "in-sync" };

function seenAt<T>(record: T, modified: number): Seen<T> {
  return { record, created: 1, modified };
}

function ownedBy(node: string, modified = EPOCH): Seen<OwnerRecord> {
  return seenAt({ world: 1, node, boot: `${node}1`, state: "owned" }, modified);
}

function nodeOf(fields: Partial<NodeRecord>, modified = 5): Seen<NodeRecord> {
  return seenAt({ ...nodeRecord({ state: "ready", ...fields }), cordoned: false }, modified);
}

class OwnerScene {
  mirror: Seen<MirrorRecord> = seenAt(asked, 11);
  owner = ownedBy("a");
  world = seenAt(worldRecord({ durability: "mirror" }), 1);
  now = 1_000;
  readonly core: MirrorOwner;

  constructor(begins?: MirrorOwnerOptions["begins"]) {
    const options = { shard: SHARD, epoch: EPOCH, boot: "a1", timeoutMs: 500, begins };
    this.core = new MirrorOwner(
      options,
      () => ({ mirror: this.mirror, owner: this.owner, world: this.world }),
      this.now,
    );
  }

  tell(...events: OwnerEvent[]): string[] {
    return events.flatMap((event) => this.core.handle(event, this.now)).map(ownerWord);
  }

  /** The mirror is in sync, at tick 7. */
  mirrored(): this {
    this.tell({ type: "opened", id: M1 }, { type: "ticked", tick: 7 }, { type: "caught-up" });
    this.tell({ type: "acknowledged", tick: 7 });
    this.tell({ type: "answered", attempt: 1, answer: { type: "done", revision: 12 } });
    this.mirror = seenAt(inSync, 12);
    assert.equal(this.core.phase, "in-sync");
    return this;
  }

  /** Time passes as it does for a process that does not stand still. */
  pass(ms: number): string[] {
    const words: string[] = [];
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 50;
      words.push(...this.tell({ type: "time" }));
    }
    return words;
  }
}

function ownerWord(effect: OwnerEffect): string {
  if (effect.type === "release") return `release ${effect.tick}`;
  if (effect.type === "lost") return `lost: ${effect.reason}`;
  if (effect.type === "unleased") return effect.holds ? "unleased" : "leased";
  return effect.type;
}

test("an owner gates first, confirms once the mirror has what was let out before, then releases", () => {
  const s = new OwnerScene();
  assert.deepEqual(s.tell({ type: "opened", id: M1 }, { type: "ticked", tick: 7 }), []);
  assert.deepEqual(s.tell({ type: "acknowledged", tick: 6 }), []);
  assert.deepEqual(s.tell({ type: "caught-up" }), ["gate"]);
  assert.deepEqual(s.tell({ type: "acknowledged", tick: 7 }), ["release 7", "txn"]);
  const done = { type: "done", revision: 12 } as const;
  assert.deepEqual(s.tell({ type: "answered", attempt: 1, answer: done }), ["in-sync"]);
});

test("an owner says something every 100 ms, and clears a mirror that does not answer", () => {
  const s = new OwnerScene().mirrored();
  assert.deepEqual(s.pass(250), ["pulse", "pulse"]);
  s.tell({ type: "acknowledged", tick: 7 });
  s.tell({ type: "ticked", tick: 8 });
  assert.equal(s.core.lagTicks, 1);
  s.pass(300);
  // It answers, and has not got that tick.
  s.tell({ type: "acknowledged", tick: 7 });
  const lost = s.pass(300).filter((word) => word !== "pulse");
  assert.deepEqual(lost, ["end", "lost: it acknowledged nothing for 500 ms", "txn"]);
  assert.deepEqual(s.tell({ type: "acknowledged", tick: 8 }), [], "it is too late");
  const unknown = { type: "failed", problem: "planted", unknown: true } as const;
  assert.deepEqual(s.tell({ type: "answered", attempt: 2, answer: unknown }), []);
  s.mirror = ABSENT;
  assert.deepEqual(s.tell({ type: "look" }), ["ungate"]);
});

test("an owner whose switch has made the source the mirror is in sync before its first tick, and clears it as any other", () => {
  const s = new OwnerScene({ id: M1, node: "b", tick: 7 });
  assert.equal(s.core.phase, "in-sync");
  // The watch has yet to show the switch, and shows the mirror of the owner before.
  s.owner = ownedBy("c", EPOCH - 3);
  s.mirror = seenAt({ ...inSync, id: M2, epoch: EPOCH - 3 }, 8);
  assert.deepEqual(s.tell({ type: "look" }, { type: "ticked", tick: 8 }), []);
  assert.deepEqual(s.tell({ type: "opened", id: M1 }, { type: "acknowledged", tick: 7 }), [
    "release 7",
  ]);
  assert.deepEqual(s.tell({ type: "caught-up" }, { type: "acknowledged", tick: 8 }), ["release 8"]);
  s.owner = ownedBy("a");
  s.mirror = seenAt({ ...inSync, epoch: 0 }, EPOCH);
  assert.deepEqual(s.tell({ type: "look" }), []);
  s.tell({ type: "ticked", tick: 9 });
  const lost = s.pass(600).filter((word) => word !== "pulse");
  assert.deepEqual(lost, ["end", "lost: it acknowledged nothing for 500 ms", "txn"]);
  s.mirror = ABSENT;
  assert.deepEqual(s.tell({ type: "look" }), ["ungate"]);
});

test("an owner acts on its mirror's word once it has seen that this is recorded, until the mirror is lost", () => {
  const s = new OwnerScene();
  s.world = seenAt(worldRecord({ durability: "mirror", failover: "manual" }), 1);
  s.mirrored();
  assert.equal(
    s.core.isUnleased,
    false,
    "it may have been recorded otherwise, by a proposal before",
  );
  assert.deepEqual(s.tell({ type: "look" }), []);
  s.mirror = seenAt({ ...inSync, unleased: true }, 12);
  assert.deepEqual(s.tell({ type: "look" }), ["unleased"]);
  s.mirror = seenAt({ ...inSync, unleased: true, leaving: true }, 13);
  assert.deepEqual(s.tell({ type: "look" }), []);
  s.tell({ type: "ticked", tick: 8 });
  const lost = s.pass(600).filter((word) => word !== "pulse");
  assert.deepEqual(lost, ["end", "lost: it acknowledged nothing for 500 ms", "txn", "leased"]);
  s.mirror = ABSENT;
  assert.deepEqual(s.tell({ type: "look" }), ["ungate"]);
});

test("an owner acts on its mirror's word no more when the mirror has withdrawn, or was promoted", () => {
  for (const isPromoted of [false, true]) {
    const s = new OwnerScene().mirrored();
    s.mirror = seenAt({ ...inSync, unleased: true }, 12);
    assert.deepEqual(s.tell({ type: "look" }), ["unleased"]);
    s.mirror = ABSENT;
    if (isPromoted) s.owner = ownedBy("b", 14);
    const words = s.tell({ type: "look" });
    assert.deepEqual(
      words,
      isPromoted
        ? ["end", "leased"]
        : ["end", "lost: the control plane gave it up", "ungate", "leased"],
    );
  }
});

test("an owner whose switch has made the source the mirror clears one that never comes", () => {
  const s = new OwnerScene({ id: M1, node: "b", tick: 7 });
  s.mirror = seenAt({ ...inSync, epoch: 0 }, EPOCH);
  s.tell({ type: "ticked", tick: 8 });
  const lost = s.pass(600).filter((word) => word !== "pulse");
  assert.deepEqual(lost, ["end", "lost: it acknowledged nothing for 500 ms", "txn"]);
});

test("a process that stood still holds that against nobody", () => {
  const s = new OwnerScene().mirrored();
  s.now += 5_000;
  assert.deepEqual(s.tell({ type: "time" }), ["pulse"]);
  assert.equal(s.core.phase, "in-sync");
});

test("an owner whose shard has another epoch releases nothing more", () => {
  const s = new OwnerScene().mirrored();
  s.tell({ type: "ticked", tick: 8 });
  s.owner = ownedBy("b", 20);
  s.mirror = ABSENT;
  assert.deepEqual(s.tell({ type: "look" }), ["end"]);
  assert.deepEqual(s.tell({ type: "acknowledged", tick: 8 }, { type: "time" }), []);
  assert.equal(s.core.nextAt, Number.POSITIVE_INFINITY);
});

test("what is to be closed is freed, and takes no mirror until it stays", () => {
  const s = new OwnerScene();
  assert.deepEqual(s.tell({ type: "free", reason: "it is closed" }), ["freed"]);
  s.tell({ type: "stay" });
  s.mirrored();
  const words = s.tell({ type: "free", reason: "it is closed" });
  assert.deepEqual(words, ["end", "lost: it is closed", "txn"]);
  const done = { type: "done", revision: 13 } as const;
  s.mirror = seenAt({ ...asked, id: M2 }, 14);
  assert.deepEqual(s.tell({ type: "answered", attempt: 2, answer: done }), ["ungate", "freed"]);
  const next: OwnerEvent[] = [{ type: "opened", id: M2 }, { type: "caught-up" }];
  assert.deepEqual(s.tell(...next), []);
  assert.deepEqual(s.tell({ type: "stay" }), ["gate"]);
});

class FollowerScene {
  now = 1_000;
  view: FollowedView = {
    world: seenAt(worldRecord(), 1),
    shard: ABSENT,
    owner: ownedBy("a"),
    mirror: seenAt(inSync, 12),
    node: nodeOf({ boot: "b1" }),
    ownerNode: nodeOf({ boot: "a1" }),
  };
  readonly core: MirrorFollower;

  constructor(comes = false) {
    const me = { node: "b", boot: "b1", generation: 0 };
    const options = { shard: SHARD, me, mirror: asked, suspectMs: 400, comes };
    this.core = new MirrorFollower(options, () => this.view, this.now);
  }

  tell(...events: FollowerEvent[]): string[] {
    return events.flatMap((event) => this.core.handle(event, this.now)).map(followerWord);
  }

  following(): this {
    assert.deepEqual(this.tell({ type: "begin" }, { type: "prepared" }), ["prepare", "follow"]);
    this.tell({ type: "copying" }, { type: "following" });
    return this;
  }

  pass(ms: number): string[] {
    const words: string[] = [];
    for (const end = this.now + ms; this.now < end; ) {
      this.now += 50;
      words.push(...this.tell({ type: "time" }));
    }
    return words;
  }
}

function followerWord(effect: FollowerEffect): string {
  if (effect.type === "withdraws") return `withdraws: ${effect.reason}`;
  if (effect.type === "txn")
    return `txn ${effect.request.then.length === 1 ? "withdraw" : "promote"}`;
  if (effect.type === "promote") return `promote ${effect.epoch}`;
  if (effect.type === "suspected") return `suspected: ${effect.reason}`;
  if (effect.type === "over") return `over: ${effect.outcome}`;
  return effect.type;
}

test("a mirror falls silent, then proposes itself, and acts once that has committed", () => {
  const s = new FollowerScene().following();
  assert.deepEqual(s.pass(350), []);
  s.tell({ type: "heard" });
  assert.deepEqual(s.pass(350), []);
  assert.deepEqual(s.pass(50), ["silence", "suspected: it said nothing for 400 ms", "txn promote"]);
  const unknown = { type: "failed", problem: "planted", unknown: true } as const;
  assert.deepEqual(s.tell({ type: "answered", attempt: 1, answer: unknown }), []);
  s.view = { ...s.view, owner: ownedBy("b", 20), mirror: ABSENT };
  assert.deepEqual(s.tell({ type: "look" }), ["promote 20"]);
  assert.deepEqual(s.tell({ type: "promoted" }), ["over: promoted"]);
});

for (const [why, happens] of [
  ["its link ended", (s: FollowerScene) => s.tell({ type: "owner-gone" })],
  [
    "its node was taken for lost",
    (s: FollowerScene) => {
      s.view = { ...s.view, ownerNode: nodeOf({ boot: "a1", state: "lost" }) };
      return s.tell({ type: "look" });
    },
  ],
] as const)
  test(`an owner is suspected at once: ${why}`, () => {
    const s = new FollowerScene().following();
    assert.deepEqual(happens(s), ["silence", `suspected: ${why}`, "txn promote"]);
  });

test("nobody is suspected by one who is not in sync, or stood still himself", () => {
  const s = new FollowerScene().following();
  s.now += 5_000;
  assert.deepEqual(s.tell({ type: "time" }), []);
  s.view = { ...s.view, mirror: seenAt(asked, 11) };
  assert.deepEqual(s.pass(1_000), []);
});

test("after a conflict, a mirror that has heard the owner since follows again; otherwise it asks again", () => {
  const s = new FollowerScene().following();
  s.pass(400);
  assert.deepEqual(s.tell({ type: "answered", attempt: 1, answer: { type: "conflict" } }), []);
  assert.deepEqual(s.pass(100), ["txn promote"]);
  s.tell({ type: "heard" });
  const words = s.tell({ type: "answered", attempt: 2, answer: { type: "conflict" } });
  assert.deepEqual(words, ["reopen"]);
  assert.equal(s.core.phase, "following");
  s.view = { ...s.view, mirror: ABSENT };
  assert.deepEqual(s.tell({ type: "look" }), ["drop", "over: ended"]);
});

test("an owner that ends the stream is asked again, and what is here stays; a replica that is gone is begun anew", () => {
  const s = new FollowerScene().following();
  assert.deepEqual(s.tell({ type: "closed" }), []);
  assert.deepEqual(s.pass(100), ["reopen"]);
  s.tell({ type: "failed", code: "failed", reason: "its thread died" });
  assert.deepEqual(s.pass(200), ["follow"]);
  s.view = { ...s.view, mirror: seenAt(asked, 11) };
  assert.deepEqual(s.pass(1_000), [], "nothing depends on it yet");
  assert.deepEqual(s.tell({ type: "give-up", problem: "this node is stopping" }), [
    "drop",
    "over: ended",
  ]);
});

test("a mirror in sync whose copy is gone is silent, and withdraws, once the owner says nothing", () => {
  const s = new FollowerScene().following();
  s.tell({ type: "failed", code: "failed", reason: "its thread died" });
  const words = s.pass(400);
  const reason = "it has no copy, and it said nothing for 400 ms";
  assert.deepEqual(words, ["follow", "silence", `withdraws: ${reason}`, "txn withdraw"]);
  const unknown = { type: "failed", problem: "planted", unknown: true } as const;
  assert.deepEqual(s.tell({ type: "answered", attempt: 1, answer: unknown }), []);
  assert.deepEqual(s.pass(100), ["txn withdraw"]);
  s.view = { ...s.view, mirror: ABSENT };
  assert.deepEqual(s.tell({ type: "look" }), ["drop", "over: ended"]);
});

test("a mirror in sync that begins with nothing, after its node was taken for lost, withdraws", () => {
  const s = new FollowerScene();
  const words = s.pass(400).filter((word) => word.startsWith("txn"));
  assert.deepEqual(words, ["txn withdraw"]);
  const done = { type: "done", revision: 20 } as const;
  const ended = s.tell({ type: "answered", attempt: 1, answer: done });
  assert.deepEqual(ended, ["drop", "over: withdrawn"]);
});

test("a source that a switch has made the mirror waits for what ran the shard, and suspects the owner from then on", () => {
  const s = new FollowerScene(true);
  s.view = { ...s.view, mirror: seenAt({ ...inSync, epoch: 0 }, EPOCH) };
  assert.deepEqual(s.pass(2_000), []);
  assert.deepEqual(s.tell({ type: "begin" }, { type: "prepared" }), ["prepare", "follow"]);
  s.tell({ type: "following" });
  assert.deepEqual(s.pass(350), []);
  assert.deepEqual(s.pass(50), ["silence", "suspected: it said nothing for 400 ms", "txn promote"]);
});

test("a source that a switch has made the mirror, and that has lost the state, withdraws once the owner is silent", () => {
  const s = new FollowerScene(true);
  s.view = { ...s.view, mirror: seenAt({ ...inSync, epoch: 0 }, EPOCH) };
  s.pass(2_000);
  assert.deepEqual(s.tell({ type: "not-kept" }), []);
  const words = s.pass(400).filter((word) => word.startsWith("txn"));
  assert.deepEqual(words, ["txn withdraw"]);
});

test("a copy that goes while its promotion is under way is withdrawn, unless that has committed", () => {
  const lost: FollowerEvent = { type: "failed", code: "failed", reason: "its thread died" };
  const s = new FollowerScene().following();
  assert.equal(s.pass(400).at(-1), "txn promote");
  assert.deepEqual(s.tell(lost), []);
  const unknown = { type: "failed", problem: "planted", unknown: true } as const;
  s.tell({ type: "answered", attempt: 1, answer: unknown });
  assert.deepEqual(s.pass(100), ["txn withdraw"]);
  s.view = { ...s.view, owner: ownedBy("b", 20), mirror: ABSENT };
  assert.deepEqual(s.tell({ type: "look" }), ["promote 20"]);
});

test("a mirror whose owner is lost before it was in sync withdraws: the shard can be opened here", () => {
  const asks = { mirror: seenAt(asked, 11) };
  const early = "withdraws: its owner was lost before it was in sync";
  const done = { type: "done", revision: 20 } as const;
  for (const gone of [
    { boot: "a1", state: "lost" },
    { boot: "a2", state: "ready" },
  ] as const) {
    const s = new FollowerScene().following();
    s.view = { ...s.view, ...asks, ownerNode: nodeOf({ boot: "a0" }, 9) };
    assert.deepEqual(s.tell({ type: "look" }), [], "the owner's node is not shown yet");
    s.view = { ...s.view, ownerNode: nodeOf(gone, 19) };
    assert.deepEqual(s.tell({ type: "look" }), ["silence", early, "txn withdraw"]);
    const ended = s.tell({ type: "answered", attempt: 1, answer: done });
    assert.deepEqual(ended, ["drop", "over: withdrawn"]);
  }
});

test("a mirror that was confirmed just before its owner was lost is not withdrawn: it takes over", () => {
  const s = new FollowerScene().following();
  s.view = { ...s.view, mirror: seenAt(asked, 11) };
  s.view = { ...s.view, ownerNode: nodeOf({ boot: "a1", state: "lost" }, 19) };
  assert.equal(s.tell({ type: "look" }).at(-1), "txn withdraw");
  assert.deepEqual(s.tell({ type: "answered", attempt: 1, answer: { type: "conflict" } }), []);
  s.view = { ...s.view, mirror: seenAt(inSync, 12) };
  assert.deepEqual(s.pass(100), ["txn promote"]);
});

test("a node that leaves withdraws what it has in sync, and takes over from an owner that is suspected", () => {
  const leaves: FollowerEvent = { type: "give-up", problem: "this node is stopping" };
  const s = new FollowerScene().following();
  const words = ["silence", "withdraws: this node is stopping", "txn withdraw"];
  assert.deepEqual(s.tell(leaves), words);
  assert.equal(s.core.phase, "suspecting");
  const suspects = new FollowerScene().following();
  suspects.pass(400);
  assert.deepEqual(suspects.tell(leaves), []);
  const refused = { type: "failed", problem: "planted", unknown: false } as const;
  suspects.tell({ type: "heard" });
  const next = suspects.tell({ type: "answered", attempt: 1, answer: refused });
  assert.deepEqual(next, ["reopen", ...words], "the owner is there after all");
});

test("a ticket is good for the record's node and boot, at the epoch of both", () => {
  const view = { mirror: seenAt(asked, 11), owner: ownedBy("a") };
  const ticket = { id: M1, boot: "b1", epoch: EPOCH };
  assert.equal(mirrorTicketProblem(ticket, "b", view, EPOCH), undefined);
  const codes = [
    mirrorTicketProblem({ ...ticket, id: M2 }, "b", view, EPOCH),
    mirrorTicketProblem({ ...ticket, boot: "b2" }, "b", view, EPOCH),
    mirrorTicketProblem(ticket, "c", view, EPOCH),
    mirrorTicketProblem(ticket, "b", { ...view, mirror: ABSENT }, EPOCH),
    mirrorTicketProblem({ ...ticket, epoch: 9 }, "b", view, EPOCH),
    mirrorTicketProblem(ticket, "b", { ...view, owner: ownedBy("b", 20) }, EPOCH),
  ].map((problem) => problem?.code);
  const [unknown, wrong] = ["unknown-ticket", "wrong-epoch"];
  assert.deepEqual(codes, [unknown, unknown, unknown, unknown, wrong, wrong]);
});
