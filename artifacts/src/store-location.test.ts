import assert from "node:assert/strict";
import { join, resolve } from "node:path";
import { describe, it } from "node:test";
import { parseStoreLocation } from "./store-location.ts";

const workingDir = resolve("somewhere");
const env = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "secret" };
const parse = (text: string) => parseStoreLocation(text, { workingDir, env });

describe("the address of an artifact store", () => {
  it("may be a folder, seen from the working directory", () => {
    assert.deepEqual(parse("artifacts"), {
      type: "directory",
      dir: join(workingDir, "artifacts"),
    });
    assert.deepEqual(parse(workingDir), { type: "directory", dir: workingDir });
  });

  it("may be a bucket, of Amazon or of another server", () => {
    const amazon = parse("s3://games/atlasnet?region=eu-central-1");
    assert.ok(amazon.type === "bucket");
    assert.deepEqual(
      [amazon.bucket, amazon.prefix, amazon.endpoint, amazon.addressing],
      ["games", "atlasnet/", "https://s3.eu-central-1.amazonaws.com", "path"],
    );
    const other = parse("s3://games?endpoint=http://127.0.0.1:9000&addressing=host");
    assert.ok(other.type === "bucket");
    assert.deepEqual(
      [other.prefix, other.endpoint, other.region, other.addressing],
      ["", "http://127.0.0.1:9000/", "us-east-1", "host"],
    );
  });

  it("is refused with what is wrong, and shows no secrets", () => {
    const wrong: [string, RegExp][] = [
      ["", /empty/],
      ["https://games.example", /no folder and no bucket/],
      ["s3:", /cannot be read|bucket/],
      ["s3://", /cannot be read|bucket/],
      ["s3://UPPER_case", /bucket/],
      ["s3://games/a b", /prefix/],
      ["s3://games?key=x", /key is unknown/],
      ["s3://games?region=EU!", /region/],
      ["s3://games?endpoint=ftp://x", /endpoint/],
      ["s3://games?addressing=dns", /addressing/],
    ];
    for (const [text, message] of wrong)
      assert.throws(() => parse(text), { code: "bad-artifact-store", message }, text);
    assert.throws(
      () => parse("s3://me:hunter2@games/x"),
      (error: Error) => {
        assert.doesNotMatch(error.message, /hunter2/);
        return true;
      },
    );
    assert.throws(() => parseStoreLocation("s3://games", { workingDir, env: {} }), {
      hint: /AWS_ACCESS_KEY_ID/,
    });
  });
});
