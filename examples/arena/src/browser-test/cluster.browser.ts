import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { ClusterProcess } from "./cluster-process.ts";
import { enter, runsBefore, say, seen, self } from "./players.ts";
import { Tabs } from "./tabs.ts";

/** The arena of a cluster in two tabs, while its world moves and its gameserver dies. */

const ARENA = fileURLToPath(new URL("../../", import.meta.url));
/** Nobody shoots, and the players are near each other. */
const CONFIG = `
[worlds.arena]
module = ${JSON.stringify(ARENA)}
config = { bots = 0, spread = 60 }
durability = "mirror"
`;

let work: string;
let cluster: ClusterProcess;
let tabs: Tabs;

before(async () => {
  work = await mkdtemp(join(tmpdir(), "atlasnet-cluster-pages-"));
  const configFile = join(work, "atlasnet.toml");
  await writeFile(configFile, CONFIG);
  cluster = new ClusterProcess({ dir: join(work, "cluster"), configFile });
  await cluster.start();
  tabs = await Tabs.launch();
});

after(async () => {
  await tabs?.closeAll();
  await cluster?.stop();
  await rm(work, { recursive: true, force: true });
});

afterEach(() => {
  assert.deepEqual(tabs.complaints.splice(0), []);
});

test("the world moves, then its gameserver is killed: two tabs play on, and neither is told of anything", async () => {
  const ann = await enter(tabs, cluster.pages, "Ann");
  const bob = await enter(tabs, cluster.pages, "Bob");
  const were = await Promise.all([ann, bob].map(self));
  for (const page of [ann, bob]) await page.evaluate(NOTE);
  await playTogether(ann, bob, "before it moves");

  const { owner, mirror } = await cluster.placed("arena", isMirrored);
  // With two gameservers it can only move to the one that mirrors it.
  const to = mirror?.node ?? "";
  assert.notEqual(to, owner?.node);
  await cluster.operate("world", "migrate", "arena", "--to", to, "--wait");
  await playTogether(ann, bob, "where it is now");

  const moved = await cluster.placed("arena", isMirrored);
  assert.equal(moved.owner?.node, to);
  cluster.kill(to);
  await playTogether(ann, bob, "after the kill");
  await cluster.placed("arena", (placement) => placement.owner?.node === owner?.node);

  assert.deepEqual(await Promise.all([ann, bob].map(self)), were);
  for (const page of [ann, bob]) {
    assert.deepEqual(await page.evaluate("noted"), []);
    assert.equal(await page.getAttribute("#status", "data-state"), "connected");
    assert.equal(await page.locator("#log li.news").count(), 0);
  }
});

/** The page notes all that a player would notice, were it told. */
const NOTE = `
  window.noted = [];
  for (const what of ["onDrop", "onResume", "onRollback", "onClose", "onNotice", "onTransfer"])
    atlas.world[what]((value) => noted.push(what + " " + JSON.stringify(value)));
  for (const what of ["onAdd", "onRemove"])
    atlas.world[what](({ fighter }) => fighter && noted.push(what + " " + fighter.name));
`;

function isMirrored({ mirror }: { readonly mirror?: { readonly state: string } }): boolean {
  return mirror?.state === "in-sync";
}

/** Each sees the other one run, and hears it. */
async function playTogether(ann: Page, bob: Page, when: string): Promise<void> {
  await seen(ann, "Bob");
  await seen(bob, "Ann");
  await runsBefore(bob, "Bob", ann);
  await runsBefore(ann, "Ann", bob);
  await say(ann, `hello ${when}`);
  await bob.waitForSelector(`#log li:has-text("Ann hello ${when}")`);
  await say(bob, `there ${when}`);
  await ann.waitForSelector(`#log li:has-text("Bob there ${when}")`);
}
