import assert from "node:assert/strict";
import { cp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { type LogFacts, type Logger, noopLogger, OperatingError } from "@atlasnet/core";
import { type Address, addressText } from "./address.ts";
import { DAY_MS } from "./authority.ts";
import { askCa } from "./ca-client.ts";
import { CaServer } from "./ca-server.ts";
import { certificatesOf } from "./certificate.ts";
import { createCa, openCa } from "./cluster-ca.ts";
import { createVerifyPeer } from "./create-verify-peer.ts";
import { newPrivateKey, requestFor } from "./node-key.ts";
import { type ObtainIdentityOptions, obtainIdentity } from "./obtain-identity.ts";
import { renewIdentity } from "./renew-identity.ts";
import { tempDir } from "./temp-dir.ts";

const NOW = Date.UTC(2030, 0, 1);

/** A CA that is served, and a machine with nodes. */
async function scene(t: TestContext) {
  const root = await tempDir(t);
  const clock = { at: NOW };
  const now = () => clock.at;
  const ca = await createCa(join(root, "ca"), { cluster: "play" }, { now });
  const address = await serve(t, ca, now);
  const dir = join(root, "identity");
  const token = (
    options: {
      role?: "proxy" | "gameserver";
      node?: string;
      ttlSeconds?: number;
      address?: Address;
    } = {},
  ) => ca.token({ role: "gameserver", ttlSeconds: 3600, address, ...options });
  const place = { dir, role: "gameserver", node: "gs-1" } as const;
  const deps = { logger: noopLogger, now };
  const obtain = (options: Partial<ObtainIdentityOptions>) =>
    obtainIdentity({ ...place, ...options }, deps);
  return { root, clock, now, ca, address, dir, token, place, deps, obtain };
}

async function serve(
  t: TestContext,
  ca: Awaited<ReturnType<typeof openCa>>,
  now: () => number,
  logger: Logger = noopLogger,
): Promise<Address> {
  const server = new CaServer({ ca, host: "127.0.0.1", port: 0 }, { logger, now });
  await server.start();
  t.after(() => server.stop());
  assert.ok(server.address);
  return server.address;
}

async function refusalOf(work: Promise<unknown>): Promise<OperatingError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof OperatingError, `${error}`);
  return error;
}

async function refuses(
  work: Promise<unknown>,
  reason: string,
  message: RegExp,
  hint: RegExp,
): Promise<void> {
  const error = await refusalOf(work);
  assert.deepEqual([error.code, error.facts["reason"]], ["join-refused", reason], error.message);
  assert.match(error.message, message);
  assert.match(error.hint ?? "", hint);
}

test("a token fetches a gameserver's certificate, without the keys of proxies", async (t) => {
  const { ca, dir, token, obtain } = await scene(t);
  const { identity, secrets } = await obtain({ join: await token() });
  assert.equal(secrets, undefined);
  assert.deepEqual([identity.cluster, identity.node], ["play", "gs-1"]);
  const verified = createVerifyPeer(ca.authorities, "play")(
    certificatesOf(identity.certificate),
    NOW,
  );
  assert.ok(verified.ok && verified.peer.role === "gameserver");
  assert.deepEqual((await readdir(dir)).sort(), ["ca.crt", "gs-1.ca.json", "gs-1.crt", "gs-1.key"]);
  assert.deepEqual(await obtain({ join: "no token" }), { identity }, "no token is needed any more");
});

test("a token for proxies brings the keys that proxies share", async (t) => {
  const { ca, token, obtain } = await scene(t);
  const join = await token({ role: "proxy" });
  const nodes = ["p-1", "p-2"].map((node) => obtain({ role: "proxy", node, join }));
  for (const { secrets } of await Promise.all(nodes)) assert.deepEqual(secrets, await ca.secrets());
});

test("tokens that do not fit are refused by name, with what to do", async (t) => {
  const { root, clock, now, dir, address, token, obtain } = await scene(t);
  const forProxy = await token({ role: "proxy" });
  await refuses(
    obtain({ join: forProxy }),
    "wrong-role",
    /for a proxy, the node is a gameserver/,
    /--role/,
  );
  const named = await token({ node: "gs-9" });
  await refuses(obtain({ join: named }), "wrong-node", /for node gs-9, the node is gs-1/, /--node/);
  const other = await createCa(join(root, "other"), {}, { now });
  const theirs = await other.token({ role: "gameserver", ttlSeconds: 60, address });
  await refuses(
    obtain({ join: theirs }),
    "foreign-server",
    /not that of the expected CA/,
    /Nothing was sent/,
  );
  await refuses(obtain({ join: "atlasnet-join-abc" }), "bad-token", /damaged/, /whole token/);
  const short = await token({ ttlSeconds: 60 });
  clock.at += 61_000;
  await refuses(
    obtain({ join: short }),
    "token-expired",
    /expired at 2030-01-01T00:01:00Z/,
    /--ttl/,
  );
  assert.deepEqual(
    await readdir(dir),
    ["gs-1.key"],
    "a refused node has its key, and nothing else",
  );
});

test("a node id that is taken is refused, unless the token names the node", async (t) => {
  const { root, clock, ca, token, obtain } = await scene(t);
  const open = await token({ ttlSeconds: 1000 * 86_400 });
  await obtain({ join: open });
  const elsewhere = join(root, "elsewhere");
  await refuses(
    obtain({ dir: elsewhere, join: open }),
    "node-taken",
    /gs-1 \(gameserver\) has a certificate until 2030-04-01/,
    /another node\.id.*--node/,
  );
  await refuses(
    obtain({ dir: elsewhere, role: "proxy", join: await token({ role: "proxy" }) }),
    "node-taken",
    /gs-1 \(gameserver\)/,
    /node\.id/,
  );
  await obtain({ dir: elsewhere, join: await token({ node: "gs-1" }) });
  await rm(join(elsewhere, "gs-1.crt"));
  clock.at += 91 * DAY_MS;
  await obtain({ dir: join(root, "third"), join: open });
  assert.equal((await ca.list()).length, 3);
});

test("of two nodes with one id that come at once, one gets in", async (t) => {
  const { root, token, obtain } = await scene(t);
  const join_ = await token();
  const dirs = ["a", "b", "c", "d"].map((name) => join(root, name));
  const results = await Promise.allSettled(dirs.map((dir) => obtain({ dir, join: join_ })));
  assert.equal(results.filter(({ status }) => status === "fulfilled").length, 1);
});

test("a node whose first answer was lost asks again with its key", async (t) => {
  const { dir, token, obtain } = await scene(t);
  const open = await token();
  const first = await obtain({ join: open });
  await rm(join(dir, "gs-1.crt"));
  const second = await obtain({ join: open });
  assert.equal(second.identity.privateKey, first.identity.privateKey);
});

test("a node renews against its certificate, and hears of new keys", async (t) => {
  const { clock, ca, dir, token, deps, obtain } = await scene(t);
  const place = { dir, role: "proxy", node: "p-1" } as const;
  const before = await obtain({ ...place, join: await token({ role: "proxy" }) });
  clock.at += 60 * DAY_MS;
  const after = await renewIdentity(place, deps);
  assert.equal(after.identity.notAfter, clock.at + 90 * DAY_MS);
  assert.equal(after.identity.privateKey, before.identity.privateKey);
  assert.deepEqual((await obtain(place)).identity, after.identity);
  await rm(join(ca.dir, "udp.jwk.json"));
  const third = await renewIdentity(place, deps);
  assert.ok(third.secrets);
  assert.notEqual(third.secrets.udp, before.secrets?.udp);
});

test("a CA is replaced step by step, as the operations page says, and nobody is cut off", async (t) => {
  const { root, now, ca, address, token, deps, obtain } = await scene(t);
  const place = (node: string) => ({ dir: join(root, node), role: "proxy", node }) as const;
  const first = await obtain({ ...place("p-1"), join: await token({ role: "proxy" }) });
  const second = await obtain({ ...place("p-2"), join: await token({ role: "proxy" }) });
  const knowsEachOther = (a: typeof first, b: typeof first) =>
    [
      [a, b],
      [b, a],
    ].every(([one, other]) => {
      assert.ok(one && other);
      const verify = createVerifyPeer(one.identity.authorities, "play");
      return verify(certificatesOf(other.identity.certificate), now()).ok;
    });
  // The old one tells everybody of the new one.
  const next = await createCa(join(root, "next"), { cluster: "play" }, { now });
  await writeFile(join(ca.dir, "ca.crt"), `${ca.certificate}${next.certificate}`);
  const told = await serve(t, await openCa(ca.dir, { now }), now);
  const toldFirst = await renewIdentity({ ...place("p-1"), address: told }, deps);
  assert.ok(knowsEachOther(toldFirst, second));
  await renewIdentity({ ...place("p-2"), address: told }, deps);
  // The new one takes over, with the records and the keys, and trusts the old one still.
  for (const name of ["issued", "tickets.jwks.json", "udp.jwk.json"])
    await cp(join(ca.dir, name), join(next.dir, name), { recursive: true });
  await writeFile(join(next.dir, "ca.crt"), `${next.certificate}${ca.certificate}`);
  const taken = await serve(t, await openCa(next.dir, { now }), now);
  const newFirst = await renewIdentity({ ...place("p-1"), address: taken }, deps);
  assert.deepEqual(newFirst.secrets, first.secrets);
  const oldSecond = await obtain(place("p-2"));
  assert.ok(knowsEachOther(newFirst, oldSecond), "one has a new certificate, one an old one");
  await renewIdentity({ ...place("p-2"), address: taken }, deps);
  // The old one goes.
  await writeFile(join(next.dir, "ca.crt"), next.certificate);
  const last = await serve(t, await openCa(next.dir, { now }), now);
  const lastFirst = await renewIdentity({ ...place("p-1"), address: last }, deps);
  assert.ok(knowsEachOther(lastFirst, await obtain(place("p-2"))));
  assert.ok(!knowsEachOther(lastFirst, second), "what the old one signed is nothing any more");
  await refuses(
    renewIdentity({ ...place("p-1"), address }, deps),
    "foreign-server",
    /not that of the expected CA/,
    /./,
  );
});

test("a renewal is refused to who is out of date, or out of the records", async (t) => {
  const { clock, ca, dir, token, place, deps, obtain } = await scene(t);
  await obtain({ join: await token() });
  const [record] = await ca.list();
  assert.ok(record);
  const file = join(ca.dir, "issued", `gs-1.${record.serial}.json`);
  const text = await readFile(file, "utf8");
  await rm(file);
  await refuses(
    renewIdentity(place, deps),
    "unknown-certificate",
    /not in the CA's records/,
    /ca token/,
  );
  await writeFile(file, text);
  await renewIdentity(place, deps);
  // The CA's clock is ahead of the node's.
  const late = { ...deps, now: () => NOW };
  clock.at += 91 * DAY_MS;
  await refuses(
    renewIdentity(place, late),
    "bad-certificate",
    /gs-1 expired at/,
    /ca token --node/,
  );
  const { code } = await refusalOf(renewIdentity(place, deps));
  assert.equal(code, "expired");
  await rm(join(dir, "gs-1.ca.json"));
  const error = await refusalOf(renewIdentity(place, late));
  assert.equal(error.code, "no-source");
  assert.match(error.hint ?? "", /--address HOST:PORT/);
});

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

test("a node whose certificate has expired joins again with a token", async (t) => {
  const { clock, token, obtain } = await scene(t);
  const join = await token({ ttlSeconds: 1000 * 86_400 });
  const { identity } = await obtain({ join });
  clock.at += 91 * DAY_MS;
  const again = await obtain({ join });
  assert.equal(again.identity.notAfter, clock.at + 90 * DAY_MS);
  assert.equal(again.identity.privateKey, identity.privateKey);
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
