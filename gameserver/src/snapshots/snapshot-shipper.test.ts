import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import {
  ArtifactError,
  type ArtifactFacts,
  type ArtifactStore,
  type ByteStream,
  digestOf,
  digestText,
} from "@atlasnet/artifacts";
import {
  ControlError,
  encodeRecord,
  noopLogger,
  ownerKey,
  snapshotKey,
  type TxnRequest,
} from "@atlasnet/core";
import { settle } from "@atlasnet/core/node";
import { SeededRandom, SimClock, SimDisk } from "@atlasnet/core/sim";
import { TinyStore } from "@atlasnet/core/testing";
import { defineWorld } from "@atlasnet/world";
import { FakeControlPlane } from "../testing/fake-control-plane.ts";
import { UploadPace } from "./pieces-of-file.ts";
import { ShardUploads } from "./shard-uploads.ts";
import { SnapshotRecorder } from "./snapshot-recorder.ts";
import { SnapshotShipper } from "./snapshot-shipper.ts";
import { OUTAGE_WARNING_MS, StoreOutage } from "./store-outage.ts";

const SHARD = "arena/0";
const { data: schema } = defineWorld({ name: "arena", components: {} });

/** A store in memory that fails as it is told, and in which a put is whole only at its end. */
class FakeStore implements ArtifactStore {
  readonly whole = new Map<string, number>();
  readonly down = new Set<"put" | "list" | "remove">();
  /** Called when all bytes have come and nothing is kept yet. */
  beforeWhole: (() => Promise<void>) | undefined;

  async put(content: ByteStream, { digest }: ArtifactFacts): Promise<void> {
    this.fail("put");
    let bytes = 0;
    for await (const piece of content) bytes += piece.length;
    await this.beforeWhole?.();
    this.whole.set(digest, bytes);
  }

  async get(): Promise<ByteStream> {
    return assert.fail("nothing is fetched here");
  }

  async has(digest: string): Promise<boolean> {
    return this.whole.has(digest);
  }

  async list(): Promise<readonly string[]> {
    this.fail("list");
    return [...this.whole.keys()];
  }

  async remove(digest: string): Promise<void> {
    this.fail("remove");
    this.whole.delete(digest);
  }

  private fail(what: "put" | "list" | "remove"): void {
    if (this.down.has(what)) throw new ArtifactError("artifact-store-unreachable", "planted");
  }
}

describe("snapshots on their way into the store", () => {
  let tiny: TinyStore;
  let store: FakeStore;
  let clock: SimClock;
  let disk: ReturnType<SimDisk["process"]>;
  let outage: StoreOutage;
  let shipper: SnapshotShipper;
  let uploads: ShardUploads;
  let txn: (request: TxnRequest) => ReturnType<TinyStore["txn"]>;
  let ticks = 0;

  beforeEach(() => {
    tiny = new TinyStore();
    store = new FakeStore();
    clock = new SimClock();
    disk = new SimDisk({}, { random: new SeededRandom(1) }).process();
    outage = new StoreOutage({ clock, logger: noopLogger });
    const { store: control } = new FakeControlPlane({ tiny });
    txn = (request) => tiny.txn(request);
    const recorder = new SnapshotRecorder(
      { node: "g", keep: 2 },
      { store: { ...control, txn: async (request) => txn(request) } },
    );
    const pace = new UploadPace({ bytesPerSecond: 1000 }, clock);
    shipper = new SnapshotShipper({}, { recorder, disk, clock, logger: noopLogger, pace, outage });
    uploads = new ShardUploads({ world: "arena", shard: SHARD, recordedAt: 0 }, store);
    ticks = 0;
  });

  /** Somebody claims the shard: its epoch. */
  function claim(node = "g"): number {
    const value = encodeRecord("owner", { world: 1, node, boot: "b", state: "owned" });
    return tiny.txn({ compare: [], then: [{ type: "put", key: ownerKey(SHARD), value }] }).revision;
  }

  async function write(text: string): Promise<string> {
    await disk.makeDir("/files");
    const path = `/files/${++ticks}.snapshot`;
    const file = await disk.open(path);
    await file.write(Buffer.from(text));
    await file.close();
    return path;
  }

  async function submit(epoch: number, text: string, final = false): Promise<string> {
    const path = await write(text);
    const module = { name: "arena", version: "1" };
    const owner = { epoch, world: 1, turn: 1 };
    const snapshot = { path, module, schema, tick: ticks, timeline: 1, owner, takenAt: ticks };
    shipper.submit(uploads, { owner, snapshot, final });
    return digestOf(Buffer.from(text));
  }

  const record = () => tiny.seen("snapshot", snapshotKey(SHARD)).record;
  const newest = () => {
    const { digest } = record()?.newest ?? {};
    return digest && digestText(digest);
  };
  const run = (ms: number) => clock.elapse(ms, settle);

  test("one is recorded once all of it is in the store, and not before", async () => {
    const epoch = claim();
    let atWhole: unknown = "never";
    store.beforeWhole = async () => {
      await settle();
      atWhole = record();
    };
    const digest = await submit(epoch, "state");
    await run(1);
    assert.equal(atWhole, undefined);
    assert.ok(store.whole.has(digest));
    assert.deepEqual([newest(), record()?.epoch, record()?.newest.bytes], [digest, epoch, 5]);
  });

  test("who is not the owner any more records nothing, and removes nothing", async () => {
    const epoch = claim();
    store.beforeWhole = async () => {
      claim("h");
      store.whole.set("f".repeat(64), 1);
    };
    await submit(epoch, "state");
    await run(120_000);
    assert.equal(record(), undefined);
    assert.ok(store.whole.has("f".repeat(64)), "of the next owner");
    assert.deepEqual([shipper.counts.fenced, outage.failures], [1, 0]);
  });

  test("an owner that takes over while old objects are looked for loses none of its own", async () => {
    const epoch = claim();
    const list = store.list.bind(store);
    store.list = async () => {
      claim("h");
      store.whole.set("f".repeat(64), 1);
      return list();
    };
    await submit(epoch, "state");
    await run(1);
    assert.ok(store.whole.has("f".repeat(64)));
    assert.equal(shipper.counts.swept, 0);
  });

  test("as many as configured are kept; what no record ever named is found", async () => {
    const epoch = claim();
    store.whole.set("e".repeat(64), 1);
    const digests = [];
    for (const text of ["one", "two", "three", "four"]) {
      digests.push(await submit(epoch, text));
      await run(10_000);
    }
    assert.deepEqual([...store.whole.keys()].sort(), digests.slice(-2).sort());
    assert.deepEqual(
      record()?.older.map(({ digest }) => digestText(digest)),
      digests.slice(-2, -1),
    );
  });

  test("what cannot be removed does not hold up snapshots, and goes the next time", async () => {
    const epoch = claim();
    store.down.add("remove");
    const digests = [];
    for (const text of ["one", "two", "three"]) {
      digests.push(await submit(epoch, text));
      await run(10_000);
    }
    assert.deepEqual([newest(), store.whole.size], [digests[2], 3]);
    store.down.clear();
    digests.push(await submit(epoch, "four"));
    await run(10_000);
    assert.deepEqual([...store.whole.keys()].sort(), digests.slice(-2).sort());
  });

  test("a store that is away: later tries, the newest snapshot, one word, a warning", async () => {
    const epoch = claim();
    store.down.add("put");
    await submit(epoch, "one");
    await run(OUTAGE_WARNING_MS + 1);
    assert.match(outage.warning() ?? "", /planted/);
    const tries = outage.failures;
    assert.ok(tries > 2 && tries < 10, `${tries}`);
    const digest = await submit(epoch, "two");
    store.down.clear();
    await run(60_000);
    assert.deepEqual([newest(), store.whole.size, outage.warning()], [digest, 1, undefined]);
  });

  test("an answer that is lost: the record is there once, and a late one does not replace a newer", async () => {
    const epoch = claim();
    let late: TxnRequest | undefined;
    txn = (request) => {
      txn = (next) => tiny.txn(next);
      late = request;
      throw new ControlError("timeout", "planted");
    };
    const one = await submit(epoch, "one");
    await run(1);
    assert.equal(newest(), one);
    const two = await submit(epoch, "two");
    await run(10_000);
    assert.ok(late !== undefined);
    assert.equal(tiny.txn(late).succeeded, false);
    assert.equal(newest(), two);
    // Applied, and only its answer was lost.
    txn = (request) => {
      txn = (next) => tiny.txn(next);
      tiny.txn(request);
      throw new ControlError("timeout", "planted");
    };
    const three = await submit(epoch, "three");
    await run(10_000);
    assert.deepEqual([newest(), record()?.older.length], [three, 1]);
  });

  test("the end of a world waits for nobody's pause, and says when it is recorded", async () => {
    const epoch = claim();
    store.down.add("put");
    await submit(epoch, "one");
    await run(10_000);
    store.down.clear();
    const digest = await submit(epoch, "x".repeat(600_000), true);
    const ended = shipper.ends(uploads, 1_000);
    await run(100);
    assert.equal(await ended, true);
    assert.deepEqual([newest(), record()?.final], [digest, true]);
  });

  test("an end that cannot be recorded is not waited for beyond its time", async () => {
    const epoch = claim();
    store.down.add("put");
    await submit(epoch, "one", true);
    const ended = shipper.ends(uploads, 5_000);
    await run(5_001);
    assert.equal(await ended, false);
    shipper.forget(uploads);
    store.down.clear();
    await run(60_000);
    assert.equal(record(), undefined);
  });

  test("an owner that began from a snapshot of another one takes it over", async () => {
    const before = claim();
    const digest = await submit(before, "one");
    await run(10_000);
    const epoch = claim("h");
    shipper.submit(uploads, {
      ...{ owner: { epoch, world: 1, turn: 2 }, snapshot: undefined, final: false },
    });
    await run(10_000);
    assert.deepEqual([newest(), record()?.epoch, record()?.turn], [digest, epoch, 2]);
  });

  test("a file that a newer snapshot replaced meanwhile is no failure", async () => {
    const epoch = claim();
    const path = await write("gone");
    await disk.remove(path);
    const owner = { epoch, world: 1, turn: 1 };
    const module = { name: "arena", version: "1" };
    const snapshot = { path, module, schema, tick: 1, timeline: 1, owner, takenAt: 1 };
    shipper.submit(uploads, { owner, snapshot, final: false });
    await run(1);
    assert.deepEqual([outage.failures, uploads.isIdle, record()], [0, true, undefined]);
  });
});
