import assert from "node:assert/strict";
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { noopLogger } from "@atlasnet/core";
import { ArtifactError } from "../artifact-error.ts";
import type { ByteStream } from "../artifact-store.ts";
import { digestOf } from "../digest.ts";
import { bytesOf, pieces } from "../testing/store-acceptance.ts";
import { moduleFiles, rawTarball, tarballOf } from "../testing/tarballs.ts";
import { ModuleCache, type ModuleCacheOptions } from "./module-cache.ts";

/** A store whose answers the test gives out. */
class TestStore {
  readonly tarballs = new Map<string, Uint8Array>();
  readonly asked: string[] = [];
  /** Comes before the last piece of every answer. */
  gate: Promise<void> = Promise.resolve();

  add(tgz: Uint8Array): string {
    const digest = digestOf(tgz);
    this.tarballs.set(digest, tgz);
    return digest;
  }

  async get(digest: string): Promise<ByteStream> {
    this.asked.push(digest);
    const tgz = this.tarballs.get(digest);
    if (tgz === undefined) throw new ArtifactError("artifact-not-found", `no ${digest}`);
    const { gate } = this;
    return (async function* () {
      yield tgz.subarray(0, 20);
      await gate;
      yield* pieces(tgz.subarray(20), 5000);
    })();
  }
}

interface Scene {
  readonly dir: string;
  readonly store: TestStore;
  /** A cache over the same folder, as after a start of the process. */
  start(options?: Partial<ModuleCacheOptions>): Promise<ModuleCache>;
}

function scene(what: string, run: (scene: Scene) => Promise<void>): void {
  it(what, async () => {
    const base = await mkdtemp(join(tmpdir(), "atlasnet-cache-"));
    const dir = join(base, "modules");
    const store = new TestStore();
    let now = 1_700_000_000_000;
    const clock = { wallTime: () => (now += 1000) };
    const caches: ModuleCache[] = [];
    const start = async (options: Partial<ModuleCacheOptions> = {}) => {
      const cache = new ModuleCache({ dir, ...options }, { store, clock, logger: noopLogger });
      caches.push(cache);
      await cache.start();
      return cache;
    };
    try {
      await run({ dir, store, start });
    } finally {
      for (const cache of caches) await cache.stop();
      await rm(base, { recursive: true });
    }
  });
}

function gateOf() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** A module whose world says its version, with `bytes` of ballast. */
function moduleOf(version: string, bytes = 0): Promise<Uint8Array> {
  const source = `export const world = "${version}";\n`;
  return tarballOf({ ...moduleFiles("arena", version, source), "data.bin": bytesOf(bytes, 1) });
}

const names = async (dir: string) => (await readdir(dir)).sort();

describe("module cache", () => {
  scene("fetches once, then serves from the disk, across restarts", async ({ store, start }) => {
    const digest = store.add(await moduleOf("1.0.0"));
    const cache = await start();
    assert.deepEqual(cache.digests(), []);
    const url = await cache.resolve(digest);
    assert.equal((await import(url.href)).world, "1.0.0");
    assert.deepEqual(await cache.resolve(digest), url);
    assert.deepEqual(cache.digests(), [digest]);
    await cache.stop();
    const again = await start();
    assert.deepEqual(again.digests(), [digest]);
    assert.deepEqual(await again.resolve(digest), url);
    assert.deepEqual(store.asked, [digest]);
    assert.deepEqual([cache.stats.fetches, cache.stats.hits, again.stats.hits], [1, 1, 1]);
  });

  scene("whoever asks at the same time shares one fetch", async ({ store, start }) => {
    const digest = store.add(await moduleOf("1.0.0"));
    const other = store.add(await moduleOf("2.0.0"));
    const gate = gateOf();
    store.gate = gate.opened;
    const cache = await start();
    const asking = [digest, other, digest, digest, other].map((one) => cache.resolve(one));
    gate.open();
    const urls = await Promise.all(asking);
    assert.equal(new Set(urls.map(String)).size, 2);
    assert.deepEqual(store.asked.toSorted(), [digest, other].toSorted());
  });

  scene(
    "a failed fetch fails all who share it, leaves nothing, and is tried again",
    async (scene) => {
      const { dir, store, start } = scene;
      const tgz = await moduleOf("1.0.0");
      const digest = digestOf(tgz);
      const cache = await start();
      const both = await Promise.allSettled([cache.resolve(digest), cache.resolve(digest)]);
      assert.deepEqual(
        both.map(({ status }) => status),
        ["rejected", "rejected"],
      );
      assert.equal(store.asked.length, 1);
      assert.deepEqual(await names(dir), []);
      store.add(tgz);
      await cache.resolve(digest);
    },
  );

  scene("a damaged entry is fetched anew", async ({ dir, store, start }) => {
    const digest = store.add(await moduleOf("1.0.0", 500));
    const cache = await start();
    const url = await cache.resolve(digest);
    const folder = join(dir, digest, "module");
    const damages: (() => Promise<unknown>)[] = [
      () => writeFile(fileURLToPath(url), "export const world = 'evil1';\n"),
      () => rm(join(folder, "data.bin")),
      () => writeFile(join(folder, "more.js"), ""),
      () =>
        mkdir(join(folder, "node_modules", "x"), { recursive: true }).then(() =>
          writeFile(join(folder, "node_modules", "x", "index.js"), ""),
        ),
      () => rm(join(dir, digest), { recursive: true }),
      async () => {
        await rm(join(folder, "data.bin"));
        await symlink(join(folder, "package.json"), join(folder, "data.bin"));
      },
    ];
    for (const [count, damage] of damages.entries()) {
      await damage();
      assert.deepEqual(await cache.resolve(digest), url);
      assert.equal(store.asked.length, count + 2);
      assert.equal(await readFile(url, "utf8"), 'export const world = "1.0.0";\n');
      assert.deepEqual(await names(folder), ["data.bin", "dist", "package.json"]);
    }
    assert.equal(cache.stats.damaged, damages.length);
  });

  scene("an index that cannot be read, and drafts of the dead, are removed", async (scene) => {
    const { dir, store, start } = scene;
    const digest = store.add(await moduleOf("1.0.0"));
    const bad = store.add(await moduleOf("2.0.0"));
    const first = await start();
    await first.resolve(digest);
    await first.resolve(bad);
    await first.stop();
    await writeFile(join(dir, bad, "index.json"), "{");
    await mkdir(join(dir, `${digest}.0123.draft`, "module"), { recursive: true });
    const cache = await start();
    assert.deepEqual(cache.digests(), [digest]);
    assert.deepEqual(await names(dir), [digest]);
    await cache.resolve(bad);
  });

  scene("above its bytes, what was not used for longest goes", async ({ store, start }) => {
    const digests = [];
    for (const version of ["1.0.0", "2.0.0", "3.0.0", "4.0.0"])
      digests.push(store.add(await moduleOf(version, 10_000)));
    const [a = "", b = "", c = "", d = ""] = digests;
    const options = { maxBytes: 35_000 };
    const cache = await start(options);
    for (const digest of [a, b, c, a]) await cache.resolve(digest);
    await cache.resolve(d);
    assert.deepEqual(cache.digests(), [a, c, d].toSorted());
    assert.equal(cache.stats.evictions, 1);
    assert.ok(cache.stats.bytes <= 35_000 && cache.stats.bytes > 30_000, `${cache.stats.bytes}`);
    await cache.resolve(a);
    await cache.stop();
    // The order outlives the process.
    const again = await start({ maxBytes: 15_000 });
    assert.deepEqual(again.digests(), [a]);
    assert.equal(again.stats.evictions, 2);
  });

  scene("what is held stays; without room for more the fetch says so", async (scene) => {
    const { dir, store, start } = scene;
    const a = store.add(await moduleOf("1.0.0", 10_000));
    const b = store.add(await moduleOf("2.0.0", 10_000));
    const cache = await start({ maxBytes: 15_000 });
    const release = cache.hold(a);
    await cache.resolve(a);
    await assert.rejects(cache.resolve(b), { code: "module-cache-full", hint: /more room/ });
    assert.deepEqual(await names(dir), [a]);
    release();
    release();
    await cache.resolve(b);
    assert.deepEqual(cache.digests(), [b]);
  });

  scene("a module larger than the cache is refused before it fills the disk", async (scene) => {
    const { dir, store, start } = scene;
    const digest = store.add(await moduleOf("1.0.0", 50_000));
    const cache = await start({ maxBytes: 20_000 });
    await assert.rejects(cache.resolve(digest), { code: "bad-module", message: /20000 bytes/ });
    assert.deepEqual(await names(dir), []);
  });

  scene("hostile tarballs leave nothing, inside or outside", async ({ dir, store, start }) => {
    const cache = await start();
    const [manifest = ""] = Object.values(moduleFiles("arena", "1.0.0"));
    const sound = { path: "package/package.json", content: manifest };
    for (const entry of [
      { path: "package/../../../escaped", content: "x" },
      { path: "package/link", type: "2" },
      { path: "package/package.json/x" },
    ]) {
      const digest = store.add(rawTarball([sound, entry]));
      await assert.rejects(cache.resolve(digest), { code: "bad-module" });
    }
    assert.deepEqual(await names(dir), []);
    assert.deepEqual(await names(join(dir, "..")), ["modules"]);
  });

  scene("install scripts are not run", async ({ dir, store, start }) => {
    const files = moduleFiles("arena", "1.0.0");
    const mark = join(dir, "ran");
    const script = `node -e "fs.writeFileSync(${JSON.stringify(JSON.stringify(mark))}, '')"`;
    const scripts = { preinstall: script, install: script, postinstall: script, prepare: script };
    const manifest = JSON.stringify({ ...JSON.parse(String(files["package.json"])), scripts });
    const digest = store.add(await tarballOf({ ...files, "package.json": manifest }));
    const cache = await start();
    await import((await cache.resolve(digest)).href);
    assert.deepEqual(await names(dir), [digest]);
  });

  scene("modules find the packages that the server provides", async ({ dir, store, start }) => {
    const target = join(dir, "..", "shared");
    await mkdir(target);
    await writeFile(join(target, "package.json"), '{"type":"module","exports":"./index.js"}');
    await writeFile(join(target, "index.js"), "export const shared = {};\n");
    const source = 'export { shared as world } from "@atlasnet/world";\n';
    const digests = [];
    for (const version of ["1.0.0", "2.0.0"])
      digests.push(store.add(await tarballOf(moduleFiles("arena", version, source))));
    const options = { provide: { "@atlasnet/world": target } };
    await start(options);
    const cache = await start(options);
    const worlds = [];
    for (const digest of digests) {
      const { world } = await import((await cache.resolve(digest)).href);
      worlds.push(world);
    }
    assert.ok(worlds[0] === worlds[1] && typeof worlds[0] === "object", "one copy for all");
  });

  scene("stop ends a fetch and leaves no draft", async ({ dir, store, start }) => {
    const digest = store.add(await moduleOf("1.0.0", 50_000));
    const gate = gateOf();
    store.gate = gate.opened;
    const cache = await start();
    const resolving = cache.resolve(digest);
    const ended = assert.rejects(resolving, { code: "artifact-storage", message: /not running/ });
    const stopping = cache.stop();
    gate.open();
    await Promise.all([ended, stopping]);
    await cache.stop();
    assert.deepEqual(await names(dir), []);
    await assert.rejects(cache.resolve(digest), { message: /not running/ });
  });

  scene("a folder that cannot be used is told with its path", async ({ dir, start }) => {
    await writeFile(dir, "a file");
    await assert.rejects(start(), { code: "artifact-storage", message: /modules/ });
  });
});
