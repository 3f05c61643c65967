import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type TestContext } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { obtainIdentity } from "@atlasnet/identity";
import { startCommand } from "../testing/command.ts";

/** A folder, and command lines in it. `heard` waits until a text was said to the person. */
async function scene(t: TestContext) {
  const workingDir = await mkdtemp(join(tmpdir(), "atlasnet-cli-"));
  t.after(() => rm(workingDir, { recursive: true, force: true }));
  const start = (args: string[], env: { [name: string]: string } = {}) => {
    const stop = new AbortController();
    const { done, wrote } = startCommand(args, { env, workingDir, stop: stop.signal });
    const heard = (pattern: RegExp) => wrote("talk", pattern);
    return { done, heard, stop: () => stop.abort() };
  };
  const run = (args: string[], env?: { [name: string]: string }) => start(args, env).done;
  const good = async (...args: string[]) => {
    const { code, out, talk } = await run(args);
    assert.equal(code, 0, talk);
    return { out, talk };
  };
  return { workingDir, start, run, good };
}

test("ca init makes a CA and says what comes next; never twice in one folder", async (t) => {
  const { workingDir, run, good } = await scene(t);
  const { out } = await good("ca", "init", "--cluster", "play");
  assert.match(out, /^Made the CA of play in \.\/ca, good until \d{4}-/);
  for (const line of [
    "atlasnet gameserver --ca ./ca --node.id gs-1 --world",
    "atlasnet proxy --ca ./ca --node.id proxy-1 --peer gs-1=127.0.0.1:2556",
    "atlasnet ca serve\n",
    "atlasnet ca token --role gameserver",
  ])
    assert.ok(out.includes(line), line);
  assert.ok(existsSync(join(workingDir, "ca", "ca.key")));
  const again = await run(["ca", "init"]);
  assert.equal(again.code, 1);
  assert.match(again.talk, /there is a CA in .*ca already.*\(ca-exists\)/);
  const other = await good("ca", "init", "--dir", "other", "--days", "10");
  assert.match(other.out, /Made the CA of cluster-[a-z0-9]{6} in other/);
  assert.match(other.out, /atlasnet ca token --dir other --role gameserver/);
});

test("the folder may be named in the environment, as the setting identity.ca may", async (t) => {
  const { workingDir, run } = await scene(t);
  const env = { ATLASNET_IDENTITY_CA: join(workingDir, "from-env") };
  assert.equal((await run(["ca", "init"], env)).code, 0);
  assert.ok(existsSync(join(workingDir, "from-env", "ca.crt")));
  assert.equal((await run(["ca", "ls"], env)).code, 0);
  assert.equal((await run(["ca", "ls"])).code, 1);
});

test("ca issue writes files for another machine, which a node starts with", async (t) => {
  const { workingDir, run, good } = await scene(t);
  await good("ca", "init");
  const args = ["ca", "issue", "--role", "proxy", "--node", "p-1"];
  const { out, talk } = await good(...args, "--days", "7", "--out", "for-p-1");
  assert.match(out, /Issued a certificate to proxy p-1 of cluster-/);
  assert.match(
    out,
    /Files in for-p-1: p-1\.crt, p-1\.key, ca\.crt, tickets\.jwks\.json, udp\.jwk\.json/,
  );
  assert.match(out, /atlasnet proxy --node\.id p-1 --identity\.dir DIR/);
  assert.equal(talk, "");
  const dir = join(workingDir, "for-p-1");
  const { identity, secrets } = await obtainIdentity(
    { dir, role: "proxy", node: "p-1" },
    { logger: noopLogger, now: Date.now },
  );
  assert.equal(identity.node, "p-1");
  assert.ok(secrets);
  const again = await run([...args, "--out", "for-p-1"]);
  assert.equal(again.code, 1);
  assert.match(again.talk, /\(has-identity\)\n.*atlasnet ca renew --node p-1/);
  const second = await good(...args);
  assert.match(second.talk, /^Note: node p-1 \(proxy\) holds another certificate/);
  await good("ca", "issue", "--role", "gameserver", "--node", "gs-1");
  assert.deepEqual(
    (await readdir(join(workingDir, "identity"))).filter((name) => name.startsWith("gs-1")),
    ["gs-1.crt", "gs-1.key"],
  );
});

test("ca ls shows every certificate, as a table and as JSON", async (t) => {
  const { good } = await scene(t);
  await good("ca", "init", "--cluster", "play");
  assert.deepEqual(await good("ca", "ls"), {
    out: "",
    talk: "The CA of play has issued nothing yet.\n",
  });
  await good("ca", "issue", "--role", "proxy", "--node", "p-1", "--days", "7");
  await good("ca", "issue", "--role", "gameserver", "--node", "gs-1");
  await good("ca", "renew", "--node", "p-1", "--identity", "identity");
  const lines = (await good("ca", "ls")).out.trimEnd().split("\n");
  assert.match(lines[0] ?? "", /^NODE +ROLE +SERIAL +FROM +UNTIL +DAYS LEFT +STATE$/);
  const date = "\\d{4}-\\d\\d-\\d\\dT[\\d:]+Z";
  const row = (start: string, days: number, state: string) =>
    new RegExp(`^${start} +[0-9a-f]{32} +${date} +${date} +${days} +${state}$`);
  assert.match(lines[1] ?? "", row("gs-1 +gameserver", 89, "valid"));
  assert.match(lines[2] ?? "", row("p-1 +proxy", 89, "valid"));
  assert.match(lines[3] ?? "", row("p-1 +proxy", 6, "renewed"));
  assert.equal(lines.length, 4);
  const { cluster, certificates } = JSON.parse((await good("ca", "ls", "--json")).out);
  assert.equal(cluster, "play");
  assert.deepEqual(Object.keys(certificates[0]), [
    "node",
    "role",
    "serial",
    "from",
    "until",
    "daysLeft",
    "state",
  ]);
});

test("ca serve lets a node join and renew, until it is stopped", async (t) => {
  const { workingDir, start, good } = await scene(t);
  await good("ca", "init", "--cluster", "play");
  const server = start(["ca", "serve", "--host", "127.0.0.1", "--port", "0"]);
  const [, address = ""] = await server.heard(/The CA of play listens on (\S+) /);
  const issued = await good("ca", "token", "--role", "gameserver", "--address", address);
  assert.match(issued.out, /^atlasnet-join-[A-Za-z0-9_.-]+\n$/, "stdout holds the token only");
  assert.match(issued.talk, /any new gameserver, good for 1h/);
  assert.match(issued.talk, /atlasnet gameserver --node\.id NODE --join TOKEN/);
  const dir = join(workingDir, "data", "identity");
  const { identity } = await obtainIdentity(
    { dir, role: "gameserver", node: "gs-1", join: issued.out.trim() },
    { logger: noopLogger, now: Date.now },
  );
  assert.equal(identity.cluster, "play");
  const renewed = await good("ca", "renew", "--node", "gs-1", "--address", address);
  assert.match(renewed.out, /Renewed the certificate of gameserver gs-1 of play/);
  await rm(join(workingDir, "ca", "ca.key"));
  await good("ca", "renew", "--node", "gs-1");
  server.stop();
  const { code, talk } = await server.done;
  assert.equal(code, 0);
  assert.match(talk, /A node joined the cluster/);
  assert.match(talk, /A node renewed its certificate/);
});

test("ca token names the node, and an address of this machine", async (t) => {
  const { good } = await scene(t);
  await good("ca", "init");
  const args = ["ca", "token", "--role", "proxy", "--node", "p-1", "--ttl", "7d"];
  const { out, talk } = await good(...args);
  const [, claims = ""] = out.split(".");
  const { address, node, role } = JSON.parse(Buffer.from(claims, "base64url").toString());
  assert.deepEqual([node, role], ["p-1", "proxy"]);
  assert.match(address, /^\d+\.\d+\.\d+\.\d+:2558$/);
  assert.ok(talk.includes(address));
  assert.match(talk, /A token for proxy p-1, good for 7d/);
});

test("wrong command lines end with 2, what is missing with 1, and both say what is allowed", async (t) => {
  const { run, good } = await scene(t);
  const missing = await run(["ca", "ls"]);
  assert.equal(missing.code, 1);
  assert.match(missing.talk, /is no CA folder.*\(no-ca\)\n.*atlasnet ca init --dir/);
  await good("ca", "init");
  const cases: [string[], RegExp][] = [
    [["init", "--cluster", "No Name"], /--cluster: found "No Name", allowed: a-z/],
    [["init", "ca"], /ca init: found "ca", which is no option.*\n.*atlasnet ca init --dir ca\n/],
    [["init", "--days", "0"], /--days: found "0", allowed: a whole number, 1 to/],
    [["issue", "--role", "admin", "--node", "n"], /Allowed choices are proxy, gameserver/],
    [["issue", "--role", "proxy", "--node", "../n"], /--node: found "\.\.\/n", allowed: letters/],
    [["issue", "--role", "proxy"], /required option '--node/],
    [["token", "--role", "proxy", "--ttl", "soon"], /--ttl: found "soon", allowed: 1s to 3650d, /],
    [["token", "--role", "proxy", "--address", "h:0"], /--address: found "h:0", allowed: HOST/],
    [["serve", "--port", "70000"], /--port: found "70000", allowed: 0 to 65535/],
  ];
  for (const [args, pattern] of cases) {
    const { code, out, talk } = await run(["ca", ...args]);
    assert.match(talk, pattern);
    assert.deepEqual([code, out], [2, ""], args.join(" "));
  }
  const nobody = await run(["ca", "renew", "--node", "gs-1"]);
  assert.equal(nobody.code, 1);
  assert.match(nobody.talk, /there is no certificate of gs-1 in .*identity \(no-identity\)/);
});
