import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after } from "node:test";
import { moduleFiles } from "@atlasnet/artifacts/testing";
import { type ClientWorld, connect } from "@atlasnet/client";
import { type DefinitionData, defineWorld, text, uint } from "@atlasnet/world";
import { until } from "../testing/until.ts";
import { operate } from "./operator.ts";
import { chaos, type Scene } from "./scene.ts";

const store = mkdtempSync(join(tmpdir(), "atlasnet-modules-"));
after(() => rmSync(store, { recursive: true, force: true }));

const whole = uint(2 ** 32 - 1);
const spec = {
  name: "tally",
  tickRate: 20,
  serverMessages: { count: { n: whole, by: text(20) } },
} as const;
const definition = defineWorld({ ...spec, components: { tally: { n: whole } } });
const changed = defineWorld({ ...spec, version: 2, components: { tally: { n: text(20) } } });

/** Counts ticks in an entity, and says who counts; `write` makes of a number what the entity holds. */
const module = (by: string, data: DefinitionData, write = "n", more = "") => `
  export const world = { definition: { data: ${JSON.stringify(data)} }, behaviour: {
    create(ctx) { ctx.spawn({ tally: { n: 0 } }); },
    tick(ctx) {
      for (const { tally } of ctx.query()) {
        const n = Number(tally.n) + 1;
        tally.n = ${write};
        ctx.broadcast("count", { n, by: "${by}" });
      }
    },
    ${more}
  } };`;
const MODULES = {
  "1.0.0": module("one", definition.data),
  "2.0.0": module("two", definition.data),
  "2.1.0": module("none", definition.data, "nothing()"),
  "3.0.0": module(
    "three",
    changed.data,
    "String(n)",
    "upgrade({ components }) { return { tally: { n: String(components.tally.n) } }; },",
  ),
};

chaos(
  "a world comes to new versions of its module while players are in it; one that cannot go on with it changes nothing",
  {
    ...{ proxies: 1, gameservers: 2, apiservers: 1, worlds: [] },
    settings: { "artifacts.store": store },
  },
  async (scene) => {
    const { cluster } = scene;
    const run = async (...args: string[]) => {
      const end = await operate(cluster, ...args);
      assert.equal(end.code, 0, end.talk);
      return end;
    };
    for (const [version, code] of Object.entries(MODULES)) {
      const folder = join(cluster.dir, version);
      for (const [path, content] of Object.entries(moduleFiles("tally", version, code))) {
        await mkdir(dirname(join(folder, path)), { recursive: true });
        await writeFile(join(folder, path), content);
      }
      await run("module", "push", folder);
    }
    await run("world", "create", "tower", "--module", "tally@1.0.0");
    const first = await cluster.owned("tower");
    const typed = await listen(scene, "ws", true);
    const named = await listen(scene, "tcp", false);
    await until("it counts", () => [typed, named].every(({ heard }) => heard.length > 5));

    const upgrade = (version: string) => ["world", "upgrade", "tower", "--module", version];
    const to = async (version: string) => {
      const { talk } = await run(...upgrade(`tally@${version}`), "--wait");
      assert.match(talk, /tower moved from gs-\d to gs-\d .* stood still for \d+ ms/);
      const { out } = await run("world", "ls");
      assert.match(out, new RegExp(`tower +owned +gs-\\d .* tally@${version}\n`));
    };
    await to("2.0.0");
    await until("both hear the second", () =>
      [typed, named].every(({ heard }) => heard.at(-1)?.by === "two"),
    );
    const second = await cluster.owned("tower", (node) => node !== first.node);

    const failed = await operate(cluster, ...upgrade("tally@2.1.0"), "--wait");
    assert.equal(failed.code, 1, failed.talk);
    assert.match(
      failed.talk,
      new RegExp(`did not move from ${second.node} to .*: .*nothing is not defined`),
    );
    await run("node", "cordon", first.node);
    const nowhere = await operate(cluster, ...upgrade("tally@3.0.0"));
    assert.equal(nowhere.code, 3, nowhere.talk);
    assert.match(nowhere.talk, /is cordoned.*world update tower --module/s);
    await run("node", "uncordon", first.node);

    await to("3.0.0");
    await until("who was built with the definition of before is told", () => typed.ended !== "");
    assert.equal(typed.ended, "schema-mismatch");
    await until("who was not goes on", () => named.heard.at(-1)?.by === "three");
    for (const { heard } of [typed, named])
      for (const [at, { n }] of heard.entries()) assert.equal(n, (heard[0]?.n ?? 0) + at);
    assert.deepEqual([named.ended, named.drops, typed.drops], ["", 0, 0]);
  },
);

interface Listener {
  readonly heard: { readonly n: number; readonly by: string }[];
  drops: number;
  /** Why it was closed; empty: it was not. */
  ended: string;
}

/** Comes in with the definition that it was built with, or by the world's name alone. */
async function listen(scene: Scene, scheme: string, isTyped: boolean): Promise<Listener> {
  const client = connect({ url: scene.cluster.url(scheme, scene.node("proxy-1")) });
  scene.whenOver(() => client.close());
  const listener: Listener = { heard: [], drops: 0, ended: "" };
  const say = (n: unknown, by: unknown) =>
    void listener.heard.push({ n: Number(n), by: String(by) });
  const follow = (world: Pick<ClientWorld, "onDrop" | "onClose">) => {
    world.onDrop(() => {
      listener.drops += 1;
    });
    world.onClose(({ code }) => {
      listener.ended = code;
    });
  };
  if (isTyped) {
    const world = await client.join(definition, { world: "tower" });
    world.onMessage("count", ({ n, by }) => say(n, by));
    follow(world);
  } else {
    const world = await client.join({ world: "tower" });
    world.onMessage("count", (count) => say(count["n"], count["by"]));
    follow(world);
  }
  return listener;
}
