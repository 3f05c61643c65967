import assert from "node:assert/strict";
import { rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import test from "node:test";
import { type LogFacts, noopLogger, OperatingError } from "@atlasnet/core";
import { addressText } from "./address.ts";
import { askCa } from "./ca-client.ts";
import { CaServer } from "./ca-server.ts";
import { createCa } from "./cluster-ca.ts";
import { newPrivateKey, requestFor } from "./node-key.ts";
import { refusalOf, refuses, scene, serve } from "./testing/join-scene.ts";

test("nobody there is said with the address, and a silent server is given up when asked to", async (t) => {
  const { ca, place, now, obtain } = await scene(t);
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, "127.0.0.1", resolve));
  const bound = silent.address();
  assert.ok(typeof bound === "object" && bound !== null);
  const address = { host: "127.0.0.1", port: bound.port };
  const stop = new AbortController();
  const body = { csr: "" };
  const trusted = new Set<string>();
  const asked = askCa({ address, path: "/v1/renew", body, trusted, signal: stop.signal }, now);
  stop.abort();
  assert.equal((await refusalOf(asked)).code, "ca-unreachable");
  await new Promise((resolve) => silent.close(resolve));
  const token = await ca.token({ role: place.role, ttlSeconds: 60, address });
  const error = await refusalOf(obtain({ join: token }));
  assert.equal(error.code, "ca-unreachable");
  assert.ok(error.message.includes(addressText(address)));
  assert.match(error.hint ?? "", /atlasnet ca serve.*--address/);
});

test("a server with a node's certificate is not taken for the CA", async (t) => {
  const { ca, now, address } = await scene(t);
  const { certificate, privateKey } = await ca.issue({ role: "gameserver", node: "gs-7" });
  const { createServer: createTls } = await import("node:tls");
  const cert = `${certificate}${ca.certificate}`;
  let heard = 0;
  const impostor = createTls({ cert, key: privateKey }, (socket) => {
    socket.on("data", () => heard++);
    socket.on("error", () => undefined);
  });
  await new Promise<void>((resolve) => impostor.listen(0, "127.0.0.1", resolve));
  t.after(() => new Promise((resolve) => impostor.close(resolve)));
  const bound = impostor.address();
  assert.ok(typeof bound === "object" && bound !== null);
  const asked = askCa(
    {
      address: { ...address, port: bound.port },
      path: "/v1/join",
      body: {},
      trusted: new Set([ca.authority.fingerprint]),
    },
    now,
  );
  await refuses(asked, "foreign-server", /is a gameserver, not that of the CA/, /./);
  assert.equal(heard, 0, "not a byte of the request");
});

test("garbage is answered, and the next node is served", async (t) => {
  const { ca, address, now, token, obtain } = await scene(t);
  const post = (body: object, path: "/v1/join" | "/v1/renew" = "/v1/join") =>
    askCa({ address, path, body, trusted: new Set([ca.authority.fingerprint]) }, now);
  const good = { token: await token(), role: "gameserver", node: "gs-5" };
  const csr = await requestFor(await newPrivateKey(), "gs-5");
  const [, base64 = ""] = /REQUEST-----([^-]*)/.exec(csr) ?? [];
  const der = Buffer.from(base64, "base64");
  // The last byte is one of the signature's.
  der[der.length - 1] = (der.at(-1) ?? 0) ^ 1;
  const damaged = csr.replace(
    base64,
    `
${der.toString("base64")}
`,
  );
  const cases: [object, string][] = [
    [{}, "bad-request"],
    [[], "bad-request"],
    [{ ...good, csr, more: 1 }, "bad-request"],
    [{ ...good, csr, role: "admin" }, "bad-request"],
    [{ ...good, csr, node: "../x" }, "bad-request"],
    [{ ...good, csr: "x".repeat(5000) }, "bad-request"],
    [{ ...good, csr: "x".repeat(100_000) }, "bad-request"],
    [{ ...good, csr: "no request" }, "bad-csr"],
    [{ ...good, csr: damaged }, "bad-csr"],
    [{ ...good, csr: ca.certificate }, "bad-csr"],
    [{ ...good, csr, token: "atlasnet-join-x.y.z" }, "bad-token"],
  ];
  for (const [body, reason] of cases) {
    const error = await refusalOf(post(body));
    assert.equal(
      error.facts["reason"],
      reason,
      `${JSON.stringify(body).slice(0, 200)} ${error.message}`,
    );
  }
  const without = await refusalOf(post({ csr }, "/v1/renew"));
  assert.equal(without.facts["reason"], "bad-certificate");
  assert.match(without.message, /no certificate/);
  await obtain({ join: await token() });
  assert.equal((await ca.list()).length, 1);
});

test("who shows a certificate of another CA is told so", async (t) => {
  const { root, ca, address, now } = await scene(t);
  const other = await createCa(join(root, "other"), { cluster: "play" }, { now });
  const { certificate: cert, privateKey: key } = await other.issue({ role: "proxy", node: "p-1" });
  const asked = askCa(
    {
      address,
      path: "/v1/renew",
      body: { csr: await requestFor(key, "p-1") },
      trusted: new Set([ca.authority.fingerprint]),
      present: { cert, key },
    },
    now,
  );
  await refuses(asked, "bad-certificate", /another CA of the same name/, /ca token/);
});

test("what speaks no TLS is cut off, and the next node is served", async (t) => {
  const { address, token, obtain } = await scene(t);
  for (const bytes of [
    "GET / HTTP/1.1\r\n\r\n",
    "\x16\x03\x01\x02\x00garbage",
    "x".repeat(100_000),
  ]) {
    const socket = connect(address.port, address.host);
    socket.on("error", () => undefined);
    const closed = new Promise((resolve) => socket.once("close", resolve));
    socket.end(bytes);
    socket.resume();
    await closed;
  }
  await obtain({ join: await token() });
});

test("what is wrong with the CA's folder is told to its own log, not to strangers", async (t) => {
  const { ca, now, token, obtain } = await scene(t);
  const errors: unknown[] = [];
  const error = (_message: string, facts: LogFacts = {}) => errors.push(facts["error"]);
  const address = await serve(t, ca, now, { ...noopLogger, error });
  await writeFile(join(ca.dir, "issued"), "a file where the folder belongs");
  const failed = await refusalOf(obtain({ join: await token({ address }) }));
  assert.equal(failed.facts["reason"], "failed");
  assert.ok(!failed.message.includes(ca.dir));
  const [first] = errors;
  assert.ok(first instanceof OperatingError && first.message.includes(ca.dir));
  await rm(join(ca.dir, "issued"));
  await obtain({ join: await token({ address }) });
});

test("one address that asks without end is put off", async (t) => {
  const { ca, address, now } = await scene(t);
  const trusted = new Set([ca.authority.fingerprint]);
  const reasons = new Set<unknown>();
  for (let n = 0; n < 200 && !reasons.has("too-many-requests"); n++) {
    const error = await refusalOf(askCa({ address, path: "/v1/join", body: {}, trusted }, now));
    reasons.add(error.facts["reason"]);
  }
  assert.deepEqual([...reasons], ["bad-request", "too-many-requests"]);
});

test("a server that was stopped can be stopped again; a port in use is named", async (t) => {
  const { ca, address } = await scene(t);
  const second = new CaServer(
    { ca, host: address.host, port: address.port },
    { logger: noopLogger },
  );
  const error = await refusalOf(second.start());
  assert.equal(error.code, "port-in-use");
  assert.ok(error.message.includes(addressText(address)));
  await second.stop();
  await second.stop();
});

// Node by itself looks for late requests every 30 s only.
const dropTimeout = { timeout: 20_000 };
test(
  "who sends a request drop by drop is let go, and does not keep others out",
  dropTimeout,
  async (t) => {
    const { ca, now } = await scene(t);
    const server = new CaServer(
      { ca, host: "127.0.0.1", port: 0, timeoutMs: 200 },
      { logger: noopLogger, now },
    );
    t.after(() => server.stop());
    await server.start();
    const { address } = server;
    assert.ok(address);
    const { connect: connectTls } = await import("node:tls");
    const slow = connectTls({ ...address, rejectUnauthorized: false });
    await new Promise<void>((resolve) => slow.once("secureConnect", () => resolve()));
    slow.on("error", () => undefined);
    slow.write("POST /v1/join HTTP/1.1\r\nhost: ca\r\ncontent-type: application/json\r\n");
    slow.write("content-length: 9000\r\n\r\n{");
    // Never idle for long, and never done.
    const dropping = setInterval(() => slow.write(" "), 20);
    slow.resume();
    await new Promise<void>((resolve) => slow.once("close", () => resolve()));
    clearInterval(dropping);
  },
);
