import assert from "node:assert/strict";
import { test } from "node:test";
import { QueueFullError } from "./outbox.ts";
import { Play, STREAM, seqs, welcome } from "./testing/play.ts";

const PAYLOAD = Uint8Array.of(42);

test("a guest says hello and is welcomed", () => {
  const play = new Play().step({ type: "start" });
  assert.deepEqual(play.take(), [{ type: "dial", url: "ws://one" }]);
  const hello = play.step({ type: "opened" }).hello();
  assert.deepEqual(
    [hello.attempt, hello.resume, hello.firstUnacked, hello.lastReceived, hello.stream],
    [0, undefined, 1, 0, STREAM],
  );
  const effects = play.receive(welcome()).take();
  assert.deepEqual(effects[0], { type: "save", saved: { resume: "token", attempt: 1 } });
  assert.equal(effects[1]?.type, "welcomed");
});

const said = (seq: number) => ({ type: "message", seq, index: 0, payload: PAYLOAD }) as const;

test("a lost connection is mended: same stream, next attempt, unacknowledged messages again", () => {
  const play = new Play().join().send(1).send(2).send(3);
  play
    .receive({ type: "ack", seq: 1, tick: 1 })
    .receive({ type: "message", seq: 1, index: 0, payload: PAYLOAD });
  play.take();
  assert.deepEqual(play.drop().types(), ["dropped"]);
  play.send(4);
  const hello = play.back().hello();
  assert.deepEqual(
    [hello.resume, hello.attempt, hello.firstUnacked, hello.lastReceived, hello.timeline],
    ["token", 2, 2, 1, 1],
  );
  play.receive(welcome({ attempt: 2, appliedSeq: 2, outSeq: 1 }));
  const effects = play.take();
  assert.deepEqual(
    effects.filter((e) => e.type === "resumed" || e.type === "rolled-back").map((e) => e.type),
    ["resumed"],
  );
  assert.deepEqual(seqs(effects.flatMap((e) => (e.type === "transmit" ? [e.message] : []))), [
    [3, 3],
    [4, 4],
  ]);
});

test("an attempt counts with the hello, also when nothing came back", () => {
  const play = new Play().join().drop();
  play.take();
  assert.equal(play.back().hello().attempt, 2);
  play.drop().take();
  assert.equal(play.back().hello().attempt, 3);
});

test("another timeline rolls back: kept messages are renumbered, received ones forgotten", () => {
  const play = new Play().join().send(1).send(2);
  play.receive({ type: "message", seq: 1, index: 0, payload: PAYLOAD });
  play.receive({ type: "message", seq: 2, index: 0, payload: PAYLOAD });
  play.receive({ type: "ack", seq: 1, tick: 1 });
  play.take();
  // On a running connection, as after a new owner.
  play.receive(welcome({ timeline: 2, appliedSeq: 0, outSeq: 1 }));
  const effects = play.take();
  assert.ok(effects.some(({ type }) => type === "rolled-back"));
  assert.ok(!effects.some(({ type }) => type === "resumed"));
  const sent = effects.flatMap((e) => (e.type === "transmit" ? [e.message] : []));
  assert.deepEqual(seqs(sent), [[1, 2]]);
  // First the server learns from which message on the numbers are the new ones.
  const told = sent.filter(({ type }) => type === "ack" || type === "message");
  assert.deepEqual(told[0], { type: "ack", seq: 1, timeline: 2 });
  // Number 2 of the new timeline is another message than number 2 of the old one.
  const types = play.receive({ type: "message", seq: 2, index: 0, payload: PAYLOAD }).types();
  assert.deepEqual(types, ["deliver"]);
});

test("messages that come twice are dropped, a gap is answered with resync", () => {
  const play = new Play().join().pass(2000);
  play.take();
  const message = (seq: number) =>
    play.receive({ type: "message", seq, index: 0, payload: PAYLOAD });
  assert.deepEqual(message(1).types(), ["deliver"]);
  assert.deepEqual(message(1).types(), []);
  assert.deepEqual(message(3).sent(), [{ type: "ack", seq: 1, timeline: 1 }, { type: "resync" }]);
  assert.deepEqual(message(2).types(), ["deliver"]);
});

test("acks go out after 16 messages or one second", () => {
  const play = new Play().join();
  for (let seq = 1; seq <= 16; seq++)
    play.receive({ type: "message", seq, index: 0, payload: PAYLOAD });
  assert.deepEqual(play.sent(), [{ type: "ack", seq: 16, timeline: 1 }]);
  play.receive({ type: "message", seq: 17, index: 0, payload: PAYLOAD });
  assert.deepEqual(play.pass(999).sent(), []);
  assert.deepEqual(play.pass(1).sent(), [{ type: "ack", seq: 17, timeline: 1 }]);
});

test("a resync from upstream sends again from there, at most every 250 ms", () => {
  const play = new Play().join().send(1).send(2).send(3).pass(1000);
  play.take();
  play.receive({ type: "resync", appliedSeq: 1 }).receive({ type: "resync", appliedSeq: 1 });
  assert.deepEqual(seqs(play.sent()), [
    [2, 2],
    [3, 3],
  ]);
  assert.deepEqual(seqs(play.pass(249).sent()), []);
  assert.equal(seqs(play.pass(1).sent()).length, 2);
});

test("the queue of unacknowledged messages is bounded", () => {
  const play = new Play().join().drop();
  for (let i = 0; i < 4; i++) play.send(i);
  assert.throws(() => play.send(), QueueFullError);
  play
    .back()
    .receive(welcome({ attempt: 2 }))
    .receive({ type: "ack", seq: 1, tick: 1 });
  play.send(9);
});

test("inputs are numbered, and dropped while there is no connection", () => {
  const play = new Play().join({ lastInput: 7 }).input(0, 1);
  assert.deepEqual(play.sent(), [{ type: "input", n: 8, index: 0, payload: Uint8Array.of(1) }]);
  play
    .drop()
    .input(0, 2)
    .back()
    .receive(welcome({ attempt: 2, lastInput: 8 }))
    .input(0, 3);
  assert.deepEqual(
    play.sent().filter(({ type }) => type === "input"),
    [{ type: "input", n: 9, index: 0, payload: Uint8Array.of(3) }],
  );
});

test("a new owner that lacks the newest input of a kind gets it again, by its number; on another connection it is old", () => {
  const play = new Play().join().input(0, 1).input(1, 2).input(0, 3);
  play.take();
  const inputs = () => play.sent().filter(({ type }) => type === "input");
  const [dash, walk] = [
    { type: "input", n: 2, index: 1, payload: Uint8Array.of(2) },
    { type: "input", n: 3, index: 0, payload: Uint8Array.of(3) },
  ];
  play.receive(welcome({ epoch: 2, lastInput: 0 }));
  assert.deepEqual(inputs(), [dash, walk]);
  play.receive(welcome({ epoch: 3, lastInput: 2 }));
  assert.deepEqual(inputs(), [walk]);
  play.receive(welcome({ epoch: 4, lastInput: 3 }));
  assert.deepEqual(inputs(), []);
  play
    .drop()
    .back()
    .receive(welcome({ epoch: 4, attempt: 2, lastInput: 0 }));
  assert.deepEqual(inputs(), []);
});

test("sending keeps below the server's limits; the newest input of a kind wins", () => {
  const limits = {
    maxMessageBytes: 1000,
    messagesPerSecond: 4,
    bytesPerSecond: 0,
    idleTimeoutMs: 0,
  };
  const play = new Play().join({ limits }).send(1).send(2).send(3).input(1, 1).input(1, 2);
  assert.deepEqual(seqs(play.sent()), [
    [1, 1],
    [2, 2],
  ]);
  const later = play.pass(1000).sent();
  assert.deepEqual(
    later.map((m) => [m.type, "payload" in m ? m.payload[0] : undefined]),
    [
      ["input", 2],
      ["message", 3],
    ],
  );
});

test("messages above the server's size are refused at once", () => {
  const play = new Play().join();
  assert.throws(() => play.session.send(0, new Uint8Array(999), 0), /message of 999 bytes/);
});

test("a server that says nothing is asked; without an answer the connection is given up", () => {
  const play = new Play().join().pass(10_000).receive(said(1)).mute();
  play.take();
  const quiet = play.now;
  assert.deepEqual(play.pass(1_499).types(), ["transmit"], "the ack");
  assert.deepEqual(play.pass(1).types(), ["transmit"], "the ping");
  assert.deepEqual(play.pass(3_999).types(), []);
  assert.deepEqual(play.pass(1).types(), ["hang-up", "dropped", "dial"]);
  assert.equal(play.now - quiet, 5_500);
});

test("a client that was held up itself looks once more before it gives a connection up", () => {
  const play = new Play().join().pass(10_000).mute();
  play.pass(1_500).take();
  play.now += 20_000;
  assert.deepEqual(play.step({ type: "wake" }).types(), ["transmit"]);
  play.receive({ type: "pong", t: play.now, tick: 1 }).take();
  play.pass(1_500).take();
  play.now += 20_000;
  assert.deepEqual(play.step({ type: "wake" }).types(), ["transmit"]);
  assert.deepEqual(play.pass(500).types(), ["hang-up", "dropped", "dial"]);
});

test("a slow path is given more time, up to a bound", () => {
  const heardUntil = (rtt: number): number => {
    const play = new Play().join().mute();
    const ping = { type: "pong", t: play.now, tick: 1 } as const;
    play.now += rtt;
    play.receive(ping).take();
    const from = play.now;
    while (play.session.phase === "joined") play.pass(100);
    return play.now - from;
  };
  assert.ok(heardUntil(2_000) >= 4 * 2_000);
  assert.ok(heardUntil(60_000) < 12_000);
});

test("pings measure the round trip", () => {
  const play = new Play().mute();
  play.step({ type: "start" }).step({ type: "opened" }).receive(welcome());
  const ping = play
    .take()
    .flatMap((e) => (e.type === "transmit" ? [e.message] : []))
    .at(-1);
  assert.ok(ping?.type === "ping");
  play.now += 80;
  play.receive({ type: "pong", t: ping.t, tick: 101 });
  assert.equal(play.session.rtt, 80);
  play.now += 170;
  const second = play
    .pass(0)
    .take()
    .flatMap((e) => (e.type === "transmit" && e.message.type === "ping" ? [e.message] : []));
  assert.equal(second.length, 1, "the first pings come close together");
  play.now += 20;
  play.receive({ type: "pong", t: second[0]?.t ?? 0, tick: 102 });
  assert.equal(play.session.rtt, 20, "and the best of them counts");
});

test("superseded ends the session and does not come back", () => {
  const play = new Play().join();
  assert.deepEqual(play.close("superseded").types(), ["hang-up", "forget", "ended"]);
  assert.equal(play.session.wakeAt, Number.POSITIVE_INFINITY);
});

test("close codes that allow it are retried with backoff, over all endpoints", () => {
  const play = new Play().join({ endpoints: ["ws://two", "http://three", "four:1"] });
  const dials: (readonly [string, number])[] = [];
  for (let i = 0; i < 6; i++) {
    const before = play.now;
    play.close("world-unavailable");
    play.back();
    for (const effect of play.take())
      if (effect.type === "dial") dials.push([effect.url, play.now - before]);
  }
  assert.deepEqual(dials, [
    ["ws://two", 125],
    ["ws://four:1", 250],
    ["ws://one", 500],
    ["ws://two", 1000],
    ["ws://four:1", 2000],
    ["ws://one", 2500],
  ]);
});

test("a good connection that breaks: its address once more, then each other one, in haste", () => {
  const play = new Play().join({ endpoints: ["two:1", "three:1"] }).pass(5_000);
  play.take();
  const dials: (readonly [string, number])[] = [];
  play.drop();
  for (let i = 0; i < 6; i++) {
    const before = play.now;
    play.pass(play.session.wakeAt - play.now);
    for (const effect of play.take())
      if (effect.type === "dial") dials.push([effect.url, play.now - before]);
    play.drop();
  }
  assert.deepEqual(dials, [
    ["ws://one", 0],
    ["ws://two:1", 0],
    ["ws://three:1", 0],
    ["ws://one", 125],
    ["ws://two:1", 250],
    ["ws://three:1", 500],
  ]);
});

test("a server that does not answer any more comes after the others", () => {
  const play = new Play()
    .join({ endpoints: ["two:1"] })
    .pass(10_000)
    .mute();
  play.take();
  play.pass(5_500);
  assert.deepEqual(play.take().at(-1), { type: "dial", url: "ws://two:1" });
});

test("a connection that breaks soon after its welcome is no reason for haste", () => {
  const play = new Play().join({ endpoints: ["two:1"] }).pass(4_999);
  play.take();
  const before = play.now;
  play.drop().pass(play.session.wakeAt - play.now);
  assert.deepEqual(play.take().at(-1), { type: "dial", url: "ws://one" });
  assert.equal(play.now - before, 125);
});

test("an address that does not answer is not waited for while others were not tried; then it is", () => {
  const play = new Play({ urls: ["ws://one", "ws://two"], joinTimeoutMs: 60_000 });
  play.step({ type: "start" }).take();
  assert.deepEqual(play.pass(2_999).types(), []);
  assert.deepEqual(play.pass(1).take().at(-1), { type: "dial", url: "ws://two" });
  assert.deepEqual(play.pass(9_999).types(), []);
  assert.deepEqual(play.pass(1).types(), ["hang-up"]);
  assert.deepEqual(play.pass(125).take().at(-1), { type: "dial", url: "ws://one" });
  // One that answered may take its time: a world without an owner is a reason to.
  const slow = new Play({ urls: ["ws://one", "ws://two"], joinTimeoutMs: 60_000 });
  slow.step({ type: "start" }).pass(2_000).step({ type: "opened" }).take();
  assert.deepEqual(slow.pass(9_999).types(), []);
});

test("through another proxy: the session's token, the next attempt, what it has and what it keeps", () => {
  const play = new Play()
    .join({ endpoints: ["two:1"] })
    .pass(5_000)
    .receive(said(1))
    .send(7);
  play.drop().pass(0).drop().pass(0).step({ type: "opened" });
  const { resume, attempt, stream, timeline, firstUnacked, lastReceived } = play.hello();
  assert.deepEqual(
    { resume, attempt, stream, timeline, firstUnacked, lastReceived },
    { resume: "token", attempt: 2, stream: STREAM, timeline: 1, firstUnacked: 1, lastReceived: 1 },
  );
});

test("a lost session is joined anew: new stream, rollback, only what was never sent goes on", () => {
  const play = new Play({ ticket: "jwt" }).join().send(1).drop().send(2).back();
  play.take();
  assert.deepEqual(play.close("session-lost").types(), ["hang-up", "forget"]);
  const hello = play.back().hello();
  assert.deepEqual(
    [
      hello.resume,
      hello.ticket,
      hello.attempt,
      hello.firstUnacked,
      hello.lastReceived,
      hello.timeline,
    ],
    [undefined, "jwt", 0, 1, 0, undefined],
  );
  assert.notDeepEqual(hello.stream, STREAM);
  play.receive(welcome({ session: 6 }));
  const effects = play.take();
  assert.deepEqual(
    effects.map(({ type }) => type).filter((type) => type === "rolled-back" || type === "resumed"),
    ["rolled-back", "resumed"],
  );
  assert.deepEqual(seqs(effects.flatMap((e) => (e.type === "transmit" ? [e.message] : []))), [
    [1, 2],
  ]);
});

test("without rejoin a lost session is the end", () => {
  const play = new Play({ rejoin: false }).join();
  const ended = play.close("session-lost").take().at(-1);
  assert.deepEqual(ended, { type: "ended", code: "session-lost", reason: "because", retry: false });
});

test("hellos without a token count up, too, so that the server knows one that comes late", () => {
  const play = new Play({ ticket: "jwt" }).step({ type: "start" });
  const attempts = [0, 1].map((n) => {
    const { resume, attempt, stream } = (
      n === 0 ? play.step({ type: "opened" }) : play.drop().back()
    ).hello();
    assert.deepEqual([resume, stream], [undefined, STREAM]);
    return attempt;
  });
  assert.deepEqual(attempts, [0, 1]);
  play.receive(welcome({ attempt: 1 }));
  assert.equal(play.drop().back().hello().attempt, 2, "from then on it is the session's");
});

test("a token from before a reload resumes; one that is stale leads to a new session", () => {
  const play = new Play({ saved: { resume: "old", attempt: 3 } });
  const first = play.step({ type: "start" }).step({ type: "opened" }).hello();
  assert.deepEqual([first.resume, first.attempt, first.timeline], ["old", 4, undefined]);
  assert.deepEqual(play.close("stale-attempt").types(), ["hang-up", "forget", "dial"]);
  const second = play.step({ type: "opened" }).hello();
  assert.deepEqual([second.resume, second.attempt], [undefined, 0]);
});

test("a first join that gets nowhere ends after its time, with the last reason", () => {
  const play = new Play().step({ type: "start" });
  while (play.session.phase !== "ended") {
    if (play.session.phase === "dialing") play.drop();
    play.pass(100);
  }
  const ended = play.take().at(-1);
  assert.ok(ended?.type === "ended");
  assert.deepEqual([ended.code, ended.retry, play.now], ["unreachable", true, 11_000]);
  assert.match(ended.reason, /ws:\/\/one.*10000 ms: gone/);
});

test("a hello without an answer is given up and tried again", () => {
  const play = new Play({ joinTimeoutMs: 60_000 }).step({ type: "start" }).step({ type: "opened" });
  play.take();
  assert.deepEqual(play.pass(10_000).types(), ["hang-up"]);
  assert.deepEqual(play.pass(125).types(), ["dial"]);
});

test("leaving says goodbye and waits for the answer, for a while", () => {
  for (const answered of [true, false]) {
    const play = new Play().join().step({ type: "leave" });
    assert.deepEqual(play.types(), ["forget", "transmit"]);
    if (answered) play.close("left");
    else play.pass(2000);
    assert.deepEqual(play.types(), ["hang-up", "ended"]);
  }
});

test("another definition than the client was built with is the end", () => {
  const play = new Play({ schema: new Uint8Array(8).fill(1) });
  play.step({ type: "start" }).step({ type: "opened" }).receive(welcome());
  const ended = play.take().at(-1);
  assert.ok(ended?.type === "ended" && ended.code === "schema-mismatch");
});

test("unreadable bytes cost the connection, not the session", () => {
  const play = new Play().join().step({ type: "garbage", problem: "nonsense" });
  assert.deepEqual(play.types(), ["hang-up", "dropped"]);
  assert.equal(play.back().hello().resume, "token");
});

test("being back online ends the waiting", () => {
  const play = new Play().join().drop();
  play.take();
  assert.deepEqual(play.step({ type: "hurry" }).types(), ["dial"]);
});
