import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { type TestContext, test } from "node:test";
import { createServerIdentity, HandshakeDoor, newPrivateKey } from "@atlasnet/udp/node";
import { FakeClock } from "../testing/fake-server.ts";
import { type CallFailure, HandshakeCall } from "./handshake-call.ts";

const randomBytes = (count: number) => crypto.getRandomValues(new Uint8Array(count));

/** A server that answers when a test says so, a clock, and a call to it. */
async function called(t: TestContext, tries: number) {
  const socket = createSocket("udp4");
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  const clock = new FakeClock();
  const failures: CallFailure[] = [];
  let done: () => void = () => undefined;
  const isDone = new Promise<void>((resolve) => {
    done = resolve;
  });
  const call = new HandshakeCall(
    { target: { address: "127.0.0.1", family: 4, port }, serverKey: undefined, tries },
    { clock, randomBytes, done, failed: (failure) => failures.push(failure) },
  );
  t.after(() => {
    call.stop();
    socket.close();
  });
  const arrived = async (): Promise<{ packet: Uint8Array; from: number }> => {
    const [packet, { port: from }] = await once(socket, "message");
    return { packet, from };
  };
  const answer = (packet: Uint8Array, to: number) => socket.send(packet, to, "127.0.0.1");
  return { arrived, answer, clock, failures, isDone };
}

test("without an answer a packet is sent again, each time after twice the wait", async (t) => {
  const { arrived, clock, failures } = await called(t, 5);
  const first = await arrived();
  for (const wait of [250, 500, 1000, 2000]) {
    const next = arrived();
    clock.pass(wait);
    assert.deepEqual((await next).packet, first.packet);
  }
  clock.pass(3999);
  assert.deepEqual(failures, []);
  clock.pass(1);
  assert.deepEqual(failures, [{ reason: "no answer to 5 packets", untrusted: false }]);
});

test("a cookie is brought back at once, and then the count begins anew", async (t) => {
  const door = new HandshakeDoor(
    { idleTimeoutMs: 1000 },
    { identity: createServerIdentity(newPrivateKey()), randomBytes },
  );
  const admit = () => ({ type: "new", connectionId: 1 }) as const;
  const { arrived, answer, clock, failures, isDone } = await called(t, 2);
  await arrived();
  const second = arrived();
  clock.pass(250);
  const { packet, from } = await second;
  const retry = door.answer(packet, "here", 0, admit);
  assert.equal(retry.type, "retry");
  const third = arrived();
  if (retry.type === "retry") answer(retry.packet, from);
  await third;
  const fourth = arrived();
  clock.pass(250);
  const accept = door.answer((await fourth).packet, "here", 0, admit);
  assert.equal(accept.type, "accept");
  if (accept.type === "accept") answer(accept.packet, from);
  await isDone;
  clock.pass(60_000);
  assert.deepEqual(failures, []);
});
