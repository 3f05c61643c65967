import assert from "node:assert/strict";
import { test } from "node:test";
import { Play, seqs, welcome } from "./testing/play.ts";

const urls = ["ws://one", "ws://two", "ws://three"];

/** In the world through the first of three servers, which says that it is about to stop. */
function asked(): Play {
  return new Play({ urls }).join().receive({ type: "reconnect" });
}

/** Addresses that were tried beside the connection in use. */
const probed = (play: Play) =>
  play.take().flatMap((effect) => (effect.type === "probe-url" ? [effect.url] : []));

test("a server that is about to stop: the session moves to another one, and nobody hears of it", () => {
  const play = asked();
  assert.deepEqual(play.take(), [{ type: "probe-url", url: "ws://two" }]);
  play.send(1).receive({ type: "message", seq: 1, index: 0, payload: Uint8Array.of(9) });
  assert.deepEqual(play.types(), ["transmit", "deliver"], "it plays on meanwhile");
  play.step({ type: "probed" }).send(2).input(0, 1);
  assert.ok(play.session.stands);
  const effects = play.take();
  assert.deepEqual(
    effects.map(({ type }) => type),
    ["move", "save", "transmit"],
  );
  const [, , transmitted] = effects;
  assert.ok(transmitted?.type === "transmit" && transmitted.message.type === "hello");
  const { resume, attempt, firstUnacked, lastReceived } = transmitted.message.hello;
  assert.deepEqual([resume, attempt, firstUnacked, lastReceived], ["token", 2, 1, 1]);
  play.receive(welcome({ attempt: 2 }));
  const after = play.take();
  assert.ok(after.every(({ type }) => type !== "dropped" && type !== "resumed"));
  const sent = after.flatMap((effect) => (effect.type === "transmit" ? [effect.message] : []));
  assert.deepEqual(seqs(sent), [
    [1, 1],
    [2, 2],
  ]);
  // When it breaks later, it is this server that is tried first.
  play.pass(10_000).drop().back();
  assert.ok(play.take().some((effect) => effect.type === "dial" && effect.url === "ws://two"));
});

test("one that does not answer is passed over; when none does, the session stays until it is closed", () => {
  const play = asked();
  assert.deepEqual(probed(play), ["ws://two"]);
  play.receive({ type: "reconnect" });
  assert.deepEqual(play.take(), [], "it is at it");
  play.step({ type: "probe-failed" });
  assert.deepEqual(probed(play), ["ws://three"]);
  play.pass(2_999);
  assert.ok(!play.types().includes("drop-probe"));
  play.pass(1);
  assert.ok(play.types().includes("drop-probe"));
  assert.equal(play.session.phase, "joined");
  // Asked again, it tries again.
  play.receive({ type: "reconnect" });
  assert.deepEqual(probed(play), ["ws://two"]);
  play.receive({ type: "close", code: "shutting-down", number: 4020, reason: "" });
  assert.deepEqual(play.types(), ["hang-up", "drop-probe", "dropped"]);
  play.step({ type: "probed" });
  assert.deepEqual(play.types(), [], "too late");
  play.back();
  assert.ok(play.take().some((effect) => effect.type === "dial" && effect.url === "ws://two"));
});

test("a client that knows no other server waits for the close", () => {
  const play = new Play().join().receive({ type: "reconnect" });
  assert.deepEqual(play.types(), []);
  assert.equal(play.session.phase, "joined");
});

test("a world that moves while the session does harms neither", () => {
  const play = asked();
  play.receive(welcome({ epoch: 2 }));
  play.take();
  play.step({ type: "probed" });
  assert.deepEqual(play.types(), ["move", "transmit"]);
  play.receive(welcome({ attempt: 2, epoch: 2 }));
  assert.equal(play.session.phase, "joined");
});

test("the other server does not answer the hello: that is a loss, and the token is kept", () => {
  const play = asked().step({ type: "probed" });
  play.take();
  play.receive({ type: "close", code: "session-lost", number: 4012, reason: "" });
  assert.deepEqual(play.types(), ["hang-up", "dropped"]);
  const other = asked().step({ type: "probed" });
  other.take();
  other.pass(5_000);
  assert.ok(other.types().includes("dropped"));
  other.back();
  assert.equal(other.hello().resume, "token");
});

test("a session over UDP moves to the other server's transport, and tries UDP there", () => {
  const udp = { port: 2555, key: new Uint8Array(32).fill(7) };
  const play = new Play({ urls, secondPath: true })
    .step({ type: "start" })
    .step({ type: "opened" })
    .receive(welcome({ udp }));
  play
    .pass(0)
    .step({ type: "probed" })
    .receive(welcome({ udp, attempt: 2 }));
  play.take();
  play.receive({ type: "reconnect" });
  assert.deepEqual(probed(play), ["ws://two"]);
  play.step({ type: "probed" }).receive(welcome({ udp, attempt: 3 }));
  play.take();
  play.pass(0);
  assert.deepEqual(
    play.take().filter(({ type }) => type === "probe"),
    [{ type: "probe", address: udp }],
  );
});

test("who leaves while the session moves has left there", () => {
  const play = asked().step({ type: "probed" }).step({ type: "leave" });
  play.take();
  play.receive(welcome({ attempt: 2 }));
  assert.ok(play.sent().some(({ type }) => type === "leave"));
});
