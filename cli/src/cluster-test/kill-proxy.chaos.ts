import { assertAllIsWell, type LedgerPlayer } from "@atlasnet/monolith/testing";
import { answers, back, chaos, SCHEMES } from "./scene.ts";

const cluster = { proxies: 2, gameservers: 1, worlds: ["north"] };

chaos("a proxy is killed, comes back, the other is killed", cluster, async (scene) => {
  const [first, second] = [scene.node("proxy-1"), scene.node("proxy-2")];
  const players = await scene.enterAll([first], "north");
  for (const player of players) player.talk(1e6);
  let [dying, other] = [first, second];
  for (let kill = 1; kill <= 3; kill++) {
    await scene.moment(players);
    await dying.kill();
    await back(players, kill);
    dying.start();
    await dying.ready();
    [dying, other] = [other, dying];
  }
  for (const player of players) player.stop();
  await assertAllIsWell(players);
});

chaos("a proxy is killed while players come in for the first time", cluster, async (scene) => {
  const proxies = [scene.node("proxy-1"), scene.node("proxy-2")];
  const [first] = proxies;
  if (first === undefined) throw new Error("there are two");
  const players: LedgerPlayer[] = [];
  for (let wave = 0; wave < 3; wave++) {
    const joining = [...SCHEMES, ...SCHEMES].map((scheme) => scene.enter(scheme, proxies, "north"));
    await scene.instant(80);
    await first.kill();
    const joined = await Promise.all(joining);
    for (const player of joined) player.talk(1e6);
    players.push(...joined);
    first.start();
    await first.ready();
  }
  await answers(players, 5);
  for (const player of players) player.stop();
  await assertAllIsWell(players);
});

chaos(
  "both proxies are killed, the second while players resume through it",
  cluster,
  async (scene) => {
    let [dying, other] = [scene.node("proxy-1"), scene.node("proxy-2")];
    const players = await scene.enterAll([dying], "north");
    for (const player of players) player.talk(1e6);
    for (let round = 0; round < 2; round++) {
      await scene.moment(players);
      await dying.kill();
      await scene.instant(150);
      await other.kill();
      dying.start();
      other.start();
      await Promise.all([dying.ready(), other.ready()]);
      await answers(players, 5);
      [dying, other] = [other, dying];
    }
    for (const player of players) player.stop();
    await assertAllIsWell(players);
  },
);
