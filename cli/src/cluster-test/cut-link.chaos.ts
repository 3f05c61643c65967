import assert from "node:assert/strict";
import { assertAllIsWell, type LedgerPlayer } from "@atlasnet/monolith/testing";
import type { Direction } from "@atlasnet/netem";
import { until } from "../testing/until.ts";
import { answers, chaos, IDLE_TIMEOUT_MS, type Scene } from "./scene.ts";

const relayed = { proxies: 2, gameservers: 1, worlds: ["north"], relayed: true } as const;
const BAD = { loss: 0.05, delayMs: 10, jitterMs: 8, reorder: 0.05, duplicate: 0.02 };

/** Two proxies with players at each; the line of the first is the test's. */
async function scene(it: Scene) {
  const [proxy, second] = [it.node("proxy-1"), it.node("proxy-2")];
  const gameserver = it.node("gs-1");
  const players = await it.enterAll([proxy], "north");
  const others = [await it.enter("tcp", [second], "north")];
  return { proxy, gameserver, players, others, line: it.cluster.line(proxy, gameserver) };
}

async function assertUntouched(players: readonly LedgerPlayer[]): Promise<void> {
  for (const player of players) player.stop();
  await assertAllIsWell(players);
  for (const { drops } of players) assert.equal(drops, 0, "no client's connection was touched");
}

chaos("a line is cut, for a moment, for long, one way", relayed, async (it) => {
  const { proxy, gameserver, players, others, line } = await scene(it);
  const links = () => proxy.metric("atlasnet_proxy_link_up");
  const reconnects = () => proxy.metric("atlasnet_proxy_link_reconnects_total");
  for (const player of [...players, ...others]) player.talk(1e6);
  // For less than the idle timeout: the same link goes on.
  for (let cut = 0; cut < 3; cut++) {
    await it.moment(players);
    line.setConditions({ loss: 1 });
    await it.instant(IDLE_TIMEOUT_MS / 3);
    line.setConditions({ loss: 0 });
    await answers(players, 2);
  }
  assert.equal(await reconnects(), 0);
  // For more, in all directions: both ends give it up, and everybody is attached anew.
  const directions: readonly (Direction | undefined)[] = [undefined, "up", "down"];
  for (const [cuts, direction] of directions.entries()) {
    await it.moment(players);
    const seen = [proxy.lines.length, gameserver.lines.length];
    line.setConditions({ loss: 1 }, direction);
    await until("the link is given up", async () => (await links()) === 0);
    await gameserver.logged(/proxy-1/, seen[1]);
    const open = await gameserver.metric("atlasnet_link_open", { adapter: "quic" });
    assert.equal(open, 1, "the gameserver has the other proxy's link alone");
    assert.ok(proxy.lines.slice(seen[0]).some((text) => text.includes('"peer-gone"')));
    await answers(others, 2);
    line.setConditions({ loss: 0 });
    await answers(players, 5);
    assert.equal(await reconnects(), cuts + 1);
  }
  assert.ok(
    (await proxy.metric("atlasnet_proxy_reattaches_total")) >= directions.length * players.length,
  );
  await assertUntouched([...players, ...others]);
});

chaos("a bad line, all the time", relayed, async (it) => {
  const gameserver = it.node("gs-1");
  for (const node of ["proxy-1", "proxy-2"])
    it.cluster.line(it.node(node), gameserver).setConditions(BAD);
  const { proxy, players, others, line } = await scene(it);
  for (const player of [...players, ...others]) player.talk(200);
  await until("all is said", () => [...players, ...others].every(({ answered }) => answered));
  const { up, down } = line.stats.udp ?? assert.fail("it relays UDP");
  assert.ok(up.lost > 0 && down.lost > 0 && up.reordered > 0 && down.reordered > 0);
  assert.equal(await proxy.metric("atlasnet_proxy_link_reconnects_total"), 0);
  await assertUntouched([...players, ...others]);
});
