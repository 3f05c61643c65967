import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { OperatingError } from "@atlasnet/core";
import { askCluster, type ClusterCommand, ControlSocket } from "./control-socket.ts";

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-control-"));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

async function open(t: TestContext, commands: { readonly [word: string]: ClusterCommand }) {
  const dir = await folder(t);
  const socket = await ControlSocket.open(dir, new Map(Object.entries(commands)));
  t.after(() => socket.close());
  return { dir, socket };
}

const nothing = () => undefined;

test("what is said on the way and how it ended come back", async (t) => {
  const { dir } = await open(t, {
    roll: async (say) => {
      say("one");
      say("two\nlines");
    },
    fail: async () => {
      throw new OperatingError("not-rolled", "gs-1 is exited", { hint: "See its log." });
    },
  });
  const said: string[] = [];
  await askCluster(dir, "roll", (text) => said.push(text));
  assert.deepEqual(said, ["one", "two\nlines"]);
  await assert.rejects(askCluster(dir, "fail", nothing), {
    code: "not-rolled",
    hint: "See its log.",
  });
  await assert.rejects(askCluster(dir, "stand on your head".repeat(9), nothing), {
    code: "unknown-command",
  });
});

test("a folder has one cluster at a time; after it another may come", async (t) => {
  const { dir, socket } = await open(t, {});
  await assert.rejects(ControlSocket.open(dir, new Map()), { code: "cluster-runs" });
  await socket.close();
  await assert.rejects(askCluster(dir, "roll", nothing), { code: "no-cluster" });
  const next = await ControlSocket.open(dir, new Map());
  await next.close();
});

test("a cluster that ends before it has answered is said to have", async (t) => {
  let begun: () => void = nothing;
  const beginning = new Promise<void>((resolve) => {
    begun = resolve;
  });
  const { dir, socket } = await open(t, {
    roll: () => {
      begun();
      return new Promise(nothing);
    },
  });
  const asked = assert.rejects(askCluster(dir, "roll", nothing), /ended before it had answered/);
  await beginning;
  await socket.close();
  await asked;
});
