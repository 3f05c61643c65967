import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import type { ModuleSource } from "@atlasnet/core";
import { PreparedModules } from "./prepared-modules.ts";

const SHARD = "arena/0";
const one = (): ModuleSource => ({ source: "node", path: "./one.js" });
const two = (): ModuleSource => ({ source: "node", path: "./two.js" });

describe("the file that a shard is to run", () => {
  let asked: string[];
  let prepared: PreparedModules;

  beforeEach(() => {
    asked = [];
    const fileOf = async (_: string, source: ModuleSource) => {
      const { path } = source.source === "node" ? source : assert.fail("there is no store");
      asked.push(path);
      return `file of ${path}`;
    };
    prepared = new PreparedModules({ modules: { fileOf } });
  });

  test("is the one that was prepared, once", async () => {
    assert.equal(await prepared.take(SHARD, one()), undefined);
    await prepared.prepare(SHARD, one());
    assert.equal(await prepared.take(SHARD, one()), "file of ./one.js");
    assert.deepEqual(asked, ["./one.js"], "it is not looked for again");
    assert.equal(await prepared.take(SHARD, one()), undefined);
  });

  test("is the new one when the record names another one since", async () => {
    await prepared.prepare(SHARD, one());
    assert.equal(await prepared.take(SHARD, two()), "file of ./two.js");
  });

  test("is what was swapped in, until the record names another module", async () => {
    prepared.swap(SHARD, one(), "changed.js");
    assert.equal(await prepared.fileOf(SHARD, one()), "changed.js");
    assert.equal(await prepared.fileOf("lobby/0", one()), "file of ./one.js");
    await prepared.prepare(SHARD, one());
    assert.equal(await prepared.take(SHARD, one()), "changed.js");
    assert.equal(await prepared.fileOf(SHARD, two()), "file of ./two.js");
    assert.equal(await prepared.fileOf(SHARD, one()), "file of ./one.js", "it is forgotten");
  });
});
