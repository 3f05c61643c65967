import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { systemClock } from "@atlasnet/core/system";
import { MODULE_TARBALLS } from "../artifact-store.ts";
import { digestOf } from "../digest.ts";
import { FakeBucket } from "../testing/fake-bucket.ts";
import {
  artifactStoreAcceptance,
  bytesOf,
  OTHER_KIND,
  pieces,
  readAll,
} from "../testing/store-acceptance.ts";
import { MAX_TRIES } from "./bucket-client.ts";
import { BucketStore, type BucketStoreOptions } from "./bucket-store.ts";
import { parseListPage } from "./list-xml.ts";

const key = { accessKeyId: "AKID", secretAccessKey: "s3cr3t/+=", region: "eu-central-1" };

async function startBucket(): Promise<FakeBucket> {
  const bucket = new FakeBucket({ bucket: "games", key, pageKeys: 2 });
  await bucket.start();
  return bucket;
}

function storeOf(bucket: FakeBucket, change: Partial<BucketStoreOptions> = {}): BucketStore {
  return new BucketStore(
    {
      endpoint: bucket.endpoint,
      region: key.region,
      bucket: "games",
      prefix: "atlas net/",
      addressing: "path",
      credentials: key,
      silenceMs: 30_000,
      ...change,
    },
    // No wait between tries.
    { clock: { ...systemClock, setTimer: (_ms, fn) => systemClock.setTimer(0, fn) } },
  );
}

for (const kind of [MODULE_TARBALLS, OTHER_KIND])
  artifactStoreAcceptance(
    "a bucket",
    async () => {
      const bucket = await startBucket();
      return {
        near: storeOf(bucket, { kind }),
        far: storeOf(bucket, { kind }),
        damage: async (digest) => {
          const object = bucket.objects.get(`atlas net/${digest}${kind.suffix}`);
          if (object !== undefined) object[1000] = (object[1000] ?? 0) ^ 4;
        },
        kept: async () => [...bucket.objects.keys()],
        close: () => bucket.stop(),
      };
    },
    kind,
  );

describe("artifacts in a bucket: faults", () => {
  const content = bytesOf(50_000, 1);
  const facts = { digest: digestOf(content), bytes: content.length };
  const withBucket = (what: string, run: (bucket: FakeBucket) => Promise<void>) =>
    it(what, async () => {
      const bucket = await startBucket();
      try {
        await run(bucket);
      } finally {
        await bucket.stop();
      }
    });

  withBucket("wrong credentials, region and bucket are told by their names", async (bucket) => {
    const refusals = [
      {
        change: { credentials: { ...key, secretAccessKey: "other" } },
        why: /SignatureDoesNotMatch/,
      },
      { change: { credentials: { ...key, accessKeyId: "other" } }, why: /InvalidAccessKeyId/ },
      { change: { region: "us-east-1" }, why: /AuthorizationHeaderMalformed: refused & why/ },
      { change: { bucket: "toys" }, why: /bucket toys .*NoSuchBucket/ },
    ];
    for (const { change, why } of refusals) {
      const refusal = { code: "artifact-store-refused", message: why };
      await assert.rejects(storeOf(bucket, change).put(pieces(content), facts), refusal);
      await assert.rejects(storeOf(bucket, change).get(facts.digest), refusal);
    }
    assert.equal(bucket.objects.size, 0);
  });

  withBucket("a passing fault is tried again, but not without end", async (bucket) => {
    const store = storeOf(bucket);
    await store.put(pieces(content), facts);
    bucket.faults.push({ type: "hang-up" }, { type: "status", status: 503 });
    assert.deepEqual(await readAll(await store.get(facts.digest)), content);
    bucket.requests.length = 0;
    for (let i = 0; i < MAX_TRIES; i++) bucket.faults.push({ type: "status", status: 500 });
    await assert.rejects(store.has(facts.digest), {
      code: "artifact-store-unreachable",
      message: /500/,
    });
    assert.equal(bucket.requests.length, MAX_TRIES);
  });

  withBucket("a put is tried once: its stream is used up", async (bucket) => {
    const store = storeOf(bucket);
    bucket.faults.push({ type: "status", status: 503 });
    await assert.rejects(store.put(pieces(content), facts), { code: "artifact-store-unreachable" });
    bucket.faults.push({ type: "hang-up" });
    await assert.rejects(store.put(pieces(content), facts), { code: "artifact-store-unreachable" });
    assert.equal(bucket.requests.length, 2);
    await store.put(pieces(content), facts);
    assert.equal(await store.has(facts.digest), true);
  });

  withBucket("an answer that breaks off is an error, not an end", async (bucket) => {
    const store = storeOf(bucket);
    await store.put(pieces(content), facts);
    bucket.faults.push({ type: "break-off" });
    await assert.rejects(async () => await readAll(await store.get(facts.digest)), {
      code: "artifact-store-unreachable",
    });
  });

  withBucket("a server that is gone is told with its address", async (bucket) => {
    const { endpoint } = bucket;
    const store = storeOf(bucket);
    await bucket.stop();
    await assert.rejects(store.list(), {
      code: "artifact-store-unreachable",
      message: new RegExp(`games at ${endpoint}`),
    });
  });

  withBucket("a server that is silent is given up", async (bucket) => {
    const store = storeOf(bucket, { silenceMs: 20 });
    for (let i = 0; i < MAX_TRIES; i++) bucket.faults.push({ type: "silence" });
    await assert.rejects(store.has(facts.digest), (error: Error & { cause?: unknown }) => {
      assert.match(String(error.cause), /silent for 20 ms/);
      return true;
    });
  });

  withBucket("objects of others in the bucket are left out", async (bucket) => {
    const store = storeOf(bucket);
    await store.put(pieces(content), facts);
    bucket.objects.set("atlas net/readme.txt", Buffer.from("x"));
    bucket.objects.set(`atlas net/sub/${facts.digest}.tgz`, Buffer.from("x"));
    bucket.objects.set(`zebra/${facts.digest}.tgz`, Buffer.from("x"));
    assert.deepEqual(await store.list(), [facts.digest]);
  });
});

describe("parseListPage", () => {
  it("is undefined for anything that is no listing", () => {
    for (const text of ["", "<html>", "<Error><Code>X</Code></Error>"])
      assert.equal(parseListPage(text), undefined);
  });
  it("refuses a page that goes on without saying where", () => {
    const page = "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>";
    assert.equal(parseListPage(page), undefined);
  });
  it("reads keys with escaped letters", () => {
    const xml =
      "<ListBucketResult><Contents><Key>a&amp;&#65;&#x42;&lt;</Key></Contents></ListBucketResult>";
    assert.deepEqual(parseListPage(xml), { keys: ["a&AB<"], next: undefined });
  });
});
