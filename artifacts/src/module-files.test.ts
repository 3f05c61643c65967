import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { pathToFileURL } from "node:url";
import { noopLogger } from "@atlasnet/core";
import { metrics } from "@opentelemetry/api";
import { ArtifactError } from "./artifact-error.ts";
import { digestBytes, digestOf } from "./digest.ts";
import { configuredStore, openModuleFiles, type StoredModuleSource } from "./module-files.ts";
import { pieces } from "./testing/store-acceptance.ts";
import { moduleFiles, tarballOf } from "./testing/tarballs.ts";

const dependencies = { logger: noopLogger, meter: metrics.getMeter("test"), env: {} };

async function scene(t: TestContext, store: string | undefined = "store") {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-files-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const config = {
    artifacts: { store: store && join(dir, store), cacheBytes: 1_048_576 },
    data: { dir: join(dir, "data"), fresh: false },
  };
  const push = async (version: string, text: string): Promise<StoredModuleSource> => {
    const tgz = await tarballOf(moduleFiles("arena", version, text));
    const digest = digestOf(tgz);
    const open = configuredStore(config, {}) ?? assert.fail("a store");
    await open.put(pieces(tgz, 1000), { digest, bytes: tgz.length });
    return { source: "store", name: "arena", version, digest: digestBytes(digest) };
  };
  return { config, push };
}

test("a stored module is a file that can be imported, and shares the server's own world package", async (t) => {
  const { config, push } = await scene(t);
  const source = await push(
    "1.0.0",
    'import * as mine from "@atlasnet/world"; export const world = mine;',
  );
  const files = await openModuleFiles(config, dependencies);
  const [file, same] = await Promise.all([files.fileOf(source), files.fileOf(source)]);
  assert.equal(file, same);
  assert.equal(files.available, true);
  const { world } = await import(pathToFileURL(file).href);
  const { ByteReader } = await import("@atlasnet/world");
  assert.equal(world.ByteReader, ByteReader);
  await files.stop();
});

test("what is not in the store is named as people know it", async (t) => {
  const { config } = await scene(t);
  const files = await openModuleFiles(config, dependencies);
  const digest = new Uint8Array(32);
  await assert.rejects(
    files.fileOf({ source: "store", name: "arena", version: "2.0.0", digest }),
    (error) =>
      error instanceof ArtifactError &&
      error.code === "artifact-not-found" &&
      /module arena@2\.0\.0/.test(error.message) &&
      error.hint !== undefined,
  );
  await files.stop();
});

test("what is held stays, and says so when nothing else fits", async (t) => {
  const { config, push } = await scene(t);
  const big = (letter: string) => `export const world = ${JSON.stringify(letter.repeat(700_000))};`;
  const [one, two] = [await push("1.0.0", big("a")), await push("2.0.0", big("b"))];
  const files = await openModuleFiles(config, dependencies);
  const release = files.hold(one);
  await files.fileOf(one);
  await assert.rejects(files.fileOf(two), { code: "module-cache-full" });
  release();
  await files.fileOf(two);
  await files.stop();
});

test("a node without an artifact store says what is to be set", async (t) => {
  const { config } = await scene(t, "");
  const files = await openModuleFiles(
    { ...config, artifacts: { ...config.artifacts, store: undefined } },
    dependencies,
  );
  assert.equal(files.available, false);
  await assert.rejects(
    files.fileOf({
      source: "store",
      name: "arena",
      version: "1.0.0",
      digest: new Uint8Array(32),
    }),
    { code: "no-artifact-store", hint: /artifacts\.store/ },
  );
  await files.stop();
});
