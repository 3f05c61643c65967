import assert from "node:assert/strict";
import { test } from "node:test";
import { Violations } from "@atlasnet/apiserver/sim";
import {
  encodeRecord,
  type LinkMessage,
  ownerKey,
  replicaChannel,
  shardChannel,
} from "@atlasnet/core";
import { slowDefinition } from "../world/slow-checker.ts";
import { Sleep } from "./sleep.ts";

const SHARD = "w1/0";
const EPOCH = 7;
const OF = { shard: SHARD, epoch: EPOCH };

/** A world of gs1, and what is said about it: by a proxy, and by a gameserver that it is to move to. */
function setUp() {
  const violations = new Violations(() => 0);
  const value = encodeRecord("owner", { world: 1, node: "gs1", boot: "b", state: "owned" });
  const owner = { key: ownerKey(SHARD), value, created: 1, modified: EPOCH, version: 1 };
  const checker = new Sleep({
    violations,
    item: (key) => (key === owner.key ? owner : undefined),
    followerOf: () => undefined,
  });
  const say = (from: string, to: string, channel: string, message: LinkMessage) =>
    checker.sent({ from, to, channel, message, bytes: 0 });
  const replica = replicaChannel(SHARD, "migration");
  return {
    opens: (id: string, to = "gs1") =>
      say("gs2", to, replica, { type: "replica-open", ...OF, id, boot: "b" }),
    copies: () =>
      say("gs1", "gs2", replica, {
        ...{ type: "replica-copy", ...OF, copy: 1, tick: 8, bytes: 0, offset: 0 },
        ...{ timeline: 1, tickRate: 4, definition: slowDefinition.data },
      }),
    refuses: (id: string) =>
      say("gs1", "gs2", replica, {
        ...{ type: "replica-close", ...OF, id, code: "ended", reason: "" },
      }),
    attaches: (attach: number) =>
      say("p1", "gs1", shardChannel(SHARD), {
        ...{ type: "attach", ...OF, attach, account: "ann", name: "Ann", data: null },
        ...{ stream: new Uint8Array(8), attempt: 1, firstUnacked: 1, lastReceived: 0 },
      }),
    closes: (attach: number) =>
      say("gs1", "p1", shardChannel(SHARD), {
        ...{ type: "closed", ...OF, attach, code: "left", reason: "" },
      }),
    falls: () => checker.fellAsleep(SHARD, "gs1"),
    /** What was said of the tick that it made then. */
    wakes: () => {
      checker.ticked({
        ...{ shard: { options: { ...OF, timeline: 1 } }, result: { tick: 9 } },
        before: new Uint8Array(0),
        another: () => assert.fail("there is no state to compare it with"),
      });
      assert.equal(checker.looked, 1);
      return violations.first?.message;
    },
  };
}

type World = ReturnType<typeof setUp>;

const NOTICED: { readonly [what: string]: (world: World) => void } = {
  "nobody has knocked": ({ falls }) => falls(),
  "who knocked was answered before it fell asleep": ({
    opens,
    copies,
    attaches,
    closes,
    falls,
  }) => {
    attaches(1);
    closes(1);
    opens("m1");
    copies();
    falls();
  },
  "who knocked was refused before it fell asleep": ({ opens, refuses, falls }) => {
    opens("m1");
    refuses("m1");
    falls();
  },
  "somebody knocked at another gameserver": ({ opens, falls }) => {
    falls();
    opens("m1", "gs3");
  },
};

for (const [what, happens] of Object.entries(NOTICED))
  test(`a world that wakes is noticed: ${what}`, () => {
    const world = setUp();
    happens(world);
    assert.match(world.wakes() ?? "nothing", /nobody wants it/);
  });

const WANTED: { readonly [what: string]: (world: World) => void } = {
  "somebody knocks while it sleeps": ({ falls, opens }) => {
    falls();
    opens("m1");
  },
  "a knock was on its way when it fell asleep": ({ opens, falls }) => {
    opens("m1");
    falls();
  },
  "a knock was on its way, and an answer to one before it comes": ({ attaches, closes, falls }) => {
    attaches(1);
    attaches(2);
    closes(1);
    falls();
  },
  "a move was asked for anew before the one before was refused": ({ opens, refuses, falls }) => {
    opens("m1");
    opens("m2");
    refuses("m1");
    falls();
  },
};

for (const [what, happens] of Object.entries(WANTED))
  test(`a world may wake: ${what}`, () => {
    const world = setUp();
    happens(world);
    assert.equal(world.wakes(), undefined);
  });
