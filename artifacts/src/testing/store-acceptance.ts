import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  type ArtifactKind,
  type ArtifactStore,
  type ByteStream,
  MODULE_TARBALLS,
} from "../artifact-store.ts";
import { digestOf } from "../digest.ts";

export interface StoreFixture {
  /** Two clients of one empty store; they may be the same. */
  readonly near: ArtifactStore;
  readonly far: ArtifactStore;
  /** Changes a byte of what is stored, behind the store's back. */
  damage(digest: string): Promise<void>;
  /** Names of everything that the store keeps, finished or not. */
  kept(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** What every adapter of the artifact store port keeps. */
export function artifactStoreAcceptance(
  name: string,
  make: () => Promise<StoreFixture>,
  kind: ArtifactKind = MODULE_TARBALLS,
): void {
  const test = (what: string, run: (fixture: StoreFixture) => Promise<void>) =>
    it(what, async () => {
      const fixture = await make();
      try {
        await run(fixture);
      } finally {
        await fixture.close();
      }
    });

  describe(`artifact store: ${kind.noun}s in ${name}`, () => {
    test("what was put is got, byte by byte, by others too", async ({ near, far }) => {
      const content = bytesOf(700_001, 1);
      const digest = digestOf(content);
      assert.equal(await far.has(digest), false);
      await near.put(pieces(content), { digest, bytes: content.length });
      assert.equal(await far.has(digest), true);
      assert.deepEqual(await readAll(await far.get(digest)), content);
    });

    test("putting twice is the same as once", async ({ near, far }) => {
      const digest = await putText(near, "twice");
      await putText(far, "twice");
      assert.deepEqual(await near.list(), [digest]);
    });

    test("what is not there: has says no, get says so, remove is content", async ({ near }) => {
      const digest = digestOf(bytesOf(10, 2));
      assert.equal(await near.has(digest), false);
      await assert.rejects(near.get(digest), { code: "artifact-not-found" });
      await near.remove(digest);
      assert.deepEqual(await near.list(), []);
    });

    test("wrong content is refused by its name and leaves nothing", async ({ near, kept }) => {
      const right = bytesOf(300_000, 3);
      const wrong = Uint8Array.from(right);
      wrong[299_999] = (wrong[299_999] ?? 0) ^ 1;
      const digest = digestOf(right);
      await assert.rejects(near.put(pieces(wrong), { digest, bytes: right.length }), {
        code: "artifact-mismatch",
        message: new RegExp(`${digest}.*${digestOf(wrong)}`),
      });
      assert.equal(await near.has(digest), false);
      assert.deepEqual(await kept(), []);
    });

    test("content of another length is refused and leaves nothing", async ({ near, kept }) => {
      const content = bytesOf(100_000, 4);
      const digest = digestOf(content);
      for (const bytes of [99_999, 100_001, 1])
        await assert.rejects(near.put(pieces(content), { digest, bytes }), {
          code: "artifact-mismatch",
        });
      await assert.rejects(near.put(pieces(new Uint8Array()), { digest, bytes: 5 }), {
        code: "artifact-mismatch",
      });
      assert.deepEqual(await kept(), []);
    });

    test("too much is refused before a byte is read", async ({ near, kept }) => {
      const content = neverRead();
      await assert.rejects(
        near.put(content, { digest: digestOf(bytesOf(1, 5)), bytes: kind.maxBytes + 1 }),
        { code: "artifact-too-large" },
      );
      assert.deepEqual(await kept(), []);
    });

    test("a stream that breaks leaves nothing, and its error comes through", async (fixture) => {
      const { near, kept } = fixture;
      const content = bytesOf(200_000, 6);
      const broken = new Error("the disk it came from is gone");
      const digest = digestOf(content);
      await assert.rejects(
        near.put(breaking(content.subarray(0, 150_000), broken), { digest, bytes: content.length }),
        (error) => error === broken,
      );
      assert.equal(await near.has(digest), false);
      assert.deepEqual(await kept(), []);
    });

    test("a damaged artifact is never read to its end; a new put mends it", async (fixture) => {
      const { near, damage } = fixture;
      const content = bytesOf(600_000, 7);
      const digest = digestOf(content);
      await near.put(pieces(content), { digest, bytes: content.length });
      await damage(digest);
      let got = 0;
      await assert.rejects(
        async () => {
          for await (const piece of await near.get(digest)) got += piece.length;
        },
        { code: "artifact-damaged", message: new RegExp(digest) },
      );
      assert.ok(got < content.length, "the last piece was held back");
      await near.put(pieces(content), { digest, bytes: content.length });
      assert.deepEqual(await readAll(await near.get(digest)), content);
    });

    test("lists all of them, sorted, and forgets what was removed", async ({ near, far }) => {
      const digests = [];
      for (const text of ["a", "b", "c", "d", "e"]) digests.push(await putText(near, text));
      assert.deepEqual(await far.list(), digests.toSorted());
      const [first = ""] = digests;
      await far.remove(first);
      await far.remove(first);
      assert.deepEqual(await near.list(), digests.slice(1).toSorted());
      assert.equal(await near.has(first), false);
    });

    test("a reader may leave early", async ({ near }) => {
      const content = bytesOf(900_000, 8);
      const digest = digestOf(content);
      await near.put(pieces(content), { digest, bytes: content.length });
      for await (const piece of await near.get(digest)) {
        assert.ok(piece.length > 0);
        break;
      }
      assert.deepEqual(await readAll(await near.get(digest)), content);
    });

    test("puts of one artifact at once leave one", async ({ near, far, kept }) => {
      const content = bytesOf(300_000, 9);
      const facts = { digest: digestOf(content), bytes: content.length };
      await Promise.all([near, far, near].map((store) => store.put(pieces(content), facts)));
      assert.deepEqual(await readAll(await far.get(facts.digest)), content);
      const [only = "", ...more] = await kept();
      assert.deepEqual([only.endsWith(`${facts.digest}${kind.suffix}`), more], [true, []]);
    });

    test("what is no digest is a mistake of the caller", async ({ near }) => {
      for (const digest of ["", "../x", "A".repeat(64), `${"a".repeat(63)}/`]) {
        await assert.rejects(near.put(neverRead(), { digest, bytes: 1 }), RangeError);
        await assert.rejects(near.get(digest), RangeError);
        await assert.rejects(near.has(digest), RangeError);
        await assert.rejects(near.remove(digest), RangeError);
      }
    });
  });
}

/** Bytes that compress badly and differ by `seed`. */
export function bytesOf(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let state = seed * 2654435761 + 1;
  for (let i = 0; i < length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[i] = state >>> 24;
  }
  return bytes;
}

/** A stream of `bytes` in pieces of an uneven size, with an empty one in between. */
export async function* pieces(bytes: Uint8Array, size = 65_537): ByteStream {
  for (let at = 0; at < bytes.length; at += size) {
    yield bytes.subarray(at, at + size);
    yield new Uint8Array();
  }
}

export async function readAll(stream: ByteStream): Promise<Uint8Array> {
  const all: Uint8Array[] = [];
  for await (const piece of stream) all.push(Uint8Array.from(piece));
  return Uint8Array.from(Buffer.concat(all));
}

async function* breaking(bytes: Uint8Array, error: Error): ByteStream {
  yield* pieces(bytes);
  throw error;
}

function neverRead(): ByteStream {
  return {
    [Symbol.asyncIterator]() {
      throw new Error("nobody may read this");
    },
  };
}

async function putText(store: ArtifactStore, text: string): Promise<string> {
  const content = new TextEncoder().encode(text);
  const digest = digestOf(content);
  await store.put(pieces(content), { digest, bytes: content.length });
  return digest;
}

/** Another kind than modules, for the same suite. */
export const OTHER_KIND: ArtifactKind = {
  noun: "picture",
  suffix: ".picture",
  maxBytes: 1_000_000,
  hints: {
    wrong: "wrong",
    tooLarge: "too large",
    missing: "missing",
    tooMany: "too many",
    damaged: (place) => `damaged ${place}`,
  },
};
