import assert from "node:assert/strict";
import { test } from "node:test";
import { isLoopback, leadingAway } from "./this-machine.ts";

test("this machine has few names", () => {
  for (const name of ["localhost", "127.0.0.1", "127.9.9.9", "[::1]"]) assert.ok(isLoopback(name));
  for (const name of ["game.example", "127.0.0.1.example", "localhost.example", "10.0.0.1", ""])
    assert.equal(isLoopback(name), false);
});

test("a server may name other addresses of this machine, or ones that nobody goes to", () => {
  const url = "tcp://127.0.0.1:2555";
  const fine = ["localhost:2556", "tcp://[::1]:2557", "TCP://LOCALHOST:1", "wss://game.example"];
  assert.equal(leadingAway(url, fine), undefined);
  assert.equal(leadingAway(url, []), undefined);
  assert.equal(leadingAway(url, [...fine, "game.example:1"]), "tcp://game.example:1");
  assert.equal(leadingAway(url, [...fine, "TCP://Game.Example:1"]), "tcp://game.example:1");
  assert.equal(leadingAway(url, ["tcp://["]), "tcp://[");
});
