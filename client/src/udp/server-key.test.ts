import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback, serverKeyOf, serverKeyText } from "./server-key.ts";

const key = (byte: number) => new Uint8Array(32).fill(byte);
const ticketWith = (claims: object) =>
  `e30.${Buffer.from(JSON.stringify(claims)).toString("base64url")}.x`;

test("the pinned key goes before the ticket's, that before what another connection said", () => {
  const ticket = ticketWith({ sub: "ada", serverKey: serverKeyText(key(2)) });
  const trust = { ticket, key: key(3) };
  assert.deepEqual(serverKeyOf(serverKeyText(key(1)), trust), key(1));
  assert.deepEqual(serverKeyOf(undefined, trust), key(2));
  assert.deepEqual(
    serverKeyOf(undefined, { ...trust, ticket: ticketWith({ sub: "ada" }) }),
    key(3),
  );
  assert.deepEqual(serverKeyOf(undefined, { ticket: "no ticket" }), undefined);
});

test("what is no key is refused, and the error says where it stands", () => {
  const short = serverKeyText(key(1).subarray(1));
  assert.throws(() => serverKeyOf(short, {}), /the option serverKey is no public key/);
  for (const serverKey of [short, 7, `${serverKeyText(key(1))}=`])
    assert.throws(
      () => serverKeyOf(undefined, { ticket: ticketWith({ serverKey }) }),
      /the ticket's claim serverKey is no public key/,
    );
});

test("loopback is this machine and nothing else", () => {
  for (const address of ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
    assert.ok(isLoopback(address), address);
  for (const address of ["10.0.0.1", "1.127.0.1", "::2", "fe80::1", "0.0.0.0"])
    assert.ok(!isLoopback(address), address);
});
