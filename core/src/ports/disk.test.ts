import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { SeededRandom } from "../sim/seeded-random.ts";
import { SimDisk } from "../sim/sim-disk.ts";
import { NodeDisk } from "../system/node-disk.ts";
import type { Disk } from "./disk.ts";

/** What every adapter of the port must do; both pass the same suite. */
const adapters: { [name: string]: (t: TestContext) => Promise<{ disk: Disk; dir: string }> } = {
  "node disk": async (t) => {
    const root = await mkdtemp(join(tmpdir(), "atlasnet-disk-"));
    t.after(() => rm(root, { recursive: true }));
    return { disk: new NodeDisk(), dir: join(root, "a", "b") };
  },
  "simulated disk": async () => ({ disk: simDisk(1).process(), dir: join("/", "a", "b") }),
};

function simDisk(seed: number, faults = {}): SimDisk {
  return new SimDisk({ faults }, { random: new SeededRandom(seed) });
}

async function write(disk: Disk, path: string, text: string, sync = true): Promise<void> {
  const file = await disk.open(path);
  await file.write(Buffer.from(text));
  if (sync) await file.sync();
  await file.close();
}

async function read(disk: Disk, path: string): Promise<string> {
  return Buffer.from(await disk.read(path)).toString();
}

for (const [name, make] of Object.entries(adapters)) {
  test(`${name}: files are made, appended to and read`, async (t) => {
    const { disk, dir } = await make(t);
    await disk.makeDir(dir);
    await disk.makeDir(dir);
    await write(disk, join(dir, "log"), "one ");
    await write(disk, join(dir, "log"), "two");
    await disk.syncDir(dir);
    assert.equal(await read(disk, join(dir, "log")), "one two");
  });

  test(`${name}: a large write is written whole`, async (t) => {
    const { disk, dir } = await make(t);
    await disk.makeDir(dir);
    await write(disk, join(dir, "big"), "x".repeat(3_000_000));
    assert.equal((await disk.read(join(dir, "big"))).length, 3_000_000);
  });

  test(`${name}: a rename replaces, a removal removes, a listing is sorted`, async (t) => {
    const { disk, dir } = await make(t);
    await disk.makeDir(dir);
    for (const file of ["c", "b", "a"]) await write(disk, join(dir, file), file);
    await disk.rename(join(dir, "c"), join(dir, "a"));
    assert.deepEqual(await disk.list(dir), ["a", "b"]);
    assert.equal(await read(disk, join(dir, "a")), "c");
    await disk.remove(join(dir, "b"));
    assert.deepEqual(await disk.list(dir), ["a"]);
  });

  test(`${name}: closing twice is closing once`, async (t) => {
    const { disk, dir } = await make(t);
    await disk.makeDir(dir);
    const file = await disk.open(join(dir, "f"));
    await file.close();
    await file.close();
    assert.deepEqual(await disk.list(dir), ["f"]);
  });

  test(`${name}: an allocated file holds zeros, then what is written, past its length too`, async (t) => {
    const { disk, dir } = await make(t);
    const path = join(dir, "f");
    await disk.makeDir(dir);
    const file = await disk.allocate(path, 6);
    assert.equal(await read(disk, path), "\0\0\0\0\0\0");
    await file.write(Buffer.from("abc"));
    await file.sync();
    assert.equal(await read(disk, path), "abc\0\0\0");
    await file.write(Buffer.from("defg"));
    await file.sync();
    assert.equal(await read(disk, path), "abcdefg");
    await file.close();
    await assert.rejects(disk.allocate(path, 6), { code: "EEXIST", operation: "allocate", path });
  });

  test(`${name}: parts of a file are read, up to its end`, async (t) => {
    const { disk, dir } = await make(t);
    const path = join(dir, "f");
    await disk.makeDir(dir);
    await write(disk, path, "abcdef");
    const part = async (at: number, length: number) =>
      Buffer.from(await disk.readPart(path, at, length)).toString();
    assert.equal(await part(1, 3), "bcd");
    assert.equal(await part(4, 10), "ef");
    assert.equal(await part(6, 1), "");
  });

  test(`${name}: what is not there is an error with code, operation and path`, async (t) => {
    const { disk, dir } = await make(t);
    const path = join(dir, "none");
    await assert.rejects(disk.list(dir), { code: "ENOENT", operation: "list", path: dir });
    await assert.rejects(disk.open(path), { code: "ENOENT", operation: "open", path });
    await disk.makeDir(dir);
    await assert.rejects(disk.read(path), { code: "ENOENT", operation: "read", path });
    await assert.rejects(disk.readPart(path, 0, 1), { code: "ENOENT", operation: "read", path });
    await assert.rejects(disk.remove(path), { code: "ENOENT" });
    await assert.rejects(disk.rename(path, join(dir, "x")), { code: "ENOENT" });
  });
}

test("node disk: a file in the place of a folder is an error of the port", async (t) => {
  const root = await mkdtemp(join(tmpdir(), "atlasnet-disk-"));
  t.after(() => rm(root, { recursive: true }));
  await writeFile(join(root, "file"), "");
  await assert.rejects(new NodeDisk().makeDir(join(root, "file", "dir")), {
    name: "DiskError",
    operation: "make folder",
  });
});

const dir = "/d";

/** The content of /d/f after a crash, over many seeds; undefined when there is no such file. */
async function afterCrash(
  kind: "power" | "process",
  before: (disk: Disk, sim: SimDisk) => Promise<void>,
): Promise<Set<string | undefined>> {
  const seen = new Set<string | undefined>();
  for (let seed = 1; seed <= 40; seed++) {
    const sim = simDisk(seed);
    const disk = sim.process();
    await disk.makeDir(dir);
    await before(disk, sim);
    sim.setFaults({});
    sim.crash(kind);
    const again = sim.process();
    const names = await again.list(dir);
    seen.add(names.includes("f") ? await read(again, "/d/f") : undefined);
  }
  return seen;
}

test("simulated disk: what was synced survives a power loss, nothing else surely", async () => {
  const synced = await afterCrash("power", async (disk) => {
    await write(disk, "/d/f", "abc");
    await disk.syncDir(dir);
  });
  assert.deepEqual([...synced], ["abc"]);
  const torn = await afterCrash("power", async (disk) => {
    await write(disk, "/d/f", "abc");
    await disk.syncDir(dir);
    await write(disk, "/d/f", "def", false);
  });
  for (const end of ["", "d", "de", "def", "\0"]) assert.ok(torn.has(`abc${end}`), `abc${end}`);
  const nameless = await afterCrash("power", (disk) => write(disk, "/d/f", "abc"));
  assert.deepEqual(nameless, new Set([undefined, "abc"]));
});

test("simulated disk: within an allocated length a power loss takes sectors, not only the end", async () => {
  const seen = await afterCrash("power", async (disk) => {
    const file = await disk.allocate("/d/f", 2048);
    await disk.syncDir(dir);
    await file.write(Buffer.from("synced"));
    await file.sync();
    await file.write(new Uint8Array(1500).fill(0x61));
  });
  const shapes = new Set([...seen].map((text = "") => text.replace(/(.)\1*/gs, "$1")));
  assert.ok([...seen].every((text) => text?.length === 2048 && text.startsWith("synced")));
  for (const shape of ["synceda\0", "synced\0a\0", "synceda\0a\0"])
    assert.ok(shapes.has(shape), shape);
});

test("simulated disk: a failed sync spoils an allocated file, too", async () => {
  const spoiled = await afterCrash("power", async (disk, sim) => {
    const file = await disk.allocate("/d/f", 9);
    await disk.syncDir(dir);
    await file.write(Buffer.from("abc"));
    sim.setFaults({ syncError: 1 });
    await assert.rejects(file.sync(), { code: "EIO" });
    sim.setFaults({});
    await file.write(Buffer.from("def"));
    await file.sync();
  });
  assert.deepEqual([...spoiled], ["\0\0\0def\0\0\0"]);
});

test("simulated disk: what was written survives the death of the process", async () => {
  const killed = await afterCrash("process", (disk) => write(disk, "/d/f", "abc", false));
  assert.deepEqual([...killed], ["abc"]);
});

test("simulated disk: a failed sync spoils what it covered, whatever a later one says", async () => {
  const spoiled = await afterCrash("power", async (disk, sim) => {
    const file = await disk.open("/d/f");
    await file.write(Buffer.from("abc"));
    sim.setFaults({ syncError: 1 });
    await assert.rejects(file.sync(), { code: "EIO" });
    sim.setFaults({});
    await file.write(Buffer.from("def"));
    await file.sync();
    await disk.syncDir(dir);
  });
  assert.deepEqual([...spoiled], ["\0\0\0def"]);
});

test("simulated disk: the operations of a dead process never settle", async () => {
  const sim = simDisk(1);
  const disk = sim.process();
  await disk.makeDir(dir);
  const file = await disk.open("/d/f");
  let settled = false;
  const note = () => {
    settled = true;
  };
  file.write(Buffer.from("late")).then(note, note);
  sim.crash("process");
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(settled, false);
  assert.equal(await read(sim.process(), "/d/f"), "");
});

test("simulated disk: a full disk takes what fits and says so", async () => {
  const sim = simDisk(1, { capacityBytes: 5 });
  const disk = sim.process();
  await disk.makeDir(dir);
  await assert.rejects(write(disk, "/d/f", "abcdefgh"), { code: "ENOSPC", operation: "write" });
  assert.equal(await read(disk, "/d/f"), "abcde");
  assert.equal(sim.usedBytes, 5);
});

test("simulated disk: the same seed gives the same faults", async () => {
  const run = async (): Promise<string> => {
    const sim = simDisk(7, { writeError: 0.3 });
    const disk = sim.process();
    await disk.makeDir(dir);
    const outcomes: string[] = [];
    for (let i = 0; i < 20; i++)
      await write(disk, `/d/${i}`, "abc").then(
        () => outcomes.push("ok"),
        () => outcomes.push("failed"),
      );
    return outcomes.join();
  };
  const first = await run();
  assert.equal(first, await run());
  assert.match(first, /ok.*failed|failed.*ok/);
});
