import assert from "node:assert/strict";
import { test } from "node:test";
import { crc32 } from "node:zlib";
import {
  InProcessNetwork,
  type Link,
  type LinkMessage,
  type MigrationRecord,
  type ReplicaClose,
  type ToReplica,
} from "@atlasnet/core";
import { newReplicaCounts } from "../replica/counts.ts";
import { about, copyOf, epoch, shard } from "../testing/told-target.ts";
import { InTurn } from "./in-turn.ts";
import { IncomingStream, MAX_TICKET_TRIES, TICKET_PAUSE_MS } from "./incoming-stream.ts";
import type { TargetEvent } from "./target.ts";

const RECORD: MigrationRecord = {
  ...{ id: "0123456789abcdef", world: 3, epoch, reason: "operator", started: 0 },
  ...{ from: "g", fromBoot: "g1", to: "h", toBoot: "h1", deadlineMs: 10_000 },
};
function refused(code: ReplicaClose["code"]): ToReplica {
  return { type: "replica-close", ...about, id: RECORD.id, code, reason: "planted" };
}

/** A stream from `g`, its links by name, what went over them, and what the migration was told. */
async function scene() {
  const network = new InProcessNetwork();
  const listening = network.node({ role: "gameserver", node: "g" });
  await listening.listen(() => undefined);
  await network.node({ role: "gameserver", node: "other" }).listen(() => undefined);
  const connect = (node: string) => network.node({ role: "gameserver", node: "h" }).connect(node);
  const [first, second, other] = [await connect("g"), await connect("g"), await connect("other")];
  const names = new Map([
    [first, "first"],
    [second, "second"],
  ]);
  let newest: Link | undefined;
  let needed = 0;
  const said: string[] = [];
  const told: TargetEvent[] = [];
  const clock = { at: 1_000, now: () => clock.at };
  const send = (link: Link, _: string, { type }: LinkMessage) =>
    void said.push(`${names.get(link)}: ${type}`);
  const stream = new IncomingStream(
    { shard, record: RECORD, boot: "h1" },
    {
      links: {
        need: () => {
          needed += 1;
        },
        release: () => {
          needed -= 1;
        },
        to: () => newest,
        send,
        serve: () => undefined,
        unserve: () => undefined,
      },
      clock,
      stream: { checksum: (bytes) => crc32(bytes), counts: newReplicaCounts() },
      arrival: { follow: () => undefined, tellThread: () => undefined },
      turn: new InTurn(),
      tell: (event) => told.push(event),
      moved: () => undefined,
    },
  );
  const use = (link: Link) => {
    newest = link;
    stream.linked(link);
  };
  return {
    ...{ stream, first, second, other, use, told, clock },
    lose: (link: Link, next?: Link) => {
      newest = next;
      stream.linkGone(link);
    },
    needed: () => needed,
    said: () => said.splice(0),
  };
}

test("a source that has yet to see the record is asked again after a pause, and not for ever", async () => {
  const { stream, first, second, use, told, clock, needed, said } = await scene();
  use(first);
  assert.deepEqual(said(), [], "it has not begun");
  stream.follow();
  for (let tries = 0; tries < MAX_TICKET_TRIES; tries++) {
    assert.deepEqual(said(), ["first: replica-open"]);
    stream.message(first, refused("unknown-ticket"));
    assert.ok(!stream.isThere);
    assert.equal(stream.nextAt, clock.at + TICKET_PAUSE_MS);
    stream.linked(second);
    stream.time();
    assert.deepEqual(said(), [], "nothing is asked during the pause");
    clock.at += TICKET_PAUSE_MS;
    stream.time();
    assert.ok(stream.isThere);
  }
  assert.equal(needed(), 1);
  assert.deepEqual(told, []);
  stream.message(first, refused("unknown-ticket"));
  assert.deepEqual(told, [{ type: "failed", code: "unknown-ticket", reason: "planted" }]);
});

test("another refusal ends it at once", async () => {
  const { stream, first, use, told } = await scene();
  use(first);
  stream.follow();
  stream.message(first, refused("wrong-epoch"));
  assert.deepEqual(told, [{ type: "failed", code: "wrong-epoch", reason: "planted" }]);
});

test("it goes on over the newest link to its source, and hears no other; dropped, it says nothing more", async () => {
  const { stream, first, second, other, use, lose, told, needed, said } = await scene();
  stream.follow();
  use(other);
  assert.deepEqual(said(), []);
  use(first);
  use(second);
  assert.deepEqual(said(), ["first: replica-open", "second: replica-open"]);
  stream.message(first, copyOf(1));
  lose(first);
  assert.deepEqual(told, []);
  stream.message(second, copyOf(1));
  assert.deepEqual(told, [{ type: "copying" }]);
  lose(second, first);
  assert.deepEqual(said(), ["first: replica-open"]);
  stream.drop();
  assert.equal(needed(), 0);
  use(second);
  stream.handle({ type: "end", code: "ended", reason: "planted" });
  assert.deepEqual(said(), []);
});
