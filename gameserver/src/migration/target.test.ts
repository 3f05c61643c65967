import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ABSENT,
  type MigrationRecord,
  mirrorKey,
  type OwnerRecord,
  type Seen,
  type SwitchView,
  type WorldRecord,
} from "@atlasnet/core";
import { nodeRecord, worldRecord } from "@atlasnet/core/testing";
import { MigrationTarget, type TargetEvent } from "./target.ts";

const RECORD: MigrationRecord = {
  ...{ id: "0123456789abcdef", world: 3, epoch: 20, reason: "operator", started: 0 },
  ...{ from: "g", fromBoot: "g1", to: "h", toBoot: "h1", deadlineMs: 10_000 },
};
const MIGRATION: Seen<MigrationRecord> = { record: RECORD, created: 30, modified: 30 };
const OWNER: OwnerRecord = { world: 3, node: "g", boot: "g1", state: "owned" };

interface Sealed {
  readonly keeps: boolean;
  readonly durability: WorldRecord["durability"];
}

function sealed({ keeps = false, durability = "journal" }: Partial<Sealed> = {}) {
  let view: SwitchView = {
    migration: MIGRATION,
    owner: { record: OWNER, created: 5, modified: 20 },
    node: {
      record: { ...nodeRecord({ boot: "h1", state: "ready" }), cordoned: false },
      created: 1,
      modified: 2,
    },
    world: { record: worldRecord({ durability }), created: 3, modified: 3 },
    shard: ABSENT,
    mirror: ABSENT,
  };
  const me = { node: "h", boot: "h1", generation: 0 };
  const target = new MigrationTarget(
    { shard: "arena/0", migration: MIGRATION, me },
    { view: () => view, wallTime: () => 0 },
    0,
  );
  const tell = (...events: readonly TargetEvent[]) =>
    events.flatMap((event) => target.handle(event, 1));
  const effects = tell(
    { type: "begin" },
    { type: "prepared" },
    { type: "copying" },
    { type: "following" },
    { type: "sealed", tick: 7, dueMs: 45, keeps },
  );
  const proposal = effects.find((effect) => effect.type === "txn");
  assert.ok(proposal !== undefined);
  const { attempt } = proposal;
  const answered = { type: "answered", attempt, answer: { type: "done", revision: 31 } } as const;
  const watched = () => {
    const record = { ...OWNER, node: "h", boot: "h1" };
    view = { ...view, migration: ABSENT, owner: { record, created: 5, modified: 31 } };
    return tell({ type: "look" });
  };
  return { tell, answered, watched, proposal };
}

test("a replica is promoted once, whichever tells of the switch first: its answer, or the watch", () => {
  const first = sealed();
  const types = (effects: readonly { readonly type: string }[]) => effects.map(({ type }) => type);
  assert.deepEqual(types([...first.watched(), ...first.tell(first.answered)]), ["promote"]);
  const second = sealed();
  assert.deepEqual(types([...second.tell(second.answered), ...second.watched()]), ["promote"]);
});

test("a switch whose source keeps the state makes that the mirror of a mirrored world, and what is promoted waits for it", () => {
  const mirrored = (how: Partial<Sealed>) => {
    const { tell, answered, proposal } = sealed(how);
    const [effect] = tell(answered);
    assert.ok(effect?.type === "promote");
    const key = mirrorKey("arena/0");
    const put = proposal.request.then.find((each) => each.type === "put" && each.key === key);
    assert.equal(put !== undefined, effect.mirrored);
    return effect.mirrored;
  };
  assert.equal(mirrored({ keeps: true, durability: "mirror" }), true);
  assert.equal(mirrored({ keeps: false, durability: "mirror" }), false);
  assert.equal(mirrored({ keeps: true, durability: "journal" }), false);
});
