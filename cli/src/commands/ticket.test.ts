import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "node:test";
import { loadOrCreateUdpKey } from "@atlasnet/core/node";
import { runCommand } from "../testing/command.ts";

/** What a ticket says to the client, as the client reads it. */
function claimsOf(ticket: string): Map<string, unknown> {
  const [, payload = ""] = ticket.split(".");
  const claims: unknown = JSON.parse(Buffer.from(payload, "base64url").toString());
  return new Map(Object.entries(Object(claims)));
}

test("a ticket names the server's key for UDP once there is one", async (t) => {
  const workingDir = await mkdtemp(join(tmpdir(), "atlasnet-cli-"));
  t.after(() => rm(workingDir, { recursive: true, force: true }));
  const issue = async (...more: string[]) => {
    const { code, out, talk } = await runCommand(
      ["ticket", "issue", "--account", "ann", "--world", "arena", "--data", "d", ...more],
      { workingDir },
    );
    assert.equal(code, 0, talk);
    return claimsOf(out.trim());
  };
  assert.equal((await issue()).get("serverKey"), undefined, "no server has made one yet");
  const file = join(workingDir, "d", "keys", "udp.jwk.json");
  const { key } = await loadOrCreateUdpKey(file);
  const claims = await issue();
  assert.equal(claims.get("sub"), "ann");
  assert.equal(claims.get("serverKey"), Buffer.from(key.publicKey).toString("base64url"));
  const off = await issue("--proxy.udp.enabled", "false");
  assert.equal(off.get("serverKey"), undefined);
  const other = join(workingDir, "other.json");
  const { key: second } = await loadOrCreateUdpKey(other);
  const named = await issue("--proxy.udp.keyFile", other);
  assert.equal(named.get("serverKey"), Buffer.from(second.publicKey).toString("base64url"));
});
