import assert from "node:assert/strict";
import { join } from "node:path";
import { describe, it } from "node:test";
import { encodeRecord, type ModuleSource, moduleKey, worldKey } from "@atlasnet/core";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { TinyStore, worldRecord } from "@atlasnet/core/testing";
import { digestBytes, digestOf } from "../digest.ts";
import { DirectoryStore } from "../store/directory-store.ts";
import { pieces } from "../testing/store-acceptance.ts";
import { moduleFiles, rawTarball, tarballOf } from "../testing/tarballs.ts";
import { tinyControl } from "../testing/tiny-control.ts";
import { StoreLibrary } from "./module-library.ts";

function scene() {
  const random = new SeededRandom(1);
  const artifacts = new DirectoryStore(
    { dir: join("artifacts") },
    { disk: new SimDisk({}, { random }).process(), clock: new SimClock(), random },
  );
  const tiny = new TinyStore();
  const control = tinyControl(tiny);
  return { artifacts, tiny, control, library: new StoreLibrary({ artifacts, control }) };
}

const sourceOf = (tgz: Uint8Array) => ({
  digest: digestOf(tgz),
  bytes: tgz.length,
  open: () => pieces(tgz, 300),
});
const arena = async (version: string, text = "export const world = 1;") =>
  sourceOf(await tarballOf(moduleFiles("arena", version, text)));

function putWorld(tiny: TinyStore, name: string, module: ModuleSource): void {
  const value = encodeRecord("world", worldRecord({ module, graceSeconds: 0 }));
  tiny.txn({ compare: [], then: [{ type: "put", key: worldKey(name), value }] });
}

describe("the library of modules", () => {
  it("keeps what is pushed: the tarball and its record", async () => {
    const { library, artifacts, tiny } = scene();
    const source = await arena("1.0.0");
    const stored = {
      name: "arena",
      version: "1.0.0",
      digest: source.digest,
      entry: "dist/world.js",
      bytes: source.bytes,
    };
    assert.deepEqual(await library.push(source), { ...stored, added: true, scripts: [] });
    assert.deepEqual(await library.list(), [stored]);
    assert.deepEqual(await artifacts.list(), [source.digest]);
    assert.deepEqual(tiny.seen("module", moduleKey("arena", "1.0.0")).record, {
      digest: digestBytes(source.digest),
      entry: "dist/world.js",
      bytes: source.bytes,
    });
  });

  it("the same again is content, changes nothing, and mends a store that lost it", async () => {
    const { library, artifacts, tiny } = scene();
    const source = await arena("1.0.0");
    await library.push(source);
    const { revision } = tiny;
    await artifacts.remove(source.digest);
    assert.equal((await library.push(source)).added, false);
    assert.equal(tiny.revision, revision);
    assert.ok(await artifacts.has(source.digest));
  });

  it("a name and version with another content is refused, and nothing is stored", async () => {
    const { library, artifacts } = scene();
    const source = await arena("1.0.0");
    await library.push(source);
    const other = await arena("1.0.0", "export const world = 2;");
    await assert.rejects(library.push(other), {
      code: "module-exists",
      message: new RegExp(`arena 1.0.0 .*${source.digest}.*${other.digest}`),
      hint: /Raise the version/,
    });
    assert.deepEqual(await artifacts.list(), [source.digest]);
  });

  it("of two that push different contents at once, one wins and the other is told", async () => {
    const { library, control, artifacts } = scene();
    const slow = new StoreLibrary({ artifacts, control: { ...control } });
    const pushes = await Promise.allSettled([
      library.push(await arena("1.0.0")),
      slow.push(await arena("1.0.0", "export const world = 2;")),
    ]);
    assert.deepEqual(pushes.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    const [module] = await library.list();
    assert.deepEqual(await artifacts.list(), [module?.digest]);
  });

  it("bad modules and such with missing packages store nothing", async () => {
    const { library, artifacts, tiny } = scene();
    const files = moduleFiles("arena", "1.0.0");
    const needs = String(files["package.json"]).replace(/}$/, ',"dependencies":{"left-pad":"1"}}');
    for (const [tgz, message] of [
      [rawTarball([{ path: "package/../x" }]), /leads out/],
      [await tarballOf({ ...files, "package.json": needs }), /left-pad/],
    ] as const)
      await assert.rejects(library.push(sourceOf(tgz)), { code: "bad-module", message });
    assert.deepEqual(await artifacts.list(), []);
    assert.equal(tiny.revision, 0);
  });

  it("a source that is not what it says is refused by the store", async () => {
    const { library, tiny } = scene();
    const source = await arena("1.0.0");
    const wrong = { ...source, digest: digestOf(new Uint8Array([1])) };
    await assert.rejects(library.push(wrong), { code: "artifact-mismatch" });
    assert.equal(tiny.revision, 0);
  });

  it("lists by name, then by version as numbers", async () => {
    const { library } = scene();
    for (const [name, version] of [
      ["zoo", "1.0.0"],
      ["arena", "1.10.0"],
      ["arena", "1.9.0"],
      ["arena", "1.10.0-beta"],
      ["@a/b", "0.1.0"],
    ] as const)
      await library.push(sourceOf(await tarballOf(moduleFiles(name, version))));
    assert.deepEqual(
      (await library.list()).map(({ name, version }) => `${name} ${version}`),
      ["@a/b 0.1.0", "arena 1.9.0", "arena 1.10.0-beta", "arena 1.10.0", "zoo 1.0.0"],
    );
  });

  it("removes the record and the tarball, and says what is not there", async () => {
    const { library, artifacts } = scene();
    const source = await arena("1.0.0");
    await library.push(source);
    assert.equal((await library.remove("arena", "1.0.0")).digest, source.digest);
    assert.deepEqual(await library.list(), []);
    assert.deepEqual(await artifacts.list(), []);
    for (const version of ["1.0.0", "../x", "2.0.0"])
      await assert.rejects(library.remove("arena", version), { code: "module-not-found" });
  });

  it("does not remove what a world runs", async () => {
    const { library, tiny, artifacts } = scene();
    const source = await arena("1.0.0");
    await library.push(source);
    const digest = digestBytes(source.digest);
    putWorld(tiny, "north", { source: "store", name: "arena", version: "1.0.0", digest });
    putWorld(tiny, "south", { source: "node", path: "arena" });
    await assert.rejects(library.remove("arena", "1.0.0"), {
      code: "module-in-use",
      message: /used by north$/,
    });
    assert.ok(await artifacts.has(source.digest));
  });

  it("a module that a world began to name while it was removed comes back", async () => {
    const { artifacts, tiny, control } = scene();
    const source = await arena("1.0.0");
    const { digest } = source;
    const module = { source: "store", name: "arena", version: "1.0.0" } as const;
    const library = new StoreLibrary({
      artifacts,
      control: {
        range: control.range,
        txn: (request) => {
          // Right before the record goes, after the worlds were looked at.
          if (request.then.some(({ type }) => type === "delete"))
            putWorld(tiny, "game", { ...module, digest: digestBytes(digest) });
          return control.txn(request);
        },
      },
    });
    await library.push(source);
    await assert.rejects(library.remove("arena", "1.0.0"), { code: "module-in-use" });
    assert.deepEqual(
      (await library.list()).map((stored) => stored.digest),
      [digest],
    );
    assert.equal(await artifacts.has(digest), true);
  });

  it("a tarball that another version has too stays", async () => {
    const { library, tiny, artifacts, control } = scene();
    const source = await arena("1.0.0");
    await library.push(source);
    // Two names for one tarball come from renamed records only; the store must not mind.
    const value = tiny.get(moduleKey("arena", "1.0.0"))?.value ?? new Uint8Array();
    const put = { type: "put", key: moduleKey("arena", "1.0.1"), value } as const;
    await control.txn({ compare: [], then: [put] });
    await library.remove("arena", "1.0.0");
    assert.deepEqual(await artifacts.list(), [source.digest]);
  });
});
