import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ABSENT,
  ControlError,
  type ControlStore,
  createWorld,
  nodeKey,
  type RenewalAnswer,
  registerNode,
  type TxnRequest,
  type TxnResult,
} from "@atlasnet/core";
import { nodeRecord, reached, worldRecord } from "@atlasnet/core/testing";
import { ApiserverGroup } from "../server/testing/apiserver-group.ts";
import { LOAD, read, wantedOf } from "./testing/test-node.ts";

const ABC = ["a", "b", "c"];
/** Long enough for an election in between. */
const LEASE_MS = 1500;
const UNDECIDED: ReadonlySet<string> = new Set(["timeout", "no-quorum", "not-leader"]);
const RECORD = nodeRecord({ state: "ready", leaseMs: LEASE_MS });

test("apiservers as processes: who renews at any of them is kept when the leader dies, who stops is lost and replaced", async (t) => {
  const group = await ApiserverGroup.create(t);
  await Promise.all(ABC.map((node) => group.start(node, ABC)));
  const dying = await group.leader();
  const at = ABC.find((node) => node !== dying) ?? "";
  const service = group.running.get(at)?.service;
  assert.ok(service);
  const { store } = service;
  const renewing = new Map<string, string>();
  let answered = 0;
  const refused: RenewalAnswer[] = [];
  let number = 0;
  const renew = async () => {
    for (const [node, boot] of renewing) {
      number += 1;
      const answer = await service.renewals
        .renew(node, { boot, number, load: LOAD })
        .catch((error: unknown) => {
          if (error instanceof ControlError) return undefined;
          throw error;
        });
      if (answer?.ok) answered += 1;
      else if (answer !== undefined && answer.code !== "not-leader") refused.push(answer);
    }
  };
  const timer = setInterval(() => void renew(), LEASE_MS / 12);
  t.after(() => clearInterval(timer));
  for (const node of ["gs-1", "gs-2"]) {
    const boot = `boot of ${node}`;
    const made = registerNode(node, ABSENT, { record: { ...RECORD, boot }, generation: 0 });
    assert.ok(made.ok && (await decided(store, made.txn, node)).succeeded);
    renewing.set(node, boot);
  }
  const made = createWorld("arena", ABSENT, worldRecord());
  assert.ok(made.ok && (await decided(store, made.txn, "arena")).succeeded);
  await reached(() => answered >= 4);
  const wanted = await eventually(() => wantedOf(store, "arena"));
  await group.kill(dying);
  const next = await group.leader();
  assert.notEqual(next, dying);
  answered = 0;
  // More than a lease under the new leader.
  await reached(() => answered >= 40);
  assert.deepEqual(refused, []);
  assert.equal(await stateOf(store, wanted), "ready");
  assert.equal(await wantedOf(store, "arena"), wanted);
  renewing.delete(wanted);
  const other = wanted === "gs-1" ? "gs-2" : "gs-1";
  assert.equal(
    await eventually(async () => ((await stateOf(store, wanted)) === "lost" ? "lost" : undefined)),
    "lost",
  );
  await eventually(async () => ((await wantedOf(store, "arena")) === other ? other : undefined));
  assert.equal(await stateOf(store, other), "ready");
});

/** A busy machine elects now and then: what was not decided is asked again, under the same id. */
async function decided(store: ControlStore, txn: TxnRequest, id: string): Promise<TxnResult> {
  for (;;)
    try {
      return await store.txn({ ...txn, id });
    } catch (error) {
      if (!(error instanceof ControlError) || !UNDECIDED.has(error.code)) throw error;
    }
}

async function stateOf(store: ControlStore, node: string): Promise<string | undefined> {
  return (await read(store, "node", nodeKey(node))).record?.state;
}

async function eventually<T>(look: () => Promise<T | undefined>): Promise<T> {
  let found: T | undefined;
  let looking = false;
  await reached(() => {
    if (!looking && found === undefined) {
      looking = true;
      void look().then((value) => {
        found = value;
        looking = false;
      });
    }
    return found !== undefined;
  });
  if (found === undefined) throw new Error("never found");
  return found;
}
