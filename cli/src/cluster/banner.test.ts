import assert from "node:assert/strict";
import { test } from "node:test";
import { type BannerOptions, clusterBanner } from "./banner.ts";
import { layoutCluster } from "./layout.ts";

const OPTIONS: BannerOptions = {
  plans: layoutCluster({ proxies: 2, gameservers: 1, basePort: 2555, worlds: ["a", "b"] }),
  pidOf: (node) => (node === "proxy-1" ? 4711 : 1),
  dir: "/home/ann/game/.atlasnet/cluster",
  pagesPort: 3000,
  examples: false,
  guests: true,
  tls: false,
  udp: true,
  platform: "linux",
};

test("where to play and join, what runs where, what to try", () => {
  const text = clusterBanner(OPTIONS);
  for (const part of [
    "2 proxies and 1 gameserver are running",
    "http://localhost:3000 ",
    "ws://localhost:2555  (proxy-1; WebSocket, TCP, UDP)",
    "ws://localhost:2565  (proxy-2; WebSocket, TCP, UDP)",
    "gs-1: a, b\n",
    "http://127.0.0.1:2559/ready  (gs-1)",
    "Kept in  /home/ann/game/.atlasnet/cluster\n",
    "kill -9 4711  (ends proxy-1: its players go on through another)",
  ])
    assert.ok(text.includes(part), part);
  for (const line of text.split("\n")) assert.ok(line.length <= 80, line);
});

test("with apiservers: who leads, where worlds run, how the command line gets there", () => {
  const plans = layoutCluster({
    ...{ proxies: 2, gameservers: 2, apiservers: 3, basePort: 2555 },
    worlds: ["a", "b"],
  });
  const text = clusterBanner({
    ...OPTIONS,
    plans,
    pidOf: (node) => (node === "api-2" ? 4712 : undefined),
    control: {
      leader: "api-2",
      placed: [
        ["a", "gs-2"],
        ["b", undefined],
      ],
      flags: "--context dev",
    },
  });
  for (const part of [
    "3 apiservers, 2 proxies and 2 gameservers are running",
    "gs-1: none\n",
    "gs-2: a\n",
    "nowhere yet: b\n",
    "http://127.0.0.1:2570  (api-2, leads)\n",
    "kill -9 4712  (ends api-2, the leader: players do not notice)\n",
    "atlasnet world ls --context dev\n",
    "atlasnet world migrate a --wait --context dev\n",
    "atlasnet dev roll ",
  ])
    assert.ok(text.includes(part), part);
});

test("what is not so is not said", () => {
  const text = clusterBanner({
    ...OPTIONS,
    plans: layoutCluster({ proxies: 1, gameservers: 1, basePort: 2555, worlds: ["a"] }),
    pagesPort: undefined,
    tls: true,
    udp: false,
    guests: false,
    platform: "win32",
  });
  assert.match(text, /wss:\/\/localhost:2555 {2}\(proxy-1; WebSocket, TCP\)/);
  assert.match(
    text,
    /taskkill \/F \/PID 4711 {2}\(ends proxy-1: its players wait until it is back\)/,
  );
  assert.match(text, /Guests are not let in/);
  assert.doesNotMatch(text, /Play/);
});
