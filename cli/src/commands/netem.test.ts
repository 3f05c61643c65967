import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { startCommand } from "../testing/command.ts";

/** Runs a command line; what it says is there while it runs. */
function cli(args: string[], stop: AbortSignal = AbortSignal.abort()) {
  const heard: (() => void)[] = [];
  const heardNext = () => new Promise<void>((resolve) => heard.push(resolve));
  const talked = heardNext();
  const talk = () => {
    for (const listener of heard.splice(0)) listener();
  };
  const { said, done } = startCommand(args, { live: true, talk, stop });
  return { said, done, talked, heardNext };
}

const NETEM = ["dev", "netem", "--listen", "0", "--to", "127.0.0.1:1"];

test("it says what it does, and at the end what went through", async () => {
  const { said, done } = cli([
    ...NETEM,
    ...["--loss", "5%", "--delay", "50ms", "--jitter", "20ms", "--reorder", "1%"],
    ...["--duplicate", "1%", "--rate", "1mbit", "--seed", "7", "--rebind", "10s"],
  ]);
  assert.equal((await done).code, 0, said.talk);
  assert.match(
    said.talk,
    /^Relaying tcp and udp from 127\.0\.0\.1:\d+ to 127\.0\.0\.1:1: 5 % lost, 50 ± 20 ms .*seed 7; a new address every 10s$/m,
  );
  assert.match(said.out, /udp up +udp down +tcp up +tcp down\npackets in +0 +0 +0 +0\n/);
});

test("what goes through it arrives, and is in the totals", async (t) => {
  const server = createServer((socket) => void socket.pipe(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const stop = new AbortController();
  const args = ["dev", "netem", "--only", "tcp", "--listen", "127.0.0.1:0", "--to"];
  const { said, done, talked, heardNext } = cli([...args, String(address.port)], stop.signal);
  await talked;
  const [, port] = /^Relaying tcp from 127\.0\.0\.1:(\d+) /.exec(said.talk) ?? [];
  const client = connect(Number(port), "127.0.0.1");
  client.write("hello");
  const [answer] = await once(client, "data");
  assert.equal(String(answer), "hello");
  // The line of figures, unless it was there first.
  if (!said.talk.includes("\r")) await heardNext();
  assert.match(said.talk, /\r +\d s {2}tcp 1 open, up \d/);
  client.destroy();
  stop.abort();
  assert.equal((await done).code, 0, said.talk);
  assert.match(said.out, /^bytes in +5 +5$/m);
});

test("what it does not understand is said by the name of the flag", async () => {
  const cases: [string[], RegExp][] = [
    [["dev", "netem"], /required option '--listen <port>'/],
    [["dev", "netem", "--listen", "1"], /required option '--to <host:port>'/],
    [[...NETEM, "--loss", "5"], /--loss: found "5", allowed: 0% to 100%/],
    [[...NETEM, "--delay", "x"], /--delay: found "x", allowed: a time/],
    [[...NETEM, "--jitter", "5ms"], /--jitter: found "5ms", allowed: at most the delay/],
    [[...NETEM, "--reorder", "1%"], /--reorder: found "1%", allowed: 0 without a delay/],
    [[...NETEM, "--rate", "1mb"], /--rate: found "1mb"/],
    [[...NETEM, "--rebind", "1ms"], /--rebind: found "1ms"/],
    [[...NETEM, "--flows", "0"], /--flows: found "0"/],
    [[...NETEM, "--only", "sctp"], /Allowed choices are tcp, udp/],
    [[...NETEM, "--port", "5"], /unknown option '--port'/],
    [["dev", "netem", "--listen", "0", "--to", "nowhere"], /--to: found "nowhere"/],
    [["dev", "netem", "--listen", "-1", "--to", "1"], /--listen: found "-1"/],
    [
      ["dev", "netem", "--listen", "0.0.0.0:0", "--to", "1"],
      /--listen: found "0\.0\.0\.0:0", allowed: a port of this machine; --host 0\.0\.0\.0 opens/,
    ],
    [[...NETEM, "--listen", "127.0.0.1:0", "--host", "0.0.0.0"], /allowed: a port alone/],
  ];
  for (const [args, pattern] of cases) {
    const { said, done } = cli(args);
    const { code } = await done;
    assert.match(said.talk, pattern);
    assert.deepEqual([code, said.out], [2, ""], args.join(" "));
  }
});

test("`atlasnet dev` goes on as before", async () => {
  const { said, done } = cli(["dev"]);
  assert.equal((await done).code, 2);
  assert.match(said.talk, /no world to run/);
  const help = cli(["dev", "--help"]);
  assert.equal((await help.done).code, 0);
  assert.match(help.said.out, /netem \[options\]/);
  const settings = cli(["dev", "--port", "x", "--world", "a=b"]);
  assert.equal((await settings.done).code, 2);
  assert.match(settings.said.talk, /--port: proxy\.port: found "x"/);
});
