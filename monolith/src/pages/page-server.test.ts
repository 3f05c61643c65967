import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { noopLogger } from "@atlasnet/core";
import { type HostedPage, PageServer, type PageServerOptions } from "./page-server.ts";

let work: string;
before(async () => {
  work = await mkdtemp(join(tmpdir(), "atlasnet-page-server-"));
});
after(() => rm(work, { recursive: true, force: true }));

async function files(contents: { [path: string]: string }): Promise<void> {
  for (const [path, text] of Object.entries(contents)) {
    const file = join(work, ...path.split("/"));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}

/** Serves worlds whose modules are files below the work folder, while `body` runs. */
async function serving(
  worlds: { [world: string]: string },
  body: (get: (path: string) => Promise<Response>) => Promise<void>,
  options: Partial<PageServerOptions> = {},
): Promise<void> {
  const server = new PageServer(
    {
      host: "127.0.0.1",
      port: 0,
      playersPort: 2555,
      secure: false,
      worlds: Object.entries(worlds).map(([world, file]) => ({
        world,
        file: join(work, ...file.split("/")),
      })),
      ...options,
    },
    { logger: noopLogger },
  );
  await server.start();
  try {
    const origin = `http://127.0.0.1:${server.address?.port}`;
    await body((path) => fetch(origin + path, { redirect: "manual" }));
  } finally {
    await server.stop();
  }
}

test("a page of HTML in page/ and scripts in dist/page/ is one page; the world's code is not in it", async () => {
  await files({
    "game/package.json": "{}",
    "game/page/index.html": "<p>the game",
    "game/dist/index.js": "secret",
    "game/dist/page/main.js": "play()",
  });
  await serving({ game: "game/dist/index.js" }, async (get) => {
    const page = await get("/game/");
    assert.match(page.headers.get("content-type") ?? "", /^text\/html/);
    assert.equal(await page.text(), "<p>the game");
    const script = await get("/game/main.js");
    assert.match(script.headers.get("content-type") ?? "", /javascript/);
    assert.equal(await script.text(), "play()");
    assert.equal((await get("/game")).headers.get("location"), "/game/");
    for (const path of ["/game/index.js", "/game/dist/index.js", "/game/..%2fdist%2findex.js"])
      assert.ok((await get(path)).status >= 400, path);
    assert.match(await (await get("/")).text(), /href="\/game\/"/);
  });
});

test("a page that was built beside its world is found", async () => {
  await files({
    "made/package.json": "{}",
    "made/build/game.mjs": "secret",
    "made/build/page/index.html": "<p>made",
  });
  await serving({ game: "made/build/game.mjs" }, async (get) => {
    assert.equal(await (await get("/game/")).text(), "<p>made");
    assert.equal((await get("/game/game.mjs")).status, 404);
  });
});

test("a world without a page is listed; pages learn where players connect", async () => {
  await files({ "bare/package.json": "{}", "bare/index.js": "" });
  await serving(
    { bare: "bare/index.js" },
    async (get) => {
      const index = await (await get("/")).text();
      assert.match(index, /bare/);
      assert.doesNotMatch(index, /href="\/bare/);
      assert.equal((await get("/bare/")).status, 404);
      const told: unknown = await (await get("/atlasnet.json")).json();
      assert.deepEqual(told, { port: 4711, secure: true, worlds: ["bare"] });
    },
    { playersPort: 4711, secure: true },
  );
});

test("the operator's own folder takes the place of the list", async () => {
  await files({ "site/index.html": "<p>mine", "bare/package.json": "{}", "bare/index.js": "" });
  const staticDir = join(work, "site");
  await serving(
    { bare: "bare/index.js" },
    async (get) => assert.equal(await (await get("/")).text(), "<p>mine"),
    { staticDir },
  );
});

test("what is wrong with the settings is said by their names", async () => {
  const nothing = async () => {};
  await assert.rejects(
    serving({}, nothing, { staticDir: join(work, "nowhere") }),
    /http\.staticDir: no folder .*nowhere/,
  );
  await serving({}, async (get) => {
    const port = Number(new URL((await get("/")).url).port);
    await assert.rejects(
      serving({}, nothing, { port }),
      /http\.port: cannot listen on 127\.0\.0\.1/,
    );
  });
});

test("the page of a world that came later is served, and nothing beside it", async () => {
  await files({
    "late/package.json": "{}",
    "late/page/index.html": "<p>late",
    "late/page/main.js": "play()",
    "late/page/.secret": "hidden",
    "late/dist/index.js": "secret",
  });
  const hosted: HostedPage[] = [];
  const body = async (get: (path: string) => Promise<Response>) => {
    assert.equal((await get("/late/")).status, 404);
    hosted.push({ world: "late", file: join(work, "late", "dist", "index.js") });
    assert.match(await (await get("/late/")).text(), /late/);
    assert.equal(await (await get("/late/main.js?v=1")).text(), "play()");
    assert.equal((await get("/late")).headers.get("location"), "/late/");
    for (const path of ["/late/.secret", "/late/..%2fdist/index.js", "/late/none.js", "/other/"])
      assert.equal((await get(path)).status, 404, path);
    assert.deepEqual(Object(await (await get("/atlasnet.json")).json()).worlds, ["late"]);
    assert.match(await (await get("/")).text(), /href="\/late\/"/);
  };
  await serving({}, body, { worlds: () => hosted });
});
