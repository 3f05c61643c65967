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

test("what cannot be a name is refused with what can", async () => {
  const world = "letters, digits, - and _, at most 64, a letter first";
  const node = "letters, digits, ., - and _, at most 64, a letter or digit first";
  const create = ["world", "create"];
  const cases: [string[], string, string, string][] = [
    [[...create, "my world", "--module", "m"], "<world>", "my world", world],
    [[...create, "w", "--module", "m", "--on", "gs 1"], "--on", "gs 1", node],
    [[...create, "w", "--module", ""], "--module", "", "NAME@VERSION as in arena@1.2.0, or a path"],
    [["world", "show", "a/0"], "<world>", "a/0", world],
    [["world", "wake", "1st"], "<world>", "1st", world],
    [["world", "update", ".", "--weight", "2"], "<world>", ".", world],
    [["world", "rm", ""], "<world>", "", world],
    [["world", "restore-from-snapshot", "../w", "--yes"], "<world>", "../w", world],
    [["world", "migrate", "w", "--to", ""], "--to", "", node],
    [["world", "migrate", "--all-from", "-"], "--all-from", "-", node],
    [["world", "upgrade", "w", "--module", "m", "--to", "gs/2"], "--to", "gs/2", node],
    [["migration", "cancel", "w/0"], "<world>", "w/0", world],
    [["node", "show", "gs 1"], "<node>", "gs 1", node],
    [["node", "drain", "*"], "<node>", "*", node],
    [["node", "rm", ""], "<node>", "", node],
    [["raft", "rm", "api 1"], "<id>", "api 1", node],
    [["raft", "add", "api/4", "--address", "h:1"], "<id>", "api/4", node],
  ];
  for (const [command, place, found, allowed] of cases) {
    const { code, out, talk } = await runCommand(command, { env });
    assert.deepEqual([code, out], [2, ""], talk);
    assert.equal(talk.trimEnd(), `error: ${place}: found "${found}", allowed: ${allowed} (usage)`);
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
