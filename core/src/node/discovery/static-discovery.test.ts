import assert from "node:assert/strict";
import { test } from "node:test";
import type { DiscoveredProcess } from "./discovery.ts";
import { StaticDiscovery } from "./static-discovery.ts";

function discovery(): StaticDiscovery {
  return new StaticDiscovery({
    apiservers: ["api-1=10.0.0.1:2556", "api-2=[fd00::2]:2556"],
    apis: ["http://10.0.0.1:8080"],
    gameservers: ["gs-1=10.0.0.5:2556"],
  });
}

test("what the settings name is found, by role", async () => {
  const apiservers = await discovery().find("apiserver");
  assert.deepEqual(
    apiservers.map(({ node, links, api }) => [node, links?.host, api]),
    [
      ["api-1", "10.0.0.1", undefined],
      ["api-2", "fd00::2", undefined],
      ["http://10.0.0.1:8080", undefined, "http://10.0.0.1:8080"],
    ],
  );
  assert.deepEqual(await discovery().find("proxy"), []);
});

test("a watch tells once, later, and not after its end", async () => {
  const static_ = discovery();
  const told: (readonly DiscoveredProcess[])[] = [];
  const first = new Promise<void>((resolve) => {
    static_.watch("gameserver", (found) => {
      told.push(found);
      resolve();
    });
  });
  static_.watch("gameserver", () => assert.fail("it was ended"))();
  assert.equal(told.length, 0);
  await first;
  assert.deepEqual(
    told[0]?.map(({ node }) => node),
    ["gs-1"],
  );
  await static_.announce().withdraw();
  await static_.stop();
});
