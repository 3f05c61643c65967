import assert from "node:assert/strict";
import { test } from "node:test";
import { LoadError } from "./load-error.ts";
import { type LoadOptions, planLoad } from "./load-options.ts";

const OPTIONS: LoadOptions = { world: "arena", clients: 2_000, rate: 10, seconds: 60 };

test("the defaults: this machine, tcp, 1,000 clients in a process and at most two for a core", () => {
  const plan = planLoad(OPTIONS, 2);
  assert.equal(plan.address, "127.0.0.1:2555");
  assert.equal(plan.transport, "tcp");
  assert.deepEqual([plan.processes, plan.rampSeconds, plan.inputRate], [2, 4, 10]);
  assert.equal(planLoad({ ...OPTIONS, clients: 20_000 }, 2).processes, 4);
  assert.equal(planLoad({ ...OPTIONS, clients: 1_001 }, 2).processes, 2);
  assert.equal(planLoad({ ...OPTIONS, clients: 3, processes: 8 }, 2).processes, 3);
});

test("what is out of bounds is refused with what is allowed", () => {
  const cases: [Partial<LoadOptions>, RegExp][] = [
    [{ clients: 20_001 }, /^clients: found 20001, allowed: 1 to 20000$/],
    [{ clients: 1.5 }, /^clients: found 1.5, allowed: a whole number, 1 to 20000$/],
    [{ rate: 0 }, /^rate: found 0, allowed/],
    [{ rate: Number.NaN }, /^rate: found NaN/],
    [{ rate: 1_001 }, /^rate: /],
    [{ seconds: 86_401 }, /^seconds: /],
    [{ inputRate: -1 }, /^inputRate: /],
    [{ rampSeconds: 4_000 }, /^rampSeconds: /],
    [{ processes: 65 }, /^processes: /],
    [{ world: "" }, /^world: /],
    [{ tickets: ["one"] }, /^tickets: found 1 tickets, allowed: one for each of 2000 clients$/],
    [{ url: "localhost" }, /^url: found localhost, allowed: host:port/],
    [{ url: "ws://localhost:1" }, /^url: found ws:/],
    [{ url: "localhost:99999" }, /^url: /],
    [{ url: "localhost:1/path" }, /^url: /],
  ];
  for (const [change, message] of cases)
    assert.throws(() => planLoad({ ...OPTIONS, ...change }, 2), { code: "bad-load", message });
});

test("load leaves this machine only when that is allowed", () => {
  for (const url of ["localhost:1", "127.0.0.1:1", "127.1.2.3:1", "[::1]:1"])
    assert.equal(planLoad({ ...OPTIONS, url }, 2).address, url);
  for (const url of ["10.0.0.1:1", "game.example:1", "[::2]:1", "127.example:1", "0.0.0.0:1"]) {
    assert.throws(() => planLoad({ ...OPTIONS, url }, 2), {
      option: "url",
      hint: /--remote/,
    });
    assert.equal(planLoad({ ...OPTIONS, url, remote: true }, 2).address, url);
  }
  assert.throws(() => planLoad({ ...OPTIONS, url: "evil@10.0.0.1:1", remote: true }, 2), LoadError);
});

test("a check sends the message of the checker's world, and no other", () => {
  const options = { world: "checker", clients: 1, rate: 1, seconds: 1, check: true };
  const { message, check, history } = planLoad(options, 1);
  assert.deepEqual([message, check, history], ["say", true, undefined]);
  assert.throws(() => planLoad({ ...options, message: "shout" }, 1), {
    code: "bad-load",
    message: /^message: found shout, allowed: say/,
  });
});
