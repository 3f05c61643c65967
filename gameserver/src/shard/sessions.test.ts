import assert from "node:assert/strict";
import { test } from "node:test";
import { UpstreamKind } from "@atlasnet/core";
import { ByteReader, JoinRefused } from "@atlasnet/world";
import { TestShard } from "../testing/test-shard.ts";
import type { Shard } from "./shard.ts";

function texts(test: TestShard, received: readonly { payload: Uint8Array }[]): unknown[] {
  const struct = test.definition.serverMessages[0];
  return received.map(({ payload }) => struct?.codec.decode(new ByteReader(payload))["text"]);
}

/** A shard whose world writes down what its handlers hear. */
function listening(options: ConstructorParameters<typeof TestShard>[0] = {}) {
  const heard: string[] = [];
  const test = new TestShard(options);
  test.hooks.join = (_, player) => heard.push(`join ${player.account}`);
  test.hooks.leave = (_, player, reason) => heard.push(`leave ${player.account} ${reason}`);
  test.hooks.drop = (_, player) => heard.push(`drop ${player.account}`);
  test.hooks.resume = (_, player) => heard.push(`resume ${player.account}`);
  test.hooks.say = (_, player, { text }) => heard.push(`${player.account}: ${text}`);
  test.hooks.move = (_, player, { dx }) => heard.push(`${player.account} moves ${dx}`);
  return { test, heard };
}

const session = (shard: Shard, id: number) => shard.store.sessions.sessionById(id);

test("a join is welcomed with what the client has to know", () => {
  const { test, heard } = listening();
  const ann = test.attach("ann");
  test.tick();
  assert.deepEqual(heard, ["join ann"]);
  const {
    session: id,
    attempt,
    timeline,
    appliedSeq,
    outSeq,
    lastInput,
    graceTicks,
  } = ann.welcome ?? assert.fail();
  assert.deepEqual(
    { id, attempt, timeline, appliedSeq, outSeq, lastInput, graceTicks },
    { id: 1, attempt: 1, timeline: 1, appliedSeq: 0, outSeq: 0, lastInput: 0, graceTicks: 10 },
  );
  assert.equal(ann.welcome?.definition, undefined, "it named the hash");
  const bob = test.attach("bob", {});
  const eve = test.attach("eve", { schema: undefined } as never);
  test.tick();
  assert.equal(bob.welcome?.definition, undefined);
  assert.deepEqual(eve.welcome?.definition, test.definition.data);
});

test("refusals: schema, full world, world's own, malformed params, lost sessions", () => {
  const { test } = listening({ options: { maxSessions: 1 } });
  const code = (client: { closed: { code: string } | undefined }) => client.closed?.code;
  const other = test.attach("ann", { schema: new Uint8Array(8) });
  const lost = test.attach("ann", { session: 9, attempt: 1 });
  const malformed = test.attach("ann", { params: new Uint8Array([255, 255]) });
  test.tick();
  assert.deepEqual([other, lost, malformed].map(code), [
    "schema-mismatch",
    "session-lost",
    "bad-message",
  ]);
  test.hooks.join = () => {
    throw new JoinRefused("n".repeat(5_000));
  };
  const refused = test.attach("ann");
  assert.deepEqual(test.tick().faults, []);
  assert.equal(refused.closed?.code, "join-refused");
  test.hooks.join = () => {
    // A bundled module has a class of its own.
    throw Object.assign(new Error("by code"), { code: "join-refused" });
  };
  const bundled = test.attach("ann");
  test.tick();
  assert.deepEqual(bundled.closed, { code: "join-refused", reason: "by code" });
  test.hooks.join = () => {
    throw new Error("broken");
  };
  const failed = test.attach("ann");
  assert.equal(test.tick().faults[0]?.message, "broken");
  assert.equal(failed.closed?.code, "internal-error");
  assert.equal(test.shard.store.sessions.size, 0, "none of them is in");
  delete test.hooks.join;
  test.join("ann");
  const late = test.attach("bob");
  const stranger = test.attach("bob", { session: 5, attempt: 1 });
  test.tick();
  assert.deepEqual([late, stranger].map(code), ["world-full", "session-lost"]);
});

test("messages are applied once, in order; a gap is asked for again", () => {
  const { test, heard } = listening();
  const ann = test.join("ann");
  heard.length = 0;
  ann.say("one", 1);
  ann.say("two", 2);
  ann.say("two", 2);
  ann.say("four", 4);
  test.tick();
  assert.deepEqual(heard, ["ann: one", "ann: two"]);
  assert.deepEqual([ann.acked, ann.resynced], [2, 2]);
  ann.acked = 0;
  ann.say("one", 1);
  test.tick();
  assert.equal(ann.acked, 2, "a duplicate is acknowledged again");
  ann.say("three", 3);
  ann.say("four", 4);
  test.tick();
  assert.deepEqual(heard.slice(2), ["ann: three", "ann: four"]);
});

test("a gap that closes within the tick is not asked for", () => {
  const { test, heard } = listening();
  const ann = test.join("ann");
  heard.length = 0;
  // Behind a move: what the proxy kept comes first, what the client sends again right after it.
  for (const seq of [3, 4, 1, 2, 3, 4, 5]) ann.say(`${seq}`, seq);
  test.tick();
  assert.deepEqual(
    heard,
    [1, 2, 3, 4, 5].map((seq) => `ann: ${seq}`),
  );
  assert.deepEqual([ann.acked, ann.resynced], [5, undefined]);
  for (const seq of [8, 6]) ann.say(`${seq}`, seq);
  test.tick();
  assert.deepEqual([ann.acked, ann.resynced], [6, 6], "8 still lacks 7");
});

test("of inputs each number is applied once, older ones are dropped", () => {
  const { test, heard } = listening();
  const ann = test.join("ann");
  heard.length = 0;
  for (const n of [3, 3, 2, 7, 5]) ann.move(1, 0, n);
  test.tick();
  assert.equal(heard.length, 2);
  assert.equal(test.resume(ann) && test.tick() && test.clients.at(-1)?.welcome?.lastInput, 7);
});

test("a second login takes the session over; the older connection is told", () => {
  const { test, heard } = listening();
  const first = test.join("ann");
  const second = test.join("ann");
  assert.equal(first.closed?.code, "superseded");
  assert.equal(second.session, first.session);
  assert.equal(second.welcome?.attempt, 2);
  assert.deepEqual(heard, ["join ann"], "the player stayed where it was");
  first.detach();
  first.leave();
  first.say("late");
  test.tick();
  assert.equal(second.closed, undefined);
  assert.equal(session(test.shard, second.session)?.connected, true);
  assert.deepEqual(heard, ["join ann"]);
});

test("attempts: the newest wins, the same may come again on its stream, older ones are refused", () => {
  const { test } = listening();
  const ann = test.join("ann");
  const again = test.resume(ann, { attempt: 5 });
  test.tick();
  assert.equal(again.welcome?.attempt, 5);
  const stale = test.resume(ann, { attempt: 4 });
  const same = test.resume(ann, { attempt: 5 });
  test.tick();
  assert.equal(stale.closed?.code, "stale-attempt");
  assert.equal(same.welcome?.attempt, 5);
  assert.equal(again.closed?.code, "superseded");
  const foreign = test.resume(ann, { attempt: 5, stream: new Uint8Array(8) });
  const thief = test.attach("eve", { session: ann.session, attempt: 9 });
  test.tick();
  assert.equal(foreign.closed?.code, "stale-attempt");
  assert.equal(thief.closed?.code, "session-lost");
  assert.equal(same.closed, undefined);
});

test("of hellos without a token, too, those of a stream count up: one that comes late is refused", () => {
  const { test } = listening();
  const stream = Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8]);
  const hello = (attempt: number, peer: number) => test.attach("ann", { stream, attempt }, peer);
  // The first of three waits at a proxy without a link, and comes last.
  const second = hello(1, 1);
  test.tick();
  const late = hello(0, 2);
  test.tick();
  assert.equal(late.closed?.code, "stale-attempt");
  assert.equal(second.closed, undefined);
  // The second one again, as its proxy says it when its link was lost, and a third.
  const again = hello(1, 1);
  test.tick();
  assert.equal(again.welcome?.session, second.session);
  const third = hello(2, 2);
  test.tick();
  assert.equal(third.welcome?.session, second.session);
  assert.equal(again.closed?.code, "superseded");
  const next = test.successor({ epoch: 2 });
  const later = next.attach("ann", { stream, attempt: 1 });
  next.tick();
  assert.equal(later.closed?.code, "stale-attempt", "a restored shard knows it, too");
  // Another client of the account has numbers of its own.
  const other = test.attach("ann", { attempt: 0 });
  test.tick();
  assert.equal(other.welcome?.session, second.session);
});

test("a client that misses messages gets them again when it says so, its proxy's resync repeats none", () => {
  const { test } = listening();
  const ann = test.join("ann");
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: `t${ctx.tick}` });
  test.ticks(3);
  delete test.hooks.tick;
  const seqs = () => ann.received.splice(0).map(({ seq }) => seq);
  const all = seqs();
  assert.deepEqual(all, [1, 2, 3]);
  ann.resync();
  test.tick();
  assert.deepEqual(seqs(), []);
  ann.ack(2);
  ann.resync(true);
  test.tick();
  assert.deepEqual(seqs(), [3]);
});

test("the outbox is sent again from what the client has", () => {
  const { test } = listening();
  const ann = test.join("ann");
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: `t${ctx.tick}` });
  test.ticks(3);
  assert.deepEqual(
    ann.received.map(({ seq }) => seq),
    [1, 2, 3],
  );
  delete test.hooks.tick;
  ann.detach();
  test.tick();
  const back = test.resume(ann, { lastReceived: 1 });
  test.tick();
  assert.deepEqual(
    back.received.map(({ seq }) => seq),
    [2, 3],
  );
  back.ack(3);
  test.tick();
  const later = test.resume(ann, { attempt: 9, lastReceived: 3 });
  test.tick();
  assert.equal(later.received.length, 0);
  assert.equal(session(test.shard, ann.session)?.outboxBytes, 0);
});

test("a new stream begins both numberings anew", () => {
  const { test, heard } = listening();
  const ann = test.join("ann");
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: "x" });
  ann.say("old", 1);
  ann.move(1, 0, 5);
  test.ticks(3);
  delete test.hooks.tick;
  const page = test.attach("ann", { session: ann.session, attempt: 2 });
  test.tick();
  assert.deepEqual(
    [page.welcome?.appliedSeq, page.welcome?.outSeq, page.welcome?.lastInput],
    [0, 0, 0],
  );
  assert.equal(page.received.length, 0);
  page.say("new", 1);
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: "y" });
  test.tick();
  assert.deepEqual(
    page.received.map(({ seq }) => seq),
    [1],
  );
  assert.equal(heard.at(-1), "ann: new");
});

test("more messages than a batch may carry for one client come with the next ticks", () => {
  const { test } = listening({ hasTick: false, options: { outboxMessages: 5_000 } });
  const ann = test.join("ann");
  test.hooks.say = (ctx) => {
    for (let i = 0; i < 2_500; i++) ctx.broadcast("said", { text: "x" });
  };
  ann.say("go");
  const counts = [];
  do {
    const before = ann.received.length;
    test.tick();
    counts.push(ann.received.length - before);
  } while (test.shard.busy);
  assert.deepEqual(counts, [1024, 1024, 452]);
  assert.deepEqual(ann.received.at(-1)?.seq, 2_500);
});

test("an outbox that runs over ends the session as a slow consumer", () => {
  const { test, heard } = listening({ options: { outboxMessages: 3 } });
  const ann = test.join("ann");
  const bob = test.join("bob");
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: "x" });
  for (let i = 0; i < 4; i++) {
    test.tick();
    bob.ack(bob.received.at(-1)?.seq ?? 0);
  }
  assert.equal(ann.closed?.code, "slow-consumer");
  assert.equal(bob.closed, undefined);
  assert.equal(heard.at(-1), "leave ann kicked");
  const bytes = new TestShard({ options: { outboxBytes: 100 } });
  const eve = bytes.join("eve");
  bytes.hooks.tick = (ctx) => ctx.broadcast("said", { text: "x".repeat(101) });
  bytes.tick();
  assert.equal(eve.closed?.code, "slow-consumer");
});

test("a lost client keeps its place for the grace period, in ticks", () => {
  const { test, heard } = listening();
  const ann = test.join("ann");
  ann.detach();
  test.tick();
  const lostAt = test.shard.store.tick;
  assert.equal(test.shard.nextDue(), lostAt + 10);
  test.ticks(9);
  assert.equal(test.shard.store.sessions.size, 1);
  test.tick();
  assert.equal(test.shard.store.sessions.size, 0);
  assert.deepEqual(heard, ["join ann", "drop ann", "leave ann grace-expired"]);
  const back = test.resume(ann);
  test.tick();
  assert.equal(back.closed?.code, "session-lost");
});

test("after a restore everybody has a whole grace period, and the drop is told", () => {
  const { test } = listening();
  const ann = test.join("ann");
  const bob = test.join("bob");
  bob.detach();
  test.ticks(9);
  const next = test.successor({ epoch: 2 });
  const heard: string[] = [];
  next.hooks.drop = (_, player) => heard.push(`drop ${player.account}`);
  next.ticks(9);
  assert.equal(next.shard.store.sessions.size, 2);
  assert.deepEqual(heard, ["drop ann"]);
  const back = next.resume(ann);
  next.tick();
  assert.equal(back.welcome?.epoch, 2);
  assert.equal(next.shard.store.sessions.size, 1, "bob's time was over");
});

test("a message of another epoch is refused or dropped", () => {
  const { test } = listening();
  const stale = test.attach("ann", { epoch: 0 });
  assert.ok(test.shard.busy, "the answer goes out with the next tick");
  test.tick();
  assert.equal(stale.closed?.code, "world-unavailable");
  const ann = test.join("ann");
  test.shard.receive(1, { type: "leave", shard: "puppet/0", epoch: 0, attach: ann.attach });
  test.tick();
  assert.equal(ann.closed, undefined);
});

test("leave, kick and transfer", () => {
  const { test, heard } = listening();
  const ann = test.join("ann");
  ann.leave();
  test.tick();
  assert.equal(ann.closed?.code, "left");
  assert.equal(heard.at(-1), "leave ann left");
  const bob = test.join("bob");
  test.hooks.say = (_, player) => player.kick("be nice");
  bob.say("rude");
  test.tick();
  assert.deepEqual(bob.closed, { code: "kicked", reason: "be nice" });
  const eve = test.join("eve");
  test.hooks.say = (_, player) => player.transfer("cellar");
  eve.say("down");
  test.tick();
  assert.equal(eve.transferred, "cellar");
  assert.equal(eve.closed, undefined);
});

test("kick and transfer within join are answered", () => {
  const { test } = listening();
  test.hooks.join = (_, player) => player.kick("not you");
  const ann = test.attach("ann");
  test.tick();
  assert.deepEqual(ann.closed, { code: "kicked", reason: "not you" });
  assert.equal(ann.welcome, undefined);
  test.hooks.join = (_, player) => player.transfer("lounge");
  const bob = test.join("bob");
  assert.equal(bob.transferred, "lounge");
});

test("leave handlers that kick do not run for ever", () => {
  const { test, heard } = listening();
  const clients = ["ann", "bob", "eve"].map((account) => test.join(account));
  test.hooks.leave = (ctx, player) => {
    heard.push(`leave ${player.account}`);
    for (const other of ctx.players) other.kick("all out");
  };
  clients[0]?.leave();
  assert.deepEqual(test.tick().faults, []);
  assert.deepEqual(heard.slice(3), ["leave ann", "leave bob", "leave eve"]);
  assert.deepEqual(
    clients.map((client) => client.closed?.code),
    ["left", "kicked", "kicked"],
  );
  assert.equal(test.shard.store.sessions.size, 0);
});

test("what a departed player owned is nobody's, and its entity goes with it", () => {
  const { test } = listening();
  test.hooks.join = (ctx, player) => {
    player.entity = ctx.spawn({ body: {} });
    ctx.spawn({ body: {} }).owner = player;
  };
  const ann = test.join("ann");
  ann.leave();
  test.tick();
  const [left] = test.shard.store.entities.all();
  assert.equal(test.shard.store.entities.size, 1);
  assert.equal(left?.owner, undefined);
  assert.equal(left?.$owner, 0);
});

test("the end of a link ends attachments that are still in the queue", () => {
  const { test, heard } = listening();
  test.attach("ann", {}, 5);
  test.shard.disconnect(5);
  test.tick();
  assert.equal(test.shard.attachmentCount, 0);
  assert.equal(session(test.shard, 1)?.connected, false);
  assert.deepEqual(heard, ["join ann", "drop ann"]);
});

test("the end of an old link is nothing to who came back over a new one before it was noticed", () => {
  const { test, heard } = listening();
  const ann = test.join("ann");
  // A proxy comes back at the same attempt, as it does when its link was lost.
  const back = test.resume(ann, { attempt: ann.welcome?.attempt ?? 0 }, 2);
  test.shard.disconnect(1);
  ann.detach();
  ann.say("late", 1);
  test.tick();
  assert.equal(back.welcome?.session, ann.session);
  assert.equal(back.closed, undefined);
  assert.equal(session(test.shard, ann.session)?.connected, true);
  assert.equal(session(test.shard, ann.session)?.appliedSeq, 0);
  back.say("in time");
  test.shard.disconnect(1);
  test.tick();
  assert.equal(back.acked, 1);
  assert.equal(test.shard.attachmentCount, 1);
  assert.deepEqual(
    heard.filter((line) => /join|drop|resume/.test(line)),
    ["join ann"],
  );
});

test("a batch that is not of its form is counted and harms nobody", () => {
  const { test, heard } = listening();
  const ann = test.join("ann");
  test.shard.receive(1, { type: "upstream", ...test.address, batch: new Uint8Array([1, 99, 1]) });
  assert.equal(test.shard.malformed, 1);
  ann.upstream(UpstreamKind.message, 1, 77, new Uint8Array(0));
  assert.deepEqual(test.tick().faults, []);
  assert.equal(ann.closed?.code, "bad-message");
  assert.equal(session(test.shard, ann.session)?.connected, false);
  assert.equal(heard.at(-1), "drop ann");
});

test("a payload with bytes too many, or values out of range, is a bad message", () => {
  const { test } = listening();
  for (const payload of [new Uint8Array([0, 1, 2, 3]), new Uint8Array([15]), new Uint8Array(0)]) {
    const ann = test.join("ann");
    ann.upstream(UpstreamKind.input, 1, 0, payload);
    test.tick();
    assert.equal(ann.closed?.code, "bad-message");
  }
});

test("numbers of a state that went back mean others: nothing new counts as received", () => {
  const { test } = listening();
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: `first life ${ctx.tick}` });
  const ann = test.join("ann");
  test.ticks(3);
  const kept = test.shard.snapshot();
  test.ticks(4);
  assert.equal(ann.received.length, 8);
  // The world goes back to the kept state and says other things until ann returns.
  const next = test.successor({ epoch: 2, timeline: 2 }, kept);
  next.hooks.tick = (ctx) => ctx.broadcast("said", { text: `second life ${ctx.tick}` });
  next.ticks(5);
  const back = next.resume(ann);
  next.tick();
  assert.equal(back.welcome?.timeline, 2);
  assert.equal(back.welcome?.outSeq, 4, "up to here both lives are the same");
  assert.deepEqual(
    back.received.map(({ seq }) => seq),
    [5, 6, 7, 8, 9, 10],
  );
  for (const text of texts(next, back.received)) assert.match(String(text), /^second/);
  // The welcome was lost: the same client comes again, still on its old timeline.
  const again = next.resume(ann, { attempt: 9 });
  next.tick();
  assert.equal(again.welcome?.outSeq, 4);
  assert.equal(again.received[0]?.seq, 5);
  // It was welcomed by way of the same connection, and will have read that before it reads this answer.
  const owed = next.resume(again, { attempt: 9, lastReceived: 8, timeline: 1, welcomed: 2 });
  next.tick();
  assert.ok((owed.welcome?.outSeq ?? 0) >= 10, "nothing that it has of this life is taken back");
  assert.equal(owed.received[0]?.seq, 5, "and nothing counts as received of it");
  // It shows that it knows: from here on its numbers are the shard's.
  again.ack(10);
  next.tick();
  const later = next.resume(again, { attempt: 10, lastReceived: 10, timeline: 2 });
  next.tick();
  assert.equal(later.received[0]?.seq, 11);
});

test("a state that went back twice shares the lesser of both with an absent client", () => {
  const { test } = listening();
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: `${ctx.tick}` });
  const ann = test.join("ann");
  test.ticks(2);
  const kept = test.shard.snapshot();
  test.ticks(5);
  const second = test.successor({ epoch: 2, timeline: 2 }, kept);
  second.hooks.tick = (ctx) => ctx.broadcast("said", { text: `${ctx.tick}` });
  second.ticks(3);
  const third = second.successor({ epoch: 3, timeline: 3 });
  const back = third.resume(ann);
  third.tick();
  assert.equal(back.welcome?.outSeq, 3);
  assert.equal(back.received[0]?.seq, 4);
});

test("of a state that may be of a branch that parted from its client's, no number means what the client has under it", () => {
  const { test } = listening();
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: `before ${ctx.tick}` });
  const ann = test.join("ann");
  test.ticks(3);
  ann.ack(2);
  test.tick();
  const copy = test.shard.snapshot();
  // Nobody was told of these ticks: somebody else has gone on from before them, and says other things.
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: `never told ${ctx.tick}` });
  test.ticks(3);
  const other = test.successor({ epoch: 2 }, copy);
  other.hooks.tick = (ctx) => ctx.broadcast("said", { text: `other ${ctx.tick}` });
  const there = other.resume(ann, { lastReceived: 5 });
  other.ticks(4);
  assert.ok(there.received.some(({ seq }) => seq === 6) && there.welcome?.timeline === 1);
  // Then the first one's state is all there is.
  const next = test.successor({ epoch: 3, timeline: 0 });
  next.shard.succession.assume({ epoch: 3, timeline: 3, parted: true });
  next.hooks.tick = (ctx) => ctx.broadcast("said", { text: `after ${ctx.tick}` });
  next.tick();
  const kept = next.shard.snapshot();
  const back = next.resume(there, { attempt: 9 });
  next.tick();
  assert.deepEqual([back.welcome?.timeline, back.welcome?.outSeq], [3, 0]);
  const said = ["before 3", "before 4", "before 5", "never told 6", "never told 7", "never told 8"];
  assert.deepEqual(texts(next, back.received), [...said, "after 9", "after 10"]);
  assert.deepEqual(
    back.received.map(({ seq }) => seq),
    [1, 2, 3, 4, 5, 6, 7, 8],
  );
  // The welcome was lost, and the world began again: that is in the state as well.
  const later = next.successor({ epoch: 4, timeline: 4 }, kept);
  const again = later.resume(there, { attempt: 9 });
  later.tick();
  assert.deepEqual([again.welcome?.outSeq, again.received.length], [0, 7]);
  again.ack(7);
  later.tick();
  const known = later.resume(again, { attempt: 10, lastReceived: 7, timeline: 4 });
  later.hooks.tick = (ctx) => ctx.broadcast("said", { text: `known ${ctx.tick}` });
  later.tick();
  assert.equal(known.received[0]?.seq, 8, "what it acknowledged since counts");
});

test("what a client numbered anew on a timeline of another branch does not count as what was applied here", () => {
  const { test } = listening();
  const ann = test.join("ann");
  const young = test.shard.snapshot();
  for (const text of ["one", "two", "three"]) ann.say(text);
  test.tick();
  const asideAt = (epoch: number, of: TestShard) => {
    const next = of.successor({ epoch, timeline: 0 });
    next.shard.succession.assume({ epoch, timeline: epoch, parted: true });
    return next;
  };
  // Another branch began from before them, and ann says other things there; the last is not acknowledged.
  const other = test.successor({ epoch: 2, timeline: 2 }, young);
  const there = other.resume(ann, { firstUnacked: 4 });
  other.tick();
  assert.equal(there.welcome?.appliedSeq, 0);
  const said = { attempt: 9, firstUnacked: 2, timeline: 2 };
  const next = asideAt(4, asideAt(3, test));
  const heard: string[] = [];
  next.hooks.say = (_, _player, { text }) => heard.push(String(text));
  const back = next.resume(there, said);
  next.tick();
  assert.equal(back.welcome?.appliedSeq, 0, "message 2 was another one here");
  back.seq = 0;
  back.say("kept");
  next.tick();
  assert.deepEqual(heard, ["kept"]);
  // It shows by its hello that it read that: from here on its numbers are the shard's, also when that goes back.
  const later = next.successor({ epoch: 5, timeline: 5 });
  const known = later.resume(back, { attempt: 10, firstUnacked: 1, timeline: 4 });
  later.tick();
  assert.equal(known.welcome?.appliedSeq, 1, "what it has no answer to is applied");
  // A client that stayed on the timeline of this branch means by its numbers what was applied.
  const same = asideAt(3, test);
  const stayed = same.resume(ann, { firstUnacked: 2 });
  same.tick();
  assert.equal(stayed.welcome?.appliedSeq, 3);
  // So does one that was told of as much elsewhere.
  const behind = asideAt(3, test);
  const ahead = behind.resume(there, { ...said, firstUnacked: 4 });
  behind.tick();
  assert.equal(ahead.welcome?.appliedSeq, 3);
});

test("on the same timeline a new epoch changes no numbers", () => {
  const { test } = listening();
  test.hooks.tick = (ctx) => ctx.broadcast("said", { text: "x" });
  const ann = test.join("ann");
  test.ticks(4);
  const next = test.successor({ epoch: 2 });
  const back = next.resume(ann);
  next.tick();
  assert.equal(back.received.length, 0);
  assert.equal(back.welcome?.outSeq, 5);
});
