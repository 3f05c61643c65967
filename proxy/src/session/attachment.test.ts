import assert from "node:assert/strict";
import { test } from "node:test";
import { type Hello, UpstreamKind } from "@atlasnet/core";
import { ATTACHED, HELLO as GREETING } from "../testing/ann.ts";
import { Attachment, FIRST_RETRY_MS, RETRY_MS } from "./attachment.ts";
import type { AttachmentEffect } from "./attachment-effects.ts";

const HELLO: Hello = { ...GREETING, timeline: 1, params: Uint8Array.of(9) };

function fresh(): Attachment {
  return new Attachment({
    limits: {
      maxMessageBytes: 1,
      messagesPerSecond: 2,
      bytesPerSecond: 3,
      idleTimeoutMs: 4,
      attachBufferBytes: 300,
      unavailableTimeoutMs: 1000,
    },
    endpoints: [],
  });
}

function attached(): Attachment {
  const attachment = fresh();
  attachment.message({ type: "hello", hello: HELLO }, 0);
  attachment.identified({ account: "ann", name: "Ann", data: null }, 0);
  attachment.routed();
  attachment.attached(ATTACHED);
  attachment.signed("token");
  assert.equal(attachment.phase, "attached");
  return attachment;
}

const types = (effects: readonly AttachmentEffect[]): string[] => effects.map(({ type }) => type);

test("from hello to welcome", () => {
  const attachment = fresh();
  assert.deepEqual(types(attachment.message({ type: "hello", hello: HELLO }, 0)), ["identify"]);
  const identity = { account: "ann", name: "Ann", data: null, session: 11 };
  assert.deepEqual(attachment.identified(identity, 0), [
    { type: "route", world: "arena", notBefore: 0 },
  ]);
  const { world: _, ...asked } = HELLO;
  assert.deepEqual(attachment.routed(), [
    { type: "attach", message: { ...asked, account: "ann", name: "Ann", data: null, session: 11 } },
  ]);
  assert.deepEqual(attachment.attached(ATTACHED), [
    {
      type: "sign",
      claims: { account: "ann", world: "arena", session: 11, name: "Ann", data: null },
    },
  ]);
  assert.deepEqual(types(attachment.signed("token")), ["send", "release"]);
});

test("attaching anew names the session, what was acknowledged, and the same attempt", () => {
  const attachment = attached();
  attachment.message({ type: "ack", seq: 9, timeline: 1 }, 0);
  attachment.applied(12);
  assert.deepEqual(types(attachment.lost(0)), ["unfollow", "route"]);
  const [effect] = attachment.routed();
  assert.ok(effect?.type === "attach");
  assert.deepEqual(effect.message, {
    account: "ann",
    name: "Ann",
    data: null,
    stream: HELLO.stream,
    session: 11,
    attempt: 3,
    firstUnacked: 13,
    lastReceived: 9,
    timeline: 1,
  });
  // No new token is made, so the welcome follows at once.
  assert.deepEqual(types(attachment.attached(ATTACHED)), ["send", "release"]);
});

/** The world went back: the shard numbers anew from 4 on, and has 2 of the client's messages. */
function wentBack(attachment = attached()): Attachment {
  attachment.lost(0);
  attachment.routed();
  attachment.attached({ ...ATTACHED, timeline: 2, outSeq: 4, appliedSeq: 2 });
  return attachment;
}

function attachAgain(attachment: Attachment) {
  attachment.lost(0);
  const [effect] = attachment.routed();
  assert.ok(effect?.type === "attach");
  const { lastReceived, firstUnacked, timeline, welcomed } = effect.message;
  return { lastReceived, firstUnacked, timeline, ...(welcomed !== undefined && { welcomed }) };
}

const ack = (seq: number, timeline: number) => ({ type: "ack", seq, timeline }) as const;
const say = (seq: number) =>
  ({ type: "message", seq, index: 0, payload: new Uint8Array(1) }) as const;

test("what a client has is told on the timeline that it knows, until it shows that it knows the next", () => {
  const attachment = attached();
  attachment.message(ack(20, 1), 0);
  wentBack(attachment);
  const unshown = { lastReceived: 20, firstUnacked: 3, timeline: 1, welcomed: 2 };
  assert.deepEqual(attachAgain(attachment), unshown);
  attachment.attached({ ...ATTACHED, timeline: 2, outSeq: 4, appliedSeq: 2 });
  attachment.message(ack(4, 2), 0);
  assert.deepEqual(attachAgain(attachment), { lastReceived: 4, firstUnacked: 3, timeline: 2 });
});

test("acks of a timeline that is over are dropped, whenever they come", () => {
  const attachment = attached();
  attachment.lost(0);
  // While there is nobody to pass it to.
  assert.deepEqual(attachment.message(ack(8, 1), 0), []);
  attachment.routed();
  const welcome = attachment.attached({ ...ATTACHED, timeline: 2, outSeq: 4 });
  assert.deepEqual(types(welcome), ["send", "release"]);
  assert.deepEqual(types(attachment.message(ack(9, 1), 0)), ["stale"]);
  assert.deepEqual(types(attachment.message(ack(4, 2), 0)), ["upstream"]);
  assert.deepEqual(types(attachment.message(ack(9, 1), 0)), ["stale"]);
});

test("an ack that came without an owner is passed on where the timeline is the same", () => {
  const attachment = attached();
  attachment.lost(0);
  attachment.message(ack(8, 1), 0);
  attachment.routed();
  const effects = attachment.attached(ATTACHED);
  assert.deepEqual(types(effects), ["send", "release", "upstream"]);
  const last = effects[2];
  assert.ok(last?.type === "upstream");
  assert.equal(last.item.n, 8);
});

test("messages numbered before the world went back are dropped until the client acknowledges behind it", () => {
  const attachment = attached();
  attachment.lost(0);
  attachment.message(say(7), 0);
  attachment.message({ type: "input", n: 1, index: 0, payload: new Uint8Array(1) }, 0);
  attachment.routed();
  const effects = attachment.attached({ ...ATTACHED, timeline: 2, appliedSeq: 6 });
  assert.deepEqual(types(effects), ["stale", "send", "release", "upstream"]);
  assert.equal(attachment.behind, true);
  // By its number this one could pass for the next; the client gives it another one.
  assert.deepEqual(types(attachment.message(say(7), 0)), ["stale"]);
  assert.deepEqual(types(attachment.message(ack(8, 2), 0)), ["upstream"]);
  assert.deepEqual(types(attachment.message(say(7), 0)), ["upstream"]);
  // Attached anew on the same timeline: nothing changed for the client.
  attachment.lost(0);
  attachment.routed();
  attachment.attached({ ...ATTACHED, timeline: 2 });
  assert.deepEqual(types(attachment.message(say(8), 0)), ["upstream"]);
});

test("messages that are dropped count as well when the player gets another session, with a new token", () => {
  const attachment = attached();
  attachment.lost(0);
  attachment.message(say(7), 0);
  attachment.routed();
  const effects = attachment.attached({ ...ATTACHED, session: 12, timeline: 2, appliedSeq: 0 });
  assert.deepEqual(types(effects), ["stale", "sign"]);
});

test("upstream without an owner is kept in order, copied, and bounded by not reading", () => {
  const attachment = attached();
  attachment.lost(0);
  const payload = Uint8Array.of(1);
  const input = { type: "input", n: 1, index: 0, payload } as const;
  assert.deepEqual(attachment.message(input, 0), []);
  payload[0] = 99;
  attachment.message({ type: "message", seq: 1, index: 0, payload: new Uint8Array(100) }, 0);
  assert.deepEqual(
    types(
      attachment.message({ type: "message", seq: 2, index: 0, payload: new Uint8Array(50) }, 0),
    ),
    ["pause"],
  );
  attachment.routed();
  const effects = attachment.attached(ATTACHED);
  assert.deepEqual(types(effects), [
    "send",
    "release",
    "upstream",
    "upstream",
    "upstream",
    "resume",
  ]);
  const first = effects[2];
  assert.ok(first?.type === "upstream");
  assert.deepEqual(first.item.payload, Uint8Array.of(1));
});

test("a shard without an owner here is asked again later, until the time is over", () => {
  const attachment = attached();
  attachment.lost(100);
  attachment.routed();
  assert.deepEqual(attachment.shardClosed("world-unavailable", "", 100), [
    { type: "unfollow" },
    { type: "route", world: "arena", notBefore: 100 + FIRST_RETRY_MS },
  ]);
  // Later and later, up to a bound.
  const pauses = [1, 2, 3, 4, 5, 6].map(() => {
    attachment.routed();
    const [, route] = attachment.shardClosed("world-unavailable", "", 100);
    return route?.type === "route" ? route.notBefore - 100 : undefined;
  });
  assert.deepEqual(pauses, [30, 60, 120, 240, RETRY_MS, RETRY_MS]);
  assert.deepEqual(attachment.unknownWorld(200), [
    { type: "route", world: "arena", notBefore: 200 + RETRY_MS },
  ]);
  assert.deepEqual(attachment.sweep(1099), []);
  assert.deepEqual(types(attachment.sweep(1100)), ["unroute", "close"]);
  assert.equal(attachment.phase, "ended");
});

test("who waits for a world that gets no owner is closed at once, with or without a session", () => {
  for (const [why, code] of [
    ["removed", "unknown-world"],
    ["disabled", "world-unavailable"],
  ] as const) {
    const attachment = attached();
    assert.deepEqual(attachment.noOwner(why), [], "it is attached");
    attachment.lost(100);
    const closed = attachment.noOwner(why).at(-1);
    assert.ok(closed?.type === "close");
    assert.equal(closed.code, code);
    assert.equal(attachment.phase, "ended");
  }
});

test("leave: told to the shard, answered with left, and a new hello may follow", () => {
  const attachment = attached();
  assert.deepEqual(types(attachment.message({ type: "leave" }, 0)), ["leave"]);
  assert.deepEqual(types(attachment.shardClosed("left", "", 0)), ["unfollow", "send"]);
  assert.equal(attachment.awaitsHello, true);
  assert.deepEqual(types(attachment.message({ type: "hello", hello: HELLO }, 0)), ["identify"]);
  const unanswered = attached();
  unanswered.message({ type: "leave" }, 0);
  assert.deepEqual(types(unanswered.lost(0)), ["unfollow", "send"]);
});

test("messages out of place end the connection", () => {
  const early = fresh();
  assert.deepEqual(early.message({ type: "resync" }, 0), [
    {
      type: "close",
      code: "out-of-state",
      reason: "this message has no place before a welcome",
    },
  ]);
  assert.deepEqual(early.message({ type: "ping", t: 1 }, 0), []);
  const twice = attached();
  assert.deepEqual(types(twice.message({ type: "hello", hello: HELLO }, 0)), ["detach", "close"]);
});

test("answers that come too late change nothing", () => {
  const attachment = attached();
  attachment.disconnected();
  assert.deepEqual(attachment.identified({ account: "a", name: "", data: null }, 0), []);
  assert.deepEqual(attachment.routed(), []);
  assert.deepEqual(attachment.attached(ATTACHED), []);
  assert.deepEqual(attachment.signed("x"), []);
  assert.deepEqual(attachment.shardClosed("kicked", "", 0), []);
  assert.deepEqual(attachment.lost(0), []);
  assert.deepEqual(attachment.disconnected(), []);
});

test("a ticket that is never checked ends the connection, too", () => {
  const attachment = fresh();
  attachment.message({ type: "hello", hello: HELLO }, 100);
  assert.deepEqual(attachment.sweep(1099), []);
  assert.deepEqual(types(attachment.sweep(1100)), ["close"]);
});

const said = (n: number) => ({
  kind: UpstreamKind.message,
  n,
  index: 0,
  payload: Uint8Array.of(n),
});

/** Numbers of what goes to the shard, and the names of all else. */
const outline = (effects: readonly AttachmentEffect[]) =>
  effects.map((effect) => (effect.type === "upstream" ? effect.item.n : effect.type));

test("what a shard gives back goes first to the next owner, and counts against the bound", () => {
  const attachment = attached();
  const returned = { items: [7, 8, 9, 10, 11].map(said), leave: false };
  assert.deepEqual(types(attachment.lost(0, returned)), ["unfollow", "pause", "route"]);
  attachment.message(say(12), 0);
  attachment.routed();
  assert.deepEqual(outline(attachment.attached(ATTACHED)), [
    ...["send", "release"],
    ...[7, 8, 9, 10, 11, 12],
    "resume",
  ]);
});

test("who left behind its last words is not welcomed: they are told, then that it leaves", () => {
  const attachment = attached();
  attachment.message({ type: "leave" }, 0);
  const effects = attachment.lost(0, { items: [said(7)], leave: true });
  assert.deepEqual(types(effects), ["unfollow", "route"]);
  assert.deepEqual(types(attachment.message(say(8), 0)), ["unroute", "close"], "it has left");
  const again = attached();
  again.lost(0, { items: [said(7)], leave: false });
  again.message({ type: "leave" }, 0);
  again.routed();
  assert.deepEqual(outline(again.attached(ATTACHED)), [7, "leave"]);
  assert.deepEqual(types(again.shardClosed("left", "", 0)), ["unfollow", "send"]);
  // Without anything to tell, or when the owner does not come, it is over at once.
  const silent = attached();
  silent.message({ type: "leave" }, 0);
  assert.deepEqual(types(silent.lost(0)), ["unfollow", "send"]);
  const waiting = attached();
  waiting.lost(0, { items: [said(7)], leave: false });
  waiting.message({ type: "leave" }, 100);
  assert.deepEqual(waiting.sweep(1099), []);
  assert.deepEqual(types(waiting.sweep(1100)), ["unroute", "send"]);
});
