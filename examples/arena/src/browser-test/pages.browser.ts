import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { enter, fighter, runsBefore, say, seen, self } from "./players.ts";
import { freePorts, ServerProcess } from "./server-process.ts";
import { Tabs } from "./tabs.ts";

/**
 * The example pages in a real browser, against the built server. What is asked of a page goes by its
 * `window.atlas`, as text: these are other people's eyes, not the page's own code.
 */

const EXAMPLES = fileURLToPath(new URL("../../../", import.meta.url));
/** Nobody shoots but the players, and they are near each other. */
const CONFIG = `
[worlds.arena]
module = ${JSON.stringify(join(EXAMPLES, "arena"))}
config = { bots = 0, spread = 60 }

[worlds.sandbox]
module = ${JSON.stringify(join(EXAMPLES, "sandbox"))}
`;
/** Ticks after which a change is surely in a journal that is synced every 20 ms. */
const DURABLE_TICKS = 40;

let work: string;
let server: ServerProcess;
let tabs: Tabs;

before(async () => {
  work = await mkdtemp(join(tmpdir(), "atlasnet-pages-"));
  const configFile = join(work, "atlasnet.toml");
  await writeFile(configFile, CONFIG);
  server = new ServerProcess({
    configFile,
    dataDir: join(work, "data"),
    ports: await freePorts(),
  });
  await server.start();
  tabs = await Tabs.launch();
});

after(async () => {
  await tabs?.closeAll();
  await server?.stop();
  await rm(work, { recursive: true, force: true });
});

afterEach(() => {
  assert.deepEqual(tabs.complaints.splice(0), []);
});

test("a newcomer goes from the list of worlds into the arena and sees itself", async () => {
  const page = await tabs.open(server.pages);
  await page.click("text=arena");
  await page.fill("#name", "Newcomer");
  await page.keyboard.press("Enter");
  await page.waitForFunction("window.atlas?.world?.own?.fighter.name === 'Newcomer'");
  assert.equal(await page.getAttribute("#status", "data-state"), "connected");
  // The own fighter is a disc of this blue, drawn where the page says.
  await page.waitForFunction(`{
    const at = atlas.toScreen(atlas.world.own.position);
    const scene = document.querySelector("#scene").getContext("2d");
    const [r, g, b] = scene.getImageData(at.x * devicePixelRatio, at.y * devicePixelRatio, 1, 1).data;
    r === 0x4f && g === 0xb3 && b === 0xff;
  }`);
  await leave(page);
});

test("two players see each other run and read each other's chat", async () => {
  const ann = await enter(tabs, server.pages, "Ann");
  const bob = await enter(tabs, server.pages, "Bob");
  await seen(ann, "Bob");
  await seen(bob, "Ann");
  await runsBefore(bob, "Bob", ann);
  await say(ann, "hello Bob <b>");
  await bob.waitForSelector("#log li:has-text('Ann hello Bob <b>')");
  await say(bob, "hello Ann");
  await ann.waitForSelector("#log li:has-text('Bob hello Ann')");
  await leave(ann, bob);
});

test("the server is killed and started again: the tabs come back as the same players", async () => {
  const ann = await enter(tabs, server.pages, "Ann");
  const bob = await enter(tabs, server.pages, "Bob");
  await seen(ann, "Bob");
  await shootUntilScored(ann, "Bob");
  await bob.waitForFunction("atlas.world.own.fighter.health === 100");
  const [annWas, bobWas] = [await self(ann), await self(bob)];
  const place = "({ ...atlas.world.own.position })";
  const bobStood = await bob.evaluate(place);
  assert.equal(annWas.score, 1);
  for (const page of [ann, bob]) await page.evaluate("window.stayed = atlas.world.tick");
  // Where nothing moves no ticks are heard of.
  await ann.keyboard.down("a");
  for (const page of [ann, bob])
    await page.waitForFunction(`atlas.world.tick > stayed + ${DURABLE_TICKS}`);
  await ann.keyboard.up("a");

  await server.kill();
  await ann.waitForFunction("atlas.state === 'reconnecting'");
  assert.match((await ann.textContent("#status")) ?? "", /reconnecting/);
  await server.start();
  for (const page of [ann, bob]) await page.waitForFunction("atlas.state === 'connected'");
  await seen(ann, "Bob");
  await seen(bob, "Ann");
  assert.deepEqual(await self(ann), annWas);
  assert.deepEqual(await self(bob), bobWas);
  assert.deepEqual(await bob.evaluate(place), bobStood);
  assert.ok(await ann.evaluate<boolean>("stayed > 0"), "the page was loaded anew");
  // They do not only look alike: the world goes on for both.
  await say(ann, "still here");
  await bob.waitForSelector("#log li:has-text('Ann still here')");
  // The browser itself writes of every attempt that finds no server.
  const refused = /WebSocket connection to .* failed/;
  tabs.complaints.splice(0, Infinity, ...tabs.complaints.filter((line) => !refused.test(line)));

  const before = await self(ann);
  await ann.reload();
  await ann.waitForFunction("window.atlas?.world?.own !== undefined");
  assert.deepEqual(await self(ann), before);
  assert.equal(await ann.isVisible("#door"), false);
  await leave(ann, bob);
});

test("a player who was sent away hears why and can go in again", async () => {
  const ann = await enter(tabs, server.pages, "Ann");
  await ann.evaluate("atlas.world.leave()");
  await ann.waitForSelector("#door:not([hidden])");
  assert.match((await ann.textContent("#why")) ?? "", /left/);
  await ann.click("#door button");
  await ann.waitForFunction("window.atlas?.world?.own?.fighter.name === 'Ann'");
  await leave(ann);
});

test("the sandbox shows its balls, and as many more as one asks for", async () => {
  const page = await tabs.open(`${server.pages}/sandbox/`);
  const balls = "[...atlas.world.entities.values()].filter((entity) => entity.ball).length";
  await page.waitForFunction(`window.atlas?.world && ${balls} === 200`);
  await page.click("text=+ 100");
  await page.waitForFunction(`${balls} === 300`);
  await page.click("text=− 100");
  await page.waitForFunction(`${balls} === 200`);
  await page.waitForFunction("document.querySelector('#balls').textContent === '200'");
  await page.waitForFunction("parseFloat(document.querySelector('#bytes').textContent) > 0");
  await page.waitForFunction("parseFloat(document.querySelector('#rate').textContent) > 0");
  // Balls are bright, everything else on the canvas is dark.
  const bright = await page.evaluate<number>(`{
    const canvas = document.querySelector("canvas");
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4)
      if (Math.max(data[i], data[i + 1], data[i + 2]) > 190) count += 1;
    count;
  }`);
  assert.ok(bright > 1_000, `${bright} bright pixels`);
  await tabs.close(page);
});

/** Leaves the world, so that later tests do not meet this player, and closes the tab. */
async function leave(...pages: Page[]): Promise<void> {
  for (const page of pages) {
    await page.evaluate("atlas.world.leave()");
    await tabs.close(page);
  }
}

async function shootUntilScored(page: Page, victim: string): Promise<void> {
  const at = await page.evaluate<{ x: number; y: number }>(
    `atlas.toScreen(${fighter(victim)}.position)`,
  );
  await page.mouse.move(at.x, at.y);
  await page.mouse.down();
  await page.waitForFunction("atlas.world.own.fighter.score === 1");
  await page.mouse.up();
}
