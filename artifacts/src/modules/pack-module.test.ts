import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, it } from "node:test";
import { digestOf } from "../digest.ts";
import { bytesOf, pieces, readAll } from "../testing/store-acceptance.ts";
import { moduleFiles } from "../testing/tarballs.ts";
import { inspectModule } from "./inspect-module.ts";
import { packModule } from "./pack-module.ts";
import { spoolTarball, tarballFile } from "./tarball-source.ts";

function inFolder(what: string, run: (dir: string) => Promise<void>): void {
  it(what, async () => {
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-pack-test-"));
    try {
      await run(dir);
    } finally {
      await rm(dir, { recursive: true });
    }
  });
}

async function write(dir: string, files: { readonly [path: string]: string | Uint8Array }) {
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
  }
}

/** The paths that a folder's tarball holds. */
async function packed(dir: string): Promise<string[]> {
  const tarball = await packModule(dir);
  try {
    const paths: string[] = [];
    await inspectModule(tarball.open(), async ({ path }) => void paths.push(path));
    return paths;
  } finally {
    await tarball.remove();
  }
}

const manifest = (change: object) =>
  JSON.stringify({
    ...JSON.parse(String(moduleFiles("arena", "1.0.0")["package.json"])),
    ...change,
  });

describe("packModule", () => {
  inFolder("packs a folder; the same files make the same digest", async (dir) => {
    const long = `data/${"x".repeat(120)}.bin`;
    const files = { ...moduleFiles("arena", "1.0.0"), [long]: bytesOf(200_000, 1) };
    await write(join(dir, "a"), files);
    await write(join(dir, "b"), Object.fromEntries(Object.entries(files).reverse()));
    const [a, b] = [await packModule(join(dir, "a")), await packModule(join(dir, "b"))];
    try {
      assert.equal(a.digest, b.digest);
      const bytes = await readAll(a.open());
      assert.deepEqual([digestOf(bytes), bytes.length], [a.digest, a.bytes]);
      const found = await inspectModule(a.open());
      assert.deepEqual([found.name, found.version, found.files], ["arena", "1.0.0", 3]);
    } finally {
      await a.remove();
      await b.remove();
    }
    await a.remove();
    await assert.rejects(readAll(a.open()), { code: "artifact-storage" });
  });

  inFolder("leaves out what tools and secrets leave behind, and links", async (dir) => {
    await write(dir, {
      ...moduleFiles("arena", "1.0.0"),
      ".env": "SECRET=1",
      ".git/config": "x",
      "node_modules/dep/index.js": "x",
      "dist/tsconfig.tsbuildinfo": "x",
      "arena-0.9.0.tgz": "x",
      "src/world.ts": "x",
    });
    await symlink(join(dir, ".env"), join(dir, "public.txt"));
    assert.deepEqual(await packed(dir), ["dist/world.js", "package.json", "src/world.ts"]);
  });

  inFolder("takes what `files` names, and always the manifest and the licence", async (dir) => {
    await write(dir, {
      ...moduleFiles("arena", "1.0.0"),
      "package.json": manifest({
        files: ["dist", "!dist/**/*.test.js", "/data/*.json", "one.txt"],
      }),
      "dist/world.test.js": "x",
      "dist/deep/x.test.js": "x",
      "dist/deep/x.js": "x",
      "data/a.json": "x",
      "data/deep/b.json": "x",
      "one.txt": "x",
      "two.txt": "x",
      "LICENSE.md": "x",
      README: "x",
    });
    assert.deepEqual(await packed(dir), [
      "LICENSE.md",
      "README",
      "data/a.json",
      "dist/deep/x.js",
      "dist/world.js",
      "one.txt",
      "package.json",
    ]);
  });

  inFolder("brings bundled packages, and says when one is not there", async (dir) => {
    const change = { bundleDependencies: ["dep"], dependencies: { dep: "1" } };
    await write(dir, { ...moduleFiles("arena", "1.0.0"), "package.json": manifest(change) });
    await assert.rejects(packModule(dir), { code: "bad-module", hint: /npm install/ });
    await write(dir, { "node_modules/dep/package.json": "{}", "node_modules/dep/index.js": "" });
    assert.ok((await packed(dir)).includes("node_modules/dep/index.js"));
  });

  inFolder("says what is wrong before anything is packed", async (dir) => {
    await assert.rejects(packModule(join(dir, "nowhere")), { code: "bad-module" });
    await write(dir, { "package.json": "{" });
    await assert.rejects(packModule(dir), { message: /not JSON/ });
    await write(dir, { "package.json": manifest({ files: "dist" }) });
    await assert.rejects(packModule(dir), { message: /files: a list/ });
    await write(dir, { "package.json": manifest({}) });
    await assert.rejects(packModule(dir), { message: /not in the tarball/ });
  });
});

describe("tarballs from elsewhere", () => {
  inFolder("a file has the digest of its bytes; a missing or empty one is told", async (dir) => {
    const content = bytesOf(300_000, 1);
    await write(dir, { "a.tgz": content, "empty.tgz": "" });
    const { digest, bytes } = await tarballFile(join(dir, "a.tgz"));
    assert.deepEqual([digest, bytes], [digestOf(content), content.length]);
    await assert.rejects(tarballFile(join(dir, "b.tgz")), { code: "artifact-storage" });
    await assert.rejects(tarballFile(dir), { code: "artifact-storage" });
    await assert.rejects(tarballFile(join(dir, "empty.tgz")), { code: "artifact-mismatch" });
  });

  it("an upload can be read twice; a wrong one is refused", async () => {
    const content = bytesOf(300_000, 2);
    const facts = { digest: digestOf(content), bytes: content.length };
    const spooled = await spoolTarball(pieces(content), facts);
    for (let i = 0; i < 2; i++) assert.deepEqual(await readAll(spooled.open()), content);
    await spooled.remove();
    await assert.rejects(spoolTarball(pieces(content.subarray(1)), facts), {
      code: "artifact-mismatch",
    });
  });
});
