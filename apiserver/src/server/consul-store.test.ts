import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type CheckpointOptions, ConsulAgent } from "@atlasnet/consul";
import { type DevAgent, NO_CONSUL, startDevAgent } from "@atlasnet/consul/testing";
import { type ControlStore, noopLogger, readAll, type TxnRequest } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { controlStoreAcceptance, reached } from "@atlasnet/core/testing";
import { ConsulStore } from "./consul-store.ts";

const why = NO_CONSUL === undefined ? "" : ` (skipped: ${NO_CONSUL})`;
let prefixes = 0;

describe(`the control store in Consul${why}`, { skip: NO_CONSUL !== undefined }, () => {
  let dev: DevAgent;
  before(async () => {
    dev = await startDevAgent();
  });
  const closers: (() => Promise<void>)[] = [];
  after(async () => {
    // Also what a failed test left running.
    for (const close of closers) await close();
    await dev.stop();
  });

  /** Apiservers of one cluster, each with a connection of its own, the first one leading. */
  async function group(count: number, checkpoints?: CheckpointOptions) {
    const prefix = `atlasnet/test-${prefixes++}`;
    const leases = new Set<string>();
    const members: ConsulStore[] = [];
    const failures: unknown[] = [];
    const agents: ConsulAgent[] = [];
    const add = (): ConsulStore => {
      const agent = new ConsulAgent(dev);
      agents.push(agent);
      const node = `api-${members.length + 1}`;
      const member: ConsulStore = new ConsulStore(
        { node, cluster: "games", prefix, timeoutMs: 10_000, ...(checkpoints && { checkpoints }) },
        {
          ...{ agent, clock: systemClock, random: systemRandom, logger: noopLogger },
          holdsLease: (name) => leases.has(name),
          // In place of the links between apiservers.
          forward: async (leader, request) => {
            const to = members[Number(leader.node.slice(4)) - 1];
            if (to === undefined) throw new Error(`there is no ${leader.node}`);
            return await to.store.takeIn(request);
          },
          events: {
            onChange: () => member.store.leaderChanged(),
            onFailed: (error) => failures.push(error),
          },
        },
      );
      members.push(member);
      member.start();
      return member;
    };
    const first = add();
    await reached(() => first.figures.leads);
    while (members.length < count) add();
    const close = async () => {
      await Promise.all(members.map((member) => member.stop()));
      for (const agent of agents) agent.close();
    };
    closers.push(close);
    return { prefix, members, leases, failures, add, close };
  }

  controlStoreAcceptance("over Consul's key-value store", async () => {
    const { members, leases, failures, close } = await group(2);
    const [near, far] = members;
    if (near === undefined || far === undefined) throw new Error("two members are needed");
    return {
      ...{ near: near.store, far: far.store, clock: systemClock, run: (work) => work },
      setLease: (node, held) => {
        if (held) leases.add(node);
        else leases.delete(node);
      },
      forgetHistory: async () => {
        for (const { store } of members) store.forgetHistory();
      },
      close: async () => {
        await close();
        assert.deepEqual(failures, []);
      },
    };
  });

  const put = (key: string, value: string, id?: string): TxnRequest => ({
    ...(id !== undefined && { id }),
    compare: [],
    then: [{ type: "put", key, value: Buffer.from(value) }],
  });
  const state = async (store: ControlStore) =>
    (await readAll(store, "")).items.map(({ key, value, created, modified, version }) => [
      ...[key, Buffer.from(value).toString(), created, modified, version],
    ]);

  test("writers at three apiservers: every write counts once, in the same order everywhere", async () => {
    const { members, failures, close } = await group(3);
    const write = async (writer: number): Promise<number[]> => {
      const revisions: number[] = [];
      for (let i = 0; i < 30; i++) {
        const { store } = members[(writer + i) % 3] ?? assert.fail();
        revisions.push(
          (await store.txn(put(`k/${(writer * 7 + i) % 10}`, `${writer}/${i}`))).revision,
        );
      }
      return revisions;
    };
    const revisions = (await Promise.all(Array.from({ length: 8 }, (_, i) => write(i)))).flat();
    assert.equal(new Set(revisions).size, 8 * 30);
    assert.equal(Math.max(...revisions) - Math.min(...revisions), 8 * 30 - 1);
    const [first, ...others] = await Promise.all(members.map(({ store }) => state(store)));
    for (const other of others) assert.deepEqual(other, first);
    assert.equal(new Set(members.map(({ store }) => store.figures.hash)).size, 1);
    await close();
    assert.deepEqual(failures, []);
  });

  test("another leads when the leader goes, and has all that was answered", async () => {
    const { members, failures, close } = await group(3);
    const [first, second, third] = members;
    if (first === undefined || second === undefined || third === undefined) assert.fail();
    const before = first.leader?.term ?? 0;
    await second.store.txn(put("before", "1"));
    await first.handOver();
    await reached(() => second.figures.leads || third.figures.leads);
    const { revision } = await first.store.txn(put("after", "2"));
    for (const { store } of members)
      assert.ok((await store.range({ key: "after" })).revision >= revision);
    assert.deepEqual(
      (await state(third.store)).map(([key]) => key),
      ["after", "before"],
    );
    assert.ok((first.leader?.term ?? 0) > before);
    await close();
    assert.deepEqual(failures, []);
  });

  test("a leader whose lock is gone writes no more, and what it is asked goes to the next", async () => {
    const { prefix, members, failures, close } = await group(2);
    const [first, second] = members;
    if (first === undefined || second === undefined) assert.fail();
    await first.store.txn(put("k", "1"));
    const operator = new ConsulAgent(dev);
    const { value: lock } = await operator.get(`${prefix}/leader`);
    await operator.destroySession(lock?.session ?? assert.fail("nobody holds the lock"));
    operator.close();
    await reached(() => second.figures.leads);
    await first.store.txn(put("k", "2", "same"));
    await second.store.txn(put("k", "2", "same"));
    const [item] = (await second.store.range({ key: "k" })).items;
    assert.equal(item?.version, 2);
    await close();
    assert.deepEqual(failures, []);
  });

  test("the log is bounded: a newcomer begins with a checkpoint, and an empty cluster has everything again", async () => {
    const checkpoints = { entries: 50, keep: 10 };
    const { prefix, members, failures, add, close } = await group(1, checkpoints);
    const [first] = members;
    if (first === undefined) assert.fail();
    const large = "x".repeat(250 * 1024);
    for (let i = 0; i < 120; i++)
      await first.store.txn(put(`k/${i % 20}`, i % 40 === 0 ? large : `${i}`));
    await reached(() => first.figures.checkpoints >= 2);
    const operator = new ConsulAgent(dev);
    await reached(() => first.figures.applied >= 120);
    assert.ok((await operator.keys(`${prefix}/checkpoints/`)).length >= 1);
    const second = add();
    assert.deepEqual(await state(second.store), await state(first.store));
    assert.equal(second.store.figures.hash, first.store.figures.hash);
    const expected = await state(first.store);
    await Promise.all([first.stop(), second.stop()]);
    const third = add();
    assert.deepEqual(await state(third.store), expected);
    await reached(() => third.figures.leads);
    await third.store.txn(put("again", "1"));
    operator.close();
    await close();
    assert.deepEqual(failures, []);
  });

  test("a log that went back, or of another cluster, ends an apiserver with what to do", async () => {
    const { prefix, members, failures, close } = await group(1);
    const [first] = members;
    if (first === undefined) assert.fail();
    await first.store.txn(put("k", "1"));
    const operator = new ConsulAgent(dev);
    const other = new ConsulStore(
      { node: "api-9", cluster: "others", prefix },
      {
        ...{ agent: operator, clock: systemClock, random: systemRandom, logger: noopLogger },
        holdsLease: () => false,
        events: { onChange: () => undefined, onFailed: (error) => failures.push(error) },
      },
    );
    other.start();
    await reached(() => failures.length === 1);
    await other.stop();
    await operator.deleteTree(`${prefix}/`);
    await reached(() => failures.length === 2);
    const said = failures.map((error) => (error instanceof Error ? error.message : ""));
    assert.match(said[0] ?? "", /belongs to the cluster games, and this apiserver to others/);
    assert.match(said[1] ?? "", /is not the one that was read: it is gone/);
    operator.close();
    await close();
  });
});
