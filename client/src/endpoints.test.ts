import assert from "node:assert/strict";
import { test } from "node:test";
import { Endpoints } from "./endpoints.ts";

/** Every address from the current one on, once. */
function round(endpoints: Endpoints): string[] {
  return Array.from({ length: endpoints.size }, () => {
    const { current } = endpoints;
    endpoints.next();
    return current;
  });
}

test("after a loss the address in use comes first, then each of the others once, over and over", () => {
  const endpoints = new Endpoints(["ws://a"], Math.random);
  endpoints.learn(["b", "c", "d"]);
  endpoints.lost(false);
  const first = round(endpoints);
  assert.equal(first[0], "ws://a");
  assert.deepEqual([...first].sort(), ["ws://a", "ws://b", "ws://c", "ws://d"]);
  assert.deepEqual(round(endpoints), first);
});

test("where a server leads away from itself it comes last", () => {
  const endpoints = new Endpoints(["ws://a"], Math.random);
  endpoints.learn(["b", "c"]);
  endpoints.lost(true);
  assert.equal(round(endpoints).at(-1), "ws://a");
});

test("chance decides who is next: clients of a dead server spread", () => {
  let state = 1;
  const random = (): number => {
    state = (state * 16_807) % 2_147_483_647;
    return state / 2_147_483_647;
  };
  const second = (): string | undefined => {
    const endpoints = new Endpoints(["ws://a"], random);
    endpoints.learn(["b", "c", "d"]);
    endpoints.lost(false);
    return round(endpoints)[1];
  };
  const seconds = new Set(Array.from({ length: 30 }, second));
  assert.deepEqual([...seconds].sort(), ["ws://b", "ws://c", "ws://d"]);
});

test("host and port are replaced; scheme, path and query stay", () => {
  const learned = (url: string, ...named: string[]): string[] => {
    const endpoints = new Endpoints([url], () => 0);
    endpoints.learn(named);
    return round(endpoints).slice(1);
  };
  assert.deepEqual(learned("wss://one:1/game?x=1#y", "two:2"), ["wss://two:2/game?x=1#y"]);
  assert.deepEqual(learned("wss://one", "two", "[::1]:3"), ["wss://two", "wss://[::1]:3"]);
  assert.deepEqual(learned("tcp://one:1", "two:2"), ["tcp://two:2"]);
  assert.deepEqual(learned("UDP://one:1", "two:2"), ["udp://two:2"]);
  // Not from TLS to plain text, nor to what is no address.
  assert.deepEqual(learned("wss://one", "ws://two", "wss://three:3"), ["wss://three:3"]);
  assert.deepEqual(learned("ws://one", "two/path", "a b", "u@two", "", "x".repeat(600)), []);
});

test("given addresses stay, the one that was good goes first, and there is a bound", () => {
  const endpoints = new Endpoints(["ws://a", "ws://b"], () => 0);
  endpoints.next();
  endpoints.learn(Array.from({ length: 50 }, (_, n) => `h${n}:1`));
  assert.equal(endpoints.size, 16);
  assert.deepEqual(round(endpoints).slice(0, 3), ["ws://b", "ws://a", "ws://h0:1"]);
  assert.throws(() => new Endpoints([], () => 0), /address of a server/);
});
