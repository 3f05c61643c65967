import type { Page } from "playwright-core";
import { ARENA } from "../definition.ts";
import type { Tabs } from "./tabs.ts";

const MIDDLE = ARENA / 2;
/** Farther than anybody is moved by what was on its way. */
const STRIDE = 20;

/**
 * What players do and see in the arena's page. What is asked of a page goes by its `window.atlas`, as text: these are
 * other people's eyes, not the page's own code.
 */

/** A player in the arena, by the shortest way. */
export async function enter(tabs: Tabs, pages: string, name: string): Promise<Page> {
  const page = await tabs.open(`${pages}/arena/?name=${name}`);
  await page.waitForFunction("window.atlas?.world?.own?.fighter !== undefined");
  return page;
}

/** The fighter of that name, as an expression for a page. */
export function fighter(name: string): string {
  return `[...atlas.world.entities.values()].find((e) => e.fighter?.name === ${JSON.stringify(name)})`;
}

export async function seen(page: Page, name: string): Promise<void> {
  await page.waitForFunction(`${fighter(name)}?.position !== undefined`);
}

export async function self(
  page: Page,
): Promise<{ session: number; account: string; entity: number; score: number }> {
  return await page.evaluate(`({
    session: atlas.world.session,
    account: atlas.world.account,
    entity: atlas.world.own.id,
    ...atlas.world.own.fighter,
  })`);
}

export async function say(page: Page, text: string): Promise<void> {
  await page.keyboard.press("Enter");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

/** One runs, the other one's page shows it. It runs towards the middle: a wall would stop it. */
export async function runsBefore(runner: Page, name: string, watcher: Page): Promise<void> {
  const x = `${fighter(name)}.position.x`;
  const before = await watcher.evaluate<number>(x);
  const toTheRight = before < MIDDLE;
  const key = toTheRight ? "d" : "a";
  await runner.keyboard.down(key);
  await watcher.waitForFunction(
    toTheRight ? `${x} > ${before} + ${STRIDE}` : `${x} < ${before} - ${STRIDE}`,
  );
  await runner.keyboard.up(key);
}
