import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { gunzipSync, gzipSync } from "node:zlib";
import fc from "fast-check";
import { bytesOf, pieces, readAll } from "../testing/store-acceptance.ts";
import {
  moduleFiles,
  type RawEntry,
  rawTar,
  rawTarball,
  tarballOf,
  WORLD_SOURCE,
} from "../testing/tarballs.ts";
import { inspectModule } from "./inspect-module.ts";
import type { ModuleLimits } from "./module-limits.ts";

const FILES = moduleFiles("arena", "1.2.3");
const manifestOf = (change: object) =>
  tarballOf({
    ...FILES,
    "package.json": JSON.stringify({ ...JSON.parse(String(FILES["package.json"])), ...change }),
  });
const inspect = (tgz: Uint8Array, limits?: ModuleLimits) =>
  inspectModule(pieces(tgz, 999), async () => undefined, limits);
const refused = (tgz: Uint8Array, message: RegExp, limits?: ModuleLimits) =>
  assert.rejects(inspect(tgz, limits), { code: "bad-module", message });

/** A sound module with another entry in it. */
const withEntry = (...entries: RawEntry[]) =>
  rawTarball([
    ...Object.entries(FILES).map(([path, content]) => ({ path: `package/${path}`, content })),
    ...entries,
  ]);

describe("inspectModule", () => {
  it("tells name, version, entry and sizes, and hands out every file", async () => {
    const got: { [path: string]: string } = {};
    const tgz = await tarballOf({ ...FILES, "dist/data.bin": bytesOf(70_000, 1) });
    const found = await inspectModule(pieces(tgz), async ({ path, content }) => {
      got[path] = Buffer.from(await readAll(content)).toString("latin1");
    });
    assert.deepEqual(found, {
      name: "arena",
      version: "1.2.3",
      entry: "dist/world.js",
      dependencies: [],
      scripts: [],
      files: 3,
      unpackedBytes: 70_000 + WORLD_SOURCE.length + String(FILES["package.json"]).length,
    });
    assert.deepEqual(Object.keys(got).sort(), ["dist/data.bin", "dist/world.js", "package.json"]);
    assert.equal(got["dist/world.js"], WORLD_SOURCE);
  });

  it("finds the entry as import does", async () => {
    const entries: [object, string][] = [
      [{ exports: "./dist/world.js" }, "dist/world.js"],
      [{ exports: { ".": { types: "./x.d.ts", import: "./dist/world.js" } } }, "dist/world.js"],
      [{ exports: { import: { default: "./package.js" } }, main: "dist/world.js" }, ""],
      [{ exports: undefined, main: "dist/world.js" }, "dist/world.js"],
      [{ exports: undefined, main: "./dist/world.js" }, "dist/world.js"],
    ];
    for (const [change, entry] of entries) {
      const tgz = await manifestOf(change);
      if (entry === "") await refused(tgz, /package\.js\\?" is not in the tarball/);
      else assert.equal((await inspect(tgz)).entry, entry);
    }
  });

  it("refuses manifests that no module has, and says what is wrong", async () => {
    const wrong: [object, RegExp][] = [
      [{ name: "Arena" }, /name: "Arena"/],
      [{ name: "../up" }, /name/],
      [{ name: undefined }, /name/],
      [{ version: "latest" }, /version: "latest"/],
      [{ version: 3 }, /version/],
      [{ exports: undefined }, /neither exports nor main/],
      [{ exports: "./src/world.ts" }, /not JavaScript/],
      [{ exports: "../other.js" }, /leads out/],
      [{ exports: "/etc/world.js" }, /absolute/],
      [{ exports: "./dist/other.js" }, /not in the tarball/],
      [{ exports: { ".": null } }, /neither/],
      [{ dependencies: "x" }, /dependencies/],
    ];
    for (const [change, message] of wrong) await refused(await manifestOf(change), message);
    await refused(await tarballOf({ "dist/world.js": "" }), /no package\.json/);
    await refused(await tarballOf({ ...FILES, "package.json": "{" }), /not JSON/);
    await refused(await tarballOf({ ...FILES, "package.json": "[]" }), /package\.json/);
    await refused(
      await tarballOf({ ...FILES, "package.json": `"${"x".repeat(1024 * 1024)}"` }),
      /at most 1048576/,
    );
  });

  it("names install scripts and packages that are missing", async () => {
    const tgz = await manifestOf({
      scripts: { postinstall: "node steal.js", test: "x" },
      dependencies: { "@atlasnet/world": "1", "left-pad": "1", bundled: "1" },
    });
    const found = await inspect(tgz);
    assert.deepEqual(found.scripts, ["postinstall"]);
    assert.deepEqual(found.dependencies, ["left-pad", "bundled"]);
    const bundled = await tarballOf({
      ...FILES,
      "package.json": String(FILES["package.json"]).replace(/}$/, ',"dependencies":{"b":"1"}}'),
      "node_modules/b/package.json": "{}",
    });
    assert.deepEqual((await inspect(bundled)).dependencies, []);
  });
});

describe("hostile tarballs", () => {
  it("cannot name a file outside of the module, or one that some system sees elsewhere", async () => {
    const paths: [string, RegExp][] = [
      ["package/../../etc/passwd", /leads out/],
      ["package/..", /leads out/],
      ["../package/x", /leads out/],
      ["/etc/passwd", /absolute/],
      ["C:/windows/x", /letter/],
      ["package/C:/x", /letter/],
      ["package\\..\\x", /letter/],
      ["package/a\u0001b", /letter/],
      ["package/file.txt:stream", /letter/],
      ["package/a\u202ejs", /letter/],
      ["package//x", /empty part/],
      ["package/./x", /empty part/],
      ["./package/x", /empty part/],
      ["package/x/", /empty part/],
      ["package/NUL.js", /device/],
      ["package/com1", /device/],
      ["package/x.", /dot or a blank/],
      ["package/x ", /dot or a blank/],
      ["other/x", /one folder/],
      ["package", /outside of the package/],
      ["x", /one folder/],
    ];
    for (const [path, message] of paths) await refused(withEntry({ path }), message);
    const long = `package/${"x".repeat(500)}`;
    const header = { path: "@", type: "L", content: `${long}\0` };
    await refused(withEntry(header, { path: "x" }), /at most 400/);
    const deep = { path: "@", type: "L", content: `package/${"a/".repeat(40)}x` };
    await refused(withEntry(deep, { path: "x" }), /deep/);
  });

  it("cannot write one place twice, by case, accents or a file as a folder", async () => {
    const path = "package/dist/world.js";
    await refused(withEntry({ path }), /twice/);
    await refused(withEntry({ path: "package/dist/World.JS" }), /twice/);
    await refused(withEntry({ path: "package/Dist/x.js" }), /spelt dist/);
    await refused(withEntry({ path: `${path}/x` }), /below a file/);
    await refused(withEntry({ path: "package/dist" }), /twice/);
    await refused(withEntry({ path, type: "5" }), /below a file/);
    await refused(withEntry({ path: "package/\u00e9" }, { path: "package/e\u0301" }), /twice/);
  });

  it("are stopped at the number of files and bytes, however well they are compressed", async () => {
    const limits: ModuleLimits = { maxFiles: 10, maxBytes: 100_000 };
    const many = Array.from({ length: 9 }, (_, i) => ({ path: `package/f${i}` }));
    await refused(withEntry(...many), /more than 10/, limits);
    const folders = Array.from({ length: 9 }, (_, i) => ({ path: `package/f${i}`, type: "5" }));
    await refused(withEntry(...folders), /more than 10/, limits);
    const bomb = withEntry({ path: "package/zeros", content: new Uint8Array(5_000_000) });
    assert.ok(bomb.length < 10_000, "it is a bomb");
    await refused(bomb, /more than 100000 bytes/, limits);
    // Zeros behind the end mark unpack as well.
    const tail = gzipSync(Buffer.concat([gunzipSync(withEntry()), new Uint8Array(5_000_000)]));
    await refused(tail, /more than 140960 bytes/, limits);
    // A header that announces what never comes.
    await refused(withEntry({ path: "package/x", size: 8 ** 10 }), /more than 100000/, limits);
  });

  it("are refused when the gzip is damaged, cut off, missing, or has something behind it", async () => {
    const tgz = withEntry();
    await refused(tgz.subarray(0, tgz.length - 9), /gzip/);
    await refused(rawTar([{ path: "package/x" }]), /gzip/);
    await refused(gzipSync(tgz), /bad-module|cut off|checksum/);
    await refused(new Uint8Array(), /cut off|gzip/);
    const bent = Uint8Array.from(tgz);
    bent[bent.length - 6] = (bent[bent.length - 6] ?? 0) ^ 255;
    await refused(bent, /gzip/);
    await assert.rejects(inspect(Buffer.concat([tgz, Buffer.from("more")])), {
      code: "bad-module",
    });
  });

  it("an error of the source comes through as it is", async () => {
    const broken = new Error("the network is gone");
    const tgz = withEntry();
    const source = async function* () {
      yield tgz.subarray(0, 50);
      throw broken;
    };
    await assert.rejects(inspectModule(source()), (error) => error === broken);
  });

  it("an error of who keeps the files comes through as it is", async () => {
    const full = new Error("the disk is full");
    const tgz = withEntry();
    await assert.rejects(
      inspectModule(pieces(tgz), async () => {
        throw full;
      }),
      (error) => error === full,
    );
  });

  it("any bytes at all are read or refused as a bad module", async () => {
    const sound = withEntry({ path: "package/x", content: "x" });
    const tar = gunzipSync(sound);
    const change = fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { maxLength: 8 });
    const tarball = fc.oneof(
      fc.uint8Array({ maxLength: 2000 }),
      fc.uint8Array({ maxLength: 3000 }).map((bytes) => gzipSync(bytes)),
      change.map((changes) => {
        const bytes = Buffer.from(tar);
        for (const [at, value] of changes) bytes[at] = value;
        return gzipSync(bytes);
      }),
      fc.nat(sound.length).map((length) => sound.subarray(0, length)),
    );
    await fc.assert(
      fc.asyncProperty(tarball, async (bytes) => {
        await inspect(bytes).catch((error: Error & { code?: string }) =>
          assert.equal(error.code, "bad-module", error.stack),
        );
      }),
      { numRuns: 300 },
    );
  });

  it("paths of any kind stay below the module or are refused", async () => {
    const part = fc.oneof(
      fc.constantFrom("..", ".", "", "a", "con", "C:", "\\", "package", "...", " "),
      fc.string({ maxLength: 6, unit: "grapheme" }),
    );
    const path = fc.array(part, { minLength: 1, maxLength: 5 }).map((parts) => parts.join("/"));
    await fc.assert(
      fc.asyncProperty(path, async (given) => {
        fc.pre(given !== "" && !given.includes("\0") && Buffer.byteLength(given) < 90);
        const seen: string[] = [];
        await inspectModule(pieces(withEntry({ path: `package/${given}` })), async (file) => {
          seen.push(file.path);
        }).catch((error: Error & { code?: string }) =>
          assert.equal(error.code, "bad-module", error.stack),
        );
        for (const path of seen) {
          assert.doesNotMatch(path, /^\/|\\|:/);
          assert.ok(!path.split("/").some((name) => name === ".." || name === "." || name === ""));
        }
      }),
      { numRuns: 200 },
    );
  });
});
