import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";
import { checkPorts } from "./ports.ts";

test("every port in use is named, and nothing else", async (t) => {
  const server = createServer().listen(0, "127.0.0.1");
  t.after(() => server.close());
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  t.after(() => socket.close());
  await Promise.all([once(server, "listening"), once(socket, "listening")]);
  const address = server.address();
  assert.ok(typeof address === "object" && address !== null);
  const tcp = address.port;
  const udp = socket.address().port;
  const host = "127.0.0.1";
  await assert.rejects(
    checkPorts(
      [
        { port: tcp, protocol: "tcp", host, what: "proxy-1, players" },
        { port: udp, protocol: "udp", host, what: "gs-1, links" },
        { port: 0, protocol: "tcp", host, what: "free" },
      ],
      "Choose others.",
    ),
    {
      code: "port-in-use",
      message:
        `port ${tcp} (proxy-1, players, TCP) is in use by another program\n` +
        `  port ${udp} (gs-1, links, UDP) is in use by another program`,
      hint: "Choose others.",
    },
  );
});

test("free ones are free afterwards, too", async () => {
  const any = { port: 0, host: "127.0.0.1", what: "any" };
  await checkPorts(
    [
      { ...any, protocol: "tcp" },
      { ...any, protocol: "udp" },
    ],
    "",
  );
});

test("an address that is not of this machine is said to be none", async () => {
  const elsewhere = { port: 0, protocol: "tcp", host: "192.0.2.1", what: "pages" } as const;
  await assert.rejects(
    checkPorts([elsewhere], ""),
    /port 0 \(pages, TCP\) cannot be used at 192\.0\.2\.1: /,
  );
});
