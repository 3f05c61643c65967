import assert from "node:assert/strict";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { connect } from "node:tls";
import { noopLogger } from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SimClock } from "@atlasnet/core/sim";
import { createTestCa } from "@atlasnet/identity/testing";
import { apiScene } from "../http/testing/index.ts";
import { TLS_LOOK_MS, TlsFiles } from "./tls-files.ts";

function serialOf(pem: string): string {
  return new X509Certificate(pem).serialNumber;
}

/** Of the certificate that a new connection is shown. */
function served(address: string, ca: string): Promise<string> {
  const { hostname, port } = new URL(address);
  return new Promise((resolve, reject) => {
    const socket = connect({
      ...{ host: hostname, port: Number(port), ca },
      checkServerIdentity: () => undefined,
    });
    socket.once("error", reject);
    socket.once("secureConnect", () => {
      resolve(socket.getPeerCertificate().serialNumber);
      socket.destroy();
    });
  });
}

test("a renewed certificate is served to new connections; a pair that does not fit is passed over", async (t) => {
  const ca = await createTestCa();
  const issue = () => ca.issue({ role: "apiserver", node: "api-1" });
  const [first, second] = [await issue(), await issue()];
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-tls-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const files = { cert: join(dir, "api-1.crt"), key: join(dir, "api-1.key") };
  await writeFile(files.cert, first.certificate);
  await writeFile(files.key, first.privateKey);

  const clock = new SimClock();
  const watched = new TlsFiles(files, { clock, logger: noopLogger });
  const api = await apiScene({ tls: await watched.read() });
  t.after(api.close);
  const [server] = api.servers;
  const [address = ""] = api.addresses;
  assert.ok(server);
  const taken: string[] = [];
  watched.follow((pair) => {
    taken.push(serialOf(pair.cert));
    server.setTls(pair);
  });
  t.after(() => watched.stop());
  const look = async () => {
    clock.advance(TLS_LOOK_MS);
    // The next look is planned once this one is over.
    while (clock.pending === 0) await settle();
  };
  assert.equal(await served(address, ca.authorities), serialOf(first.certificate));
  await look();
  assert.deepEqual(taken, [], "nothing has changed");
  await writeFile(files.cert, second.certificate);
  await look();
  assert.deepEqual(taken, [], "the key is the old one still");
  await writeFile(files.key, second.privateKey);
  await look();
  assert.deepEqual(taken, [serialOf(second.certificate)]);
  assert.equal(await served(address, ca.authorities), serialOf(second.certificate));
  await writeFile(files.cert, "nothing");
  await look();
  assert.equal(await served(address, ca.authorities), serialOf(second.certificate));
});

test("files that cannot be read end the start, and say which", async () => {
  const options = { cert: join("no", "such.crt"), key: join("no", "such.key") };
  const files = new TlsFiles(options, { clock: new SimClock(), logger: noopLogger });
  await assert.rejects(files.read(), { code: "unreadable-file", message: /apiserver\.tls\./ });
});
