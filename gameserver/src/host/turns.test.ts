import assert from "node:assert/strict";
import test from "node:test";
import { Turns } from "./turns.ts";

/** Work that goes on until it is told to end, and notes who is at it. */
function scene() {
  const turns = new Turns();
  const running: string[] = [];
  const ends = new Map<string, (error?: Error) => void>();
  const take = (name: string) =>
    turns.take("a/0", async () => {
      running.push(name);
      await new Promise<void>((resolve, reject) => {
        ends.set(name, (error) => (error === undefined ? resolve() : reject(error)));
      });
      running.splice(running.indexOf(name), 1);
      return name;
    });
  return { turns, running, take, end: (name: string, error?: Error) => ends.get(name)?.(error) };
}

/** All that follows from what is settled has happened. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

test("of several who wait for the same turn one goes on, in the order in which they came", async () => {
  const { turns, running, take, end } = scene();
  const all = ["first", "second", "third"].map((name) => take(name));
  let idle = false;
  void turns.idle("a/0").then(() => {
    idle = true;
  });
  for (const name of ["first", "second", "third"]) {
    await settled();
    assert.deepEqual(running, [name]);
    assert.equal(idle, false);
    end(name);
  }
  assert.deepEqual(await Promise.all(all), ["first", "second", "third"]);
  await settled();
  assert.equal(idle, true);
});

test("a failure is for whoever asked; other keys do not wait", async () => {
  const { turns, running, take, end } = scene();
  const first = take("first");
  const second = take("second");
  assert.equal(await turns.take("b/0", async () => "other"), "other");
  await settled();
  end("first", new Error("no"));
  await assert.rejects(first, /no/);
  await settled();
  assert.equal(running.at(-1), "second");
  end("second");
  assert.equal(await second, "second");
});
