import assert from "node:assert/strict";
import { describe, it } from "node:test";
import fc from "fast-check";
import { bytesOf, pieces, readAll } from "../testing/store-acceptance.ts";
import { type RawEntry, rawBlocks, rawTar } from "../testing/tarballs.ts";
import { encodePaxPath, parsePax } from "./pax.ts";
import { encodeHeader, parseHeader } from "./tar-header.ts";
import { readTar } from "./tar-reader.ts";
import { writeTar } from "./tar-writer.ts";

async function entriesOf(tar: Uint8Array, size = 777) {
  const entries: { type: string; path: string; content: string }[] = [];
  for await (const { type, path, content } of readTar(pieces(tar, size)))
    entries.push({ type, path, content: Buffer.from(await readAll(content)).toString("latin1") });
  return entries;
}

const refused = (tar: Uint8Array, message: RegExp) =>
  assert.rejects(entriesOf(tar), { code: "bad-module", message });

describe("tar", () => {
  it("what was written is read, whatever the paths, lengths and pieces", async () => {
    const path = fc.string({ minLength: 1, maxLength: 250, unit: "grapheme" });
    const file = fc.record({
      path: path.filter((text) => !text.includes("\0")),
      content: fc.uint8Array({ maxLength: 1500 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(file, { maxLength: 5 }),
        fc.integer({ min: 1, max: 2000 }),
        async (files, size) => {
          const tar = await readAll(
            writeTar(
              files.map(({ path, content }) => ({
                path,
                size: content.length,
                content: pieces(content, 100),
              })),
            ),
          );
          assert.deepEqual(
            await entriesOf(tar, size),
            files.map(({ path, content }) => ({
              type: "file",
              path,
              content: Buffer.from(content).toString("latin1"),
            })),
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it("passes over content that nobody read", async () => {
    const tar = rawTar([
      { path: "a", content: bytesOf(3000, 1) },
      { path: "b", content: "b" },
    ]);
    const paths: string[] = [];
    for await (const { path } of readTar(pieces(tar))) paths.push(path);
    assert.deepEqual(paths, ["a", "b"]);
  });

  it("reads GNU's long names and folders", async () => {
    const long = `package/${"x".repeat(180)}`;
    const tar = rawTar([
      { path: "package/", type: "5" },
      { path: "././@LongLink", type: "L", content: `${long}\0` },
      { path: long.slice(0, 100), content: "text" },
    ]);
    assert.deepEqual(await entriesOf(tar), [
      { type: "folder", path: "package/", content: "" },
      { type: "file", path: long, content: "text" },
    ]);
  });

  it("refuses links, devices, pipes and what it does not know", async () => {
    const what: { [type: string]: RegExp } = {
      "1": /hard link/,
      "2": /symbolic link/,
      "3": /character device/,
      "4": /block device/,
      "6": /pipe/,
      "7": /unknown type/,
      S: /sparse/,
      K: /link/,
      Z: /unknown type/,
    };
    for (const [type, message] of Object.entries(what))
      await refused(rawTar([{ path: "package/x", type }]), message);
    const sparse = { path: "p", type: "x", content: "22 GNU.sparse.major=1\n" };
    await refused(rawTar([sparse, { path: "q" }]), /sparse files are not allowed/);
    const link = Buffer.from("19 linkpath=/etc/x\n");
    await refused(rawTar([{ path: "p", type: "x", content: link }, { path: "q" }]), /links/);
  });

  it("refuses what is cut off, anywhere", async () => {
    const tar = rawTar([
      { path: "a", content: bytesOf(700, 1) },
      { path: "p", type: "x", content: encodePaxPath("b".repeat(120)) },
      { path: "b", content: "b" },
    ]);
    for (let length = 0; length <= tar.length - 1024; length += 128)
      await refused(tar.subarray(0, length), /cut off/);
  });

  it("refuses damaged headers, sizes in other forms, and anything behind the end", async () => {
    const tar = Uint8Array.from(rawTar([{ path: "a", content: "a" }]));
    const bent = Uint8Array.from(tar);
    bent[0] = 98;
    await refused(bent, /checksum/);
    await refused(Buffer.concat([tar, Buffer.from("more")]), /behind its end/);
    const size = rawBlocks({ path: "a" })[0] ?? new Uint8Array();
    size[124] = 0x80;
    await refused(Buffer.concat([size, new Uint8Array(1024)]), /checksum/);
  });

  it("refuses headers without end and headers for all", async () => {
    const header: RawEntry = { path: "p", type: "x", content: encodePaxPath("a") };
    await refused(rawTar([header, header, header, header, header, { path: "b" }]), /too many/);
    await refused(rawTar([{ ...header, type: "g" }, { path: "b" }]), /for all/);
    await refused(rawTar([{ path: "p", type: "x", size: 70_000 }]), /70000 bytes/);
    const comment = "16 comment=0a1b\n";
    assert.equal(comment.length, 16);
    const tar = rawTar([{ path: "p", type: "g", content: comment }, { path: "b" }]);
    assert.equal((await entriesOf(tar)).length, 1);
  });

  it("random bytes and random changes are read or refused, never anything else", async () => {
    const tar = rawTar([
      { path: "package/", type: "5" },
      { path: "p", type: "x", content: encodePaxPath("package/long") },
      { path: "package/b", content: "text" },
    ]);
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(tar.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 }),
        async (changes) => {
          const bytes = Uint8Array.from(tar);
          for (const [at, value] of changes) bytes[at] = value;
          await entriesOf(withChecksums(bytes)).catch((error: Error & { code?: string }) =>
            assert.equal(error.code, "bad-module", error.stack),
          );
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe("tar headers", () => {
  it("are read as they were written", () => {
    const header = { path: "package/ä.js", size: 8 ** 11 - 1, type: "0" };
    assert.deepEqual(parseHeader(encodeHeader(header)), header);
  });
});

describe("pax records", () => {
  it("give back any path", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 2000, unit: "grapheme" }), (path) => {
        assert.deepEqual(parsePax(encodePaxPath(path)), { path });
      }),
    );
  });
  it("are refused unless they can be read in one way only", () => {
    for (const text of [
      "x",
      "5 a=b",
      "99 path=a\n",
      "0 path=a\n",
      "06 a=b\n",
      "9 path=a\nx",
      " 7 a=b\n",
      "6 abc\n",
    ])
      assert.throws(() => parsePax(Buffer.from(text)), { code: "bad-module" }, text);
  });
});

/** Makes the checksums of all blocks fit, so that changes are not all found by them. */
function withChecksums(tar: Uint8Array): Uint8Array {
  for (let at = 0; at + 512 <= tar.length; at += 512) {
    const block = tar.subarray(at, at + 512);
    if (block.every((byte) => byte === 0) || block[257] !== 0x75) continue;
    block.fill(32, 148, 156);
    const sum = block.reduce((all, byte) => all + byte, 0);
    block.set(Buffer.from(`${sum.toString(8).padStart(6, "0")}\0 `), 148);
  }
  return tar;
}
