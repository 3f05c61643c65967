import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Compare,
  encodeRecord,
  type NodeRecord,
  nodeKey,
  type Operation,
  type OwnerRecord,
  ownerKey,
  type Peer,
  snapshotKey,
  type TxnRequest,
} from "@atlasnet/core";
import fc from "fast-check";
import { readProblem, txnProblem } from "./node-access.ts";

const GS: Peer = { role: "gameserver", node: "gs-1" };
const PROXY: Peer = { role: "proxy", node: "proxy-1" };
const ONE = Uint8Array.of(1);

function nodeValue(role: NodeRecord["role"], leaseMs = 5000): Uint8Array {
  return encodeRecord("node", {
    role,
    labels: {},
    capacity: { weight: 1, sessions: 0, memoryBytes: 0 },
    modules: [],
    address: "10.0.0.1:2556",
    boot: "b",
    fingerprint: "0".repeat(64),
    state: "ready",
    cordoned: false,
    leaseMs,
    registered: 0,
  });
}

function ownerValue(node: string, state: OwnerRecord["state"] = "owned"): Uint8Array {
  return encodeRecord("owner", { world: 1, node, boot: "b", state });
}

function put(key: string, value: Uint8Array = ONE): Operation {
  return { type: "put", key, value };
}

function may(peer: Peer, operation: Operation, compare: readonly Compare[] = []): boolean {
  const then = txnProblem(peer, { compare, then: [operation] }) === undefined;
  const otherwise = txnProblem(peer, { compare, then: [], otherwise: [operation] }) === undefined;
  assert.equal(then, otherwise, "both lists are held to the same");
  return then;
}

test("a node writes its own record, with the role of its certificate", () => {
  assert.ok(may(GS, put(nodeKey("gs-1"), nodeValue("gameserver"))));
  assert.ok(may(PROXY, put(nodeKey("proxy-1"), nodeValue("proxy"))));
  assert.ok(!may(GS, put(nodeKey("gs-1"), nodeValue("proxy"))));
  assert.ok(may(GS, put(nodeKey("gs-1"), nodeValue("gameserver", 60_000))));
  assert.ok(!may(GS, put(nodeKey("gs-1"), nodeValue("gameserver", 60_001))));
  assert.ok(!may(GS, put(nodeKey("gs-2"), nodeValue("gameserver"))));
  assert.ok(!may(GS, put(nodeKey("gs-1"), ONE)));
  assert.ok(!may(GS, { type: "delete", key: nodeKey("gs-1") }));
  assert.ok(!may(GS, { type: "delete", prefix: nodeKey("gs-1") }));
});

test("a gameserver names itself as owner, and nobody else; a proxy nobody", () => {
  const key = ownerKey("arena/0");
  const mayOwn = (peer: Peer, operation: Operation) =>
    txnProblem(peer, { compare: [], then: [operation], leases: [peer.node] }) === undefined;
  assert.ok(mayOwn(GS, put(key, ownerValue("gs-1"))));
  assert.ok(mayOwn(GS, put(key, ownerValue("gs-1", "released"))));
  assert.ok(!mayOwn(GS, put(key, ownerValue("gs-2"))));
  assert.ok(!mayOwn(GS, put(key, ONE)));
  assert.ok(!mayOwn(GS, put("shards/arena/0", ONE)));
  assert.ok(!mayOwn(GS, { type: "delete", key }));
  assert.ok(!mayOwn(PROXY, put(key, ownerValue("proxy-1"))));
});

test("a gameserver becomes an owner under its own lease, gives up without, and does neither in otherwise", () => {
  const own = put(ownerKey("arena/0"), ownerValue("gs-1"));
  const release = put(ownerKey("arena/0"), ownerValue("gs-1", "released"));
  const problem = (request: Partial<TxnRequest>) =>
    txnProblem(GS, { compare: [], then: [], ...request });
  assert.match(problem({ then: [own] }) ?? "", /under its own lease only/);
  assert.match(problem({ then: [own], leases: ["gs-2"] }) ?? "", /under its own lease only/);
  assert.equal(problem({ then: [own], leases: ["gs-2", "gs-1"] }), undefined);
  assert.equal(problem({ then: [release] }), undefined);
  for (const operation of [own, release])
    assert.match(problem({ otherwise: [operation], leases: ["gs-1"] }) ?? "", /"then" only/);
});

test("gameservers have the key-value stores of the cluster and of themselves", () => {
  for (const key of ["kv/cluster/a", "kv/node/gs-1/a"]) {
    assert.ok(may(GS, put(key)));
    assert.ok(may(GS, { type: "delete", key }));
    assert.ok(may(GS, { type: "delete", prefix: key }));
    assert.ok(!may(PROXY, put(key)));
  }
  assert.ok(may(GS, { type: "delete", prefix: "kv/node/gs-1/" }));
  for (const key of ["kv/node/gs-10/a", "kv/node/gs-1", "kv/cluster", "kv/cluster/", "kv/x"])
    assert.ok(!may(GS, put(key)), key);
  for (const prefix of ["", "k", "kv/", "kv/node/", "kv/node/gs-1", "kv/cluster"])
    assert.ok(!may(GS, { type: "delete", prefix }), prefix);
});

test("everything is read but tokens; compares are on any key but these", () => {
  assert.equal(readProblem({ prefix: "nodes/" }), undefined);
  assert.equal(readProblem({ key: "worlds/a" }), undefined);
  assert.equal(readProblem({ key: "token" }), undefined);
  for (const selector of [{ key: "tokens/1" }, { prefix: "tokens/" }, { prefix: "tokens/1" }])
    assert.match(String(readProblem(selector)), /tokens/);
  for (const prefix of ["", "t", "tokens"])
    assert.match(String(readProblem({ prefix })), /longer one/);
  const own = put("kv/cluster/a");
  const compare = (key: string): Compare[] => [
    { type: "modified", key, is: "equal", revision: 0 },
    { type: "value", key, equals: ONE },
  ];
  for (const one of [...compare("nodes/gs-2"), { type: "term", term: 1 } as const])
    assert.ok(may(GS, own, [one]));
  for (const one of compare("tokens/1")) assert.ok(!may(GS, own, [one]));
});

test("whatever a node asks, only what is its own is changed", () => {
  const part = fc.constantFrom(
    ...["nodes/", "shards/", "kv/", "tokens/", "worlds/", "apiservers/", "modules/"],
    ...["gs-1", "gs-2", "/", "a", "/owner", "arena/0", "cluster/", "node/", "0", ""],
  );
  const key = fc.array(part, { maxLength: 5 }).map((parts) => parts.join(""));
  const value = fc.oneof(
    fc.uint8Array({ maxLength: 8 }),
    fc.constantFrom(ownerValue("gs-1"), ownerValue("gs-2"), nodeValue("gameserver")),
  );
  const operation: fc.Arbitrary<Operation> = fc.oneof(
    fc.record({ type: fc.constant("put" as const), key, value }),
    fc.record({ type: fc.constant("delete" as const), key }),
    fc.record({ type: fc.constant("delete" as const), prefix: key }),
  );
  const own = /^(?:kv\/cluster\/|kv\/node\/gs-1\/)/;
  fc.assert(
    fc.property(operation, fc.constantFrom(GS, PROXY), (given, peer) => {
      if (!may(peer, given)) return;
      assert.equal(peer, GS);
      if (given.type === "delete")
        return assert.match("key" in given ? given.key : given.prefix, own);
      if (own.test(given.key)) return;
      const expected = given.key === "nodes/gs-1" ? nodeValue("gameserver") : ownerValue("gs-1");
      assert.match(given.key, /^(?:nodes\/gs-1|shards\/.*\/owner)$/);
      assert.equal(Buffer.compare(given.value, expected), 0);
    }),
    { numRuns: 3000 },
  );
});

function snapshotValue(node: string, epoch: number): Uint8Array {
  const digest = new Uint8Array(32);
  const module = { name: "arena", version: "1" };
  const newest = { digest, bytes: 1, timeline: 1, tick: 1, module, schema: digest, taken: 0 };
  return encodeRecord("snapshot", {
    ...{ world: 1, node, epoch, turn: 1, final: false },
    ...{ newest, older: [] },
  });
}

test("a snapshot is recorded by a gameserver for itself, compared with the epoch that it names", () => {
  const key = snapshotKey("arena/0");
  const owner = ownerKey("arena/0");
  const at = (revision: number, is: "equal" | "greater" = "equal", of = owner): Compare[] => [
    { type: "modified", key: of, is, revision },
  ];
  const problem = (peer: Peer, value: Uint8Array, compare: readonly Compare[]) =>
    txnProblem(peer, { compare, then: [put(key, value)] });
  assert.equal(problem(GS, snapshotValue("gs-1", 7), at(7)), undefined);
  assert.match(problem(GS, snapshotValue("gs-1", 7), []) ?? "", /compares/);
  assert.match(problem(GS, snapshotValue("gs-1", 7), at(8)) ?? "", /compares/);
  assert.match(problem(GS, snapshotValue("gs-1", 7), at(7, "greater")) ?? "", /compares/);
  assert.match(problem(GS, snapshotValue("gs-1", 7), at(7, "equal", "x")) ?? "", /compares/);
  assert.match(problem(GS, snapshotValue("gs-2", 7), at(7)) ?? "", /itself only/);
  assert.match(problem(PROXY, snapshotValue("proxy-1", 7), at(7)) ?? "", /only gameservers/);
  assert.match(problem(GS, ONE, at(7)) ?? "", /snapshot/);
  const otherwise = [put(key, snapshotValue("gs-1", 7))];
  assert.match(txnProblem(GS, { compare: at(7), then: [], otherwise }) ?? "", /"then" only/);
  assert.ok(!may(GS, { type: "delete", key }));
});
