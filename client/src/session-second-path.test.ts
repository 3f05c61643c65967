import assert from "node:assert/strict";
import { test } from "node:test";
import type { Welcome } from "./messages.ts";
import { Play, seqs, welcome } from "./testing/play.ts";

const udp = { port: 2555, key: new Uint8Array(32).fill(7) };

/** Joined over the URL's transport, and UDP is being tried. */
function probing(changes: Partial<Welcome> = {}): Play {
  const play = new Play({ secondPath: true });
  play
    .step({ type: "start" })
    .step({ type: "opened" })
    .receive(welcome({ udp, ...changes }));
  play.pass(0);
  return play;
}

/** UDP answered; the hello is on its way. */
function moving(changes: Partial<Welcome> = {}): Play {
  const play = probing(changes);
  play.take();
  return play.step({ type: "probed" });
}

/** In the world over UDP. */
function moved(): Play {
  const play = moving().receive(welcome({ udp, attempt: 2 }));
  play.take();
  return play;
}

test("UDP that a welcome names is tried, when it is wanted", () => {
  const probes = (play: Play) => play.take().filter(({ type }) => type === "probe");
  assert.deepEqual(probes(probing()), [{ type: "probe", address: udp }]);
  assert.deepEqual(probes(new Play().join({ udp }).pass(1000)), []);
  assert.deepEqual(probes(new Play({ secondPath: true }).join().pass(1000)), []);
});

test("it answers: the session moves with its token and the next attempt, and nobody hears of it", () => {
  const play = probing().send(1).send(2);
  play
    .receive({ type: "ack", seq: 1, tick: 1 })
    .receive({ type: "message", seq: 1, index: 0, payload: Uint8Array.of(9) });
  play.take();
  play.step({ type: "probed" });
  assert.ok(play.session.stands);
  const effects = play.send(3).input(0, 1).input(0, 2).take();
  assert.deepEqual(
    effects.map(({ type }) => type),
    ["move", "save", "transmit"],
    "nothing but the hello before the welcome",
  );
  const [, , transmitted] = effects;
  assert.ok(transmitted?.type === "transmit" && transmitted.message.type === "hello");
  const { hello } = transmitted.message;
  assert.deepEqual(
    [hello.resume, hello.attempt, hello.firstUnacked, hello.lastReceived, hello.timeline],
    ["token", 2, 2, 1, 1],
  );
  play.receive(welcome({ udp, attempt: 2, appliedSeq: 1, outSeq: 1 }));
  const then = play.take();
  const told = ["dropped", "resumed", "rolled-back", "probe", "dial"];
  assert.deepEqual(
    then.filter(({ type }) => told.includes(type)),
    [],
  );
  const sent = then.flatMap((effect) => (effect.type === "transmit" ? [effect.message] : []));
  assert.deepEqual(seqs(sent), [
    [2, 2],
    [3, 3],
  ]);
  assert.deepEqual(
    sent.filter(({ type }) => type === "input"),
    [{ type: "input", n: 1, index: 0, payload: Uint8Array.of(2) }],
  );
});

test("no answer: all stays as it is, and it is tried again after a pause", () => {
  const play = probing();
  play.take();
  play.step({ type: "probe-failed" });
  assert.deepEqual(play.types(), []);
  // The server goes on talking.
  const talked = (ms: number) => {
    for (let i = 0; i < ms; i += 5000)
      play.pass(5000).receive({ type: "pong", t: play.now, tick: 1 });
    return play.types().filter((type) => type !== "transmit");
  };
  assert.deepEqual(talked(25_000), []);
  assert.deepEqual(talked(5_000), ["probe"]);
});

test("UDP is lost later: back at the same address over the URL's transport, and at rest for a while", () => {
  const play = moved().pass(5000).drop();
  assert.deepEqual(
    play.types().filter((type) => type !== "transmit"),
    ["dropped"],
  );
  play.pass(play.session.wakeAt - play.now);
  assert.deepEqual(play.take(), [{ type: "dial", url: "ws://one" }]);
  play.step({ type: "opened" });
  assert.deepEqual(play.hello().attempt, 3);
  play.receive(welcome({ udp, attempt: 3 })).pass(1000);
  const types = play.types();
  assert.ok(types.includes("resumed"));
  assert.ok(!types.includes("probe"));
});

test("a server that stops is left for another address, also over UDP", () => {
  const play = moving({ endpoints: ["ws://two"] });
  play.receive(welcome({ udp, attempt: 2, endpoints: ["ws://two"] })).close("world-unavailable");
  play.take();
  play.pass(play.session.wakeAt - play.now);
  assert.deepEqual(play.take(), [{ type: "dial", url: "ws://two" }]);
});

test("refused while moving: another connection of the session is newer, so this one ends", () => {
  for (const code of ["stale-attempt", "superseded"] as const) {
    const play = moving().close(code);
    const ended = play.take().at(-1);
    assert.ok(ended?.type === "ended");
    assert.equal(ended.code, code);
  }
});

test("what a server says of the session while moving is not the last word: back with the token", () => {
  const play = moving().close("session-lost");
  assert.deepEqual(
    play.types().filter((type) => type !== "transmit"),
    ["move", "hang-up", "dropped"],
  );
  assert.equal(play.back().hello().resume, "token");
});

test("no welcome over UDP: back over the URL's transport", () => {
  const play = moving().pass(4999);
  assert.ok(!play.types().includes("dropped"));
  play.pass(1);
  assert.deepEqual(
    play.take().map((effect) => (effect.type === "dial" ? effect.url : effect.type)),
    ["hang-up", "dropped", "ws://one"],
  );
});

test("who leaves while moving is in the world until the welcome, and then leaves it", () => {
  const play = moving();
  play.take();
  play.step({ type: "leave" });
  assert.deepEqual(play.types(), ["forget"]);
  play.receive(welcome({ udp, attempt: 2 }));
  assert.ok(play.sent().some(({ type }) => type === "leave"));
  assert.deepEqual(play.close("left").types(), ["hang-up", "ended"]);
});

test("who leaves while moving, and UDP breaks: the end", () => {
  const play = moving().step({ type: "leave" });
  play.take();
  assert.deepEqual(play.drop().take(), [
    { type: "ended", code: "left", reason: "the player left", retry: false },
  ]);
});

test("the try ends with the connection beside it, with leaving and with stopping", () => {
  const ends = {
    stop: ["hang-up", "drop-probe", "ended"],
    leave: ["forget", "transmit", "drop-probe"],
  };
  for (const type of ["stop", "leave"] as const) {
    const play = probing();
    play.take();
    assert.deepEqual(play.step({ type }).types(), ends[type]);
  }
  const play = probing();
  play.take();
  assert.deepEqual(play.drop().types(), ["drop-probe", "dropped"]);
  play
    .back()
    .receive(welcome({ udp, attempt: 2 }))
    .pass(0);
  assert.ok(play.types().includes("probe"), "nobody is to blame: it is tried again at once");
});

test("a server that cannot prove itself ends a join, but not a session that was there before", () => {
  const untrusted = { type: "disconnected", reason: "another key", untrusted: true } as const;
  const newcomer = new Play({ urls: ["udp://one"] }).step({ type: "start" }).step(untrusted);
  assert.deepEqual(newcomer.take().at(-1), {
    type: "ended",
    code: "untrusted-server",
    reason: "another key",
    retry: false,
  });
  const play = new Play({ urls: ["udp://one"] }).join().drop();
  play.pass(play.session.wakeAt - play.now);
  play.take();
  assert.deepEqual(play.step(untrusted).types(), []);
  assert.deepEqual(play.pass(5000).types(), ["dial"]);
});
