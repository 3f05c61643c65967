import assert from "node:assert/strict";
import { test } from "node:test";
import { runCommand } from "../testing/command.ts";

const cli = (...args: string[]) =>
  runCommand(["dev", "cluster", ...args], { stop: AbortSignal.abort() });

test("the help says the ports, and what is not to be set", async () => {
  const { code, out } = await cli("--help");
  assert.equal(code, 0);
  assert.match(out, /proxy-1 takes players at 2555 \(TCP and\nUDP\), proxy-2 at 2565/);
  assert.match(out, /--world <name=module>/);
  assert.match(out, /node\.id, data\.dir/);
  assert.match(out, /--gameserver\.threads/);
});

test("what cannot be done is said by the name of the flag, and nothing starts", async () => {
  const cases: [string[], RegExp][] = [
    [["--proxies", "0"], /--proxies: found "0", allowed: 1 to 16/],
    [["--gameservers", "17"], /--gameservers: found "17", allowed: 1 to 16/],
    [["--apiservers", "17"], /--apiservers: found "17", allowed: 0 to 16/],
    [
      ["--apiservers", "0", "--gameservers", "3"],
      /--gameservers: found "3", allowed: 1 to 2, as there are 2 worlds/,
    ],
    [
      ["--apiservers", "0", "--gameservers", "2", "--world", "a=b"],
      /allowed: 1 to 1, as there is one world/,
    ],
    [["--proxies", "two"], /--proxies: found "two"/],
    [["--port", "32760"], /--port: found "32760", allowed: 1 to 32740/],
    [["--apiserver.port", "1"], /--apiserver\.port: the cluster decides .*\n.*--port/],
    [["--apiserver", "http://x:1"], /--apiserver: the cluster decides cluster\.apiservers/],
    [["--port", "0"], /--port: found "0", allowed: 1 to/],
    [["--health.port", "1"], /--health\.port: the cluster decides health\.port .*\n.*--port/],
    [["--data", "x"], /--data: the cluster decides data\.dir .*\n.*--dir/],
    [["--inspect"], /unknown option '--inspect' of cluster/],
    [["--nonsense"], /unknown option '--nonsense'/],
  ];
  for (const [args, pattern] of cases) {
    const { code, out, talk } = await cli(...args);
    assert.match(talk, pattern);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
  }
});

test("a world that is not there is said before anything starts", async () => {
  const { code, talk } = await cli("--world", "game=./nowhere.mjs");
  assert.equal(code, 1);
  assert.match(talk, /world module ".*nowhere\.mjs"/);
});
