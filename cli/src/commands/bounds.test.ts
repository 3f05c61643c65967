import assert from "node:assert/strict";
import test from "node:test";
import { runCommand } from "../testing/command.ts";

/** Nobody answers there: what is refused was refused by the command line alone. */
const env = { ATLASNET_API: "http://127.0.0.1:1", ATLASNET_TOKEN: "none" };

test("options out of their bounds are refused by name, with what is allowed", async () => {
  const create = ["world", "create", "arena", "--module", "m"];
  const cases: [string[], string, string][] = [
    [["node", "drain", "gs-1"], "--deadline 2d", "1s to 1d, "],
    [["node", "drain", "gs-1"], "--deadline 0s", "1s to 1d, "],
    [["world", "migrate", "arena"], "--deadline 2h", "1s to 1h, "],
    [["world", "migrate", "--all-from", "gs-1"], "--at-once 0", "a whole number from 1 to 32"],
    [["world", "migrate", "--all-from", "gs-1"], "--at-once 33", "a whole number from 1 to 32"],
    [["world", "upgrade", "arena", "--module", "m"], "--deadline 61m", "1s to 1h, "],
    [create, "--sleep-after 30d", "0 to 1d, "],
    [["world", "update", "arena"], "--sleep-after 10", "0 to 1d, "],
    [create, "--grace-seconds 86401", "a whole number from 0 to 86400"],
    [create, "--weight 0", "a whole number from 1 to 10000"],
    [create, "--weight much", "a whole number from 1 to 10000"],
    [["token", "create", "--name", "ci", "--role", "read"], "--ttl 3651d", "1s to 3650d, "],
    [["raft", "add", "api-4", "--address", "h:1"], "--timeout-seconds 0", "a whole number from 1 "],
  ];
  for (const [command, option, allowed] of cases) {
    const [name = "", value = ""] = option.split(" ");
    const { code, out, talk } = await runCommand([...command, name, value], { env });
    assert.deepEqual([code, out], [2, ""], talk);
    assert.ok(talk.startsWith(`error: ${name}: found "${value}", allowed: ${allowed}`), talk);
  }
});

test("what is at the bounds is asked for", async () => {
  for (const option of [
    ["--sleep-after", "0"],
    ["--sleep-after", "0s"],
    ["--sleep-after", "24h"],
    ["--grace-seconds", "0"],
    ["--weight", "10000"],
  ]) {
    const { code, talk } = await runCommand(["world", "update", "arena", ...option], { env });
    assert.equal(code, 4, `${option.join(" ")}: ${talk}`);
  }
});
