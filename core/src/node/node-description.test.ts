import assert from "node:assert/strict";
import { test } from "node:test";
import { loadConfig } from "./load-config.ts";
import { advertisedAddress, labelsOf } from "./node-description.ts";

async function addressOf(
  given: { readonly [path: string]: string },
  { role = "gameserver" as "gameserver" | "proxy", localAddress = "10.0.0.5" } = {},
) {
  const flags = Object.entries(given).map(([path, text]) => ({ name: `--${path}`, path, text }));
  const { config } = await loadConfig({ env: {}, flags });
  const bound = { host: config.links.host, port: 4000 };
  return advertisedAddress(config, role, { bound, localAddress });
}

test("the address of a node is what it is told, what it listens at, or where it reaches apiservers from", async () => {
  assert.equal(await addressOf({}), "10.0.0.5:4000");
  assert.equal(await addressOf({}, { localAddress: "fd00::5" }), "[fd00::5]:4000");
  assert.equal(await addressOf({ "links.host": "::" }), "10.0.0.5:4000");
  assert.equal(await addressOf({ "links.host": "gs.example.org" }), "gs.example.org:4000");
  assert.equal(
    await addressOf({ "links.host": "10.1.1.1", "links.advertise": "203.0.113.7:2556" }),
    "203.0.113.7:2556",
  );
  assert.equal(await addressOf({ "proxy.port": "2555" }, { role: "proxy" }), "10.0.0.5:2555");
});

test("labels are taken apart at the first sign of equality", () => {
  assert.deepEqual(labelsOf(["zone=eu", "note=a=b", "gpu="]), { zone: "eu", note: "a=b", gpu: "" });
});
