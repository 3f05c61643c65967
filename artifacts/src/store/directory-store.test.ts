import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, it } from "node:test";
import type { Disk } from "@atlasnet/core";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { NodeDisk, systemClock, systemRandom } from "@atlasnet/core/system";
import { MODULE_TARBALLS } from "../artifact-store.ts";
import { digestOf } from "../digest.ts";
import {
  artifactStoreAcceptance,
  bytesOf,
  OTHER_KIND,
  pieces,
  readAll,
} from "../testing/store-acceptance.ts";
import { DirectoryStore, DRAFT_AGE_MS } from "./directory-store.ts";

for (const kind of [MODULE_TARBALLS, OTHER_KIND])
  artifactStoreAcceptance(
    "a folder",
    async () => {
      const dir = await mkdtemp(join(tmpdir(), "atlasnet-artifacts-"));
      const make = () =>
        new DirectoryStore(
          { dir: join(dir, "store"), kind },
          { disk: new NodeDisk(), clock: systemClock, random: systemRandom },
        );
      return {
        near: make(),
        far: make(),
        damage: async (digest) => {
          const file = join(dir, "store", `${digest}${kind.suffix}`);
          const bytes = await readFile(file);
          bytes[1000] = (bytes[1000] ?? 0) ^ 4;
          await writeFile(file, bytes);
        },
        kept: async () => await readdir(join(dir, "store")).catch(() => []),
        close: () => rm(dir, { recursive: true }),
      };
    },
    kind,
  );

const DIR = join("artifacts");

/** Each stands for another process, which draws other names. */
let processes = 0;

function storeOn(disk: Disk, clock = new SimClock({ wallStart: 1_000_000 })) {
  return new DirectoryStore({ dir: DIR }, { disk, clock, random: new SeededRandom(++processes) });
}

describe("artifacts in a folder: faults", () => {
  it("a crash at any moment leaves the whole artifact or none", async () => {
    const content = bytesOf(5_000, 1);
    const facts = { digest: digestOf(content), bytes: content.length };
    let whole = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const disk = new SimDisk({}, { random: new SeededRandom(seed) });
      const died = storeOn(disk.process()).put(slowly(content, seed), facts);
      let answered = false;
      died.then(
        () => {
          answered = true;
        },
        () => assert.fail("no fault was asked for"),
      );
      await turns(seed * 7);
      disk.crash(seed % 2 === 0 ? "power" : "process");
      const store = storeOn(disk.process());
      const has = await store.has(facts.digest);
      if (has) assert.deepEqual(await readAll(await store.get(facts.digest)), content);
      if (answered) assert.ok(has, "what was acknowledged is there");
      if (has) whole += 1;
      assert.deepEqual(await store.list(), has ? [facts.digest] : []);
      // And it can be put again.
      await store.put(pieces(content), facts);
      assert.deepEqual(await readAll(await store.get(facts.digest)), content);
    }
    assert.ok(whole > 0 && whole < 60, `crashes before and after the end: ${whole} of 60 whole`);
  });

  it("a full disk is told, and leaves no draft", async () => {
    const sim = new SimDisk({ faults: { capacityBytes: 3_000 } }, { random: new SeededRandom(1) });
    const disk = sim.process();
    const content = bytesOf(5_000, 2);
    const facts = { digest: digestOf(content), bytes: content.length };
    await assert.rejects(storeOn(disk).put(pieces(content), facts), {
      code: "artifact-storage",
      message: /ENOSPC/,
      hint: /Free space/,
    });
    assert.deepEqual(await disk.list(DIR), []);
  });

  it("a sync that fails is no success", async () => {
    const sim = new SimDisk({ faults: { syncError: 1 } }, { random: new SeededRandom(1) });
    const content = bytesOf(500, 3);
    const facts = { digest: digestOf(content), bytes: content.length };
    const store = storeOn(sim.process());
    await assert.rejects(store.put(pieces(content), facts), { code: "artifact-storage" });
    assert.equal(await store.has(facts.digest), false);
  });

  it("drafts of the dead are removed once they are old, and those of others are left", async () => {
    const disk = new SimDisk({}, { random: new SeededRandom(1) }).process();
    const clock = new SimClock({ wallStart: 10 * DRAFT_AGE_MS });
    const digest = digestOf(bytesOf(1, 1));
    const old = `${digest}.${10 * DRAFT_AGE_MS - DRAFT_AGE_MS - 1}-0123456789ab.draft`;
    const young = `${digest}.${10 * DRAFT_AGE_MS - 5}-0123456789ab.draft`;
    await disk.makeDir(DIR);
    for (const name of [old, young, "of-somebody-else.draft"])
      await (await disk.open(join(DIR, name))).close();
    assert.deepEqual(await storeOn(disk, clock).list(), []);
    assert.deepEqual(await disk.list(DIR), [young, "of-somebody-else.draft"]);
  });
});

/** Pieces of a size that differs by seed, so that crashes fall between other operations. */
function slowly(content: Uint8Array, seed: number) {
  return pieces(content, 500 + seed * 40);
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}
