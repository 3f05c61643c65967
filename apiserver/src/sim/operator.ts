import {
  ABSENT,
  changeNodeState,
  cordonNode,
  createWorld,
  decodeRecord,
  drainNode,
  generationOf,
  type NodeRecord,
  nodeKey,
  type Proposal,
  type Records,
  removeWorld,
  type Seen,
  seen,
  updateWorld,
  worldKey,
} from "@atlasnet/core";
import { worldRecord } from "@atlasnet/core/testing";
import { type ClientParts, StoreClient } from "./store-client.ts";

const GIVE_UP_MS = 3000;

const WORLD = worldRecord({ durability: "none" });

/** Makes, changes and removes worlds; cordons and drains nodes, and takes that back. */
export class Operator {
  private readonly parts: ClientParts;
  private readonly client: StoreClient;
  private readonly worlds: readonly string[];
  private readonly nodes: readonly string[];
  private busy = false;

  constructor(
    { worlds, nodes }: { worlds: readonly string[]; nodes: readonly string[] },
    parts: ClientParts,
  ) {
    this.worlds = worlds;
    this.nodes = nodes;
    this.parts = parts;
    this.client = new StoreClient(parts);
  }

  /** Until every world is there and every node takes shards. */
  async arrange(): Promise<void> {
    while (this.busy) await this.parts.host.process.sleep(100);
    for (const world of this.worlds)
      await this.insist(() =>
        this.change("world", worldKey(world), (before) => {
          if (before.record === undefined) return createWorld(world, before, WORLD);
          return before.record.enabled ? undefined : updateWorld(world, before, WORLD);
        }),
      );
    for (const node of this.nodes) {
      await this.insist(() =>
        this.change("node", nodeKey(node), (before, generation) =>
          before.record?.cordoned ? cordonNode(node, before, generation, false) : undefined,
        ),
      );
      await this.insist(() =>
        this.change("node", nodeKey(node), (before) => undrain(node, before)),
      );
    }
  }

  async meddle(): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    const { random } = this.parts;
    const world = this.worlds[random.int(0, this.worlds.length - 1)] ?? "";
    const node = this.nodes[random.int(0, this.nodes.length - 1)] ?? "";
    const kind = random.int(0, 6);
    if (kind <= 2)
      await this.change("world", worldKey(world), (before) => {
        if (before.record === undefined) return createWorld(world, before, WORLD);
        if (kind === 0) return removeWorld(world, before);
        const nodes = random.float() < 0.3 ? [node] : [];
        const constraints = { nodeLabels: {}, nodes };
        const enabled = random.float() < 0.7;
        return updateWorld(world, before, { ...before.record, enabled, constraints });
      });
    else if (kind === 3)
      await this.change("node", nodeKey(node), (before, generation) =>
        cordonNode(node, before, generation, before.record?.cordoned !== true),
      );
    else if (kind === 4)
      await this.change("node", nodeKey(node), (before, generation) =>
        drainNode(node, before, generation),
      );
    else await this.change("node", nodeKey(node), (before) => undrain(node, before));
    this.busy = false;
  }

  /** A write at the end, to see that there is one. */
  async write(key: string): Promise<boolean> {
    const then = [{ type: "put", key, value: new Uint8Array([1]) }] as const;
    return (await this.client.txn({ compare: [], then }, GIVE_UP_MS)).type === "done";
  }

  private async insist(work: () => Promise<boolean>): Promise<void> {
    while (!(await work())) await this.parts.host.process.sleep(100);
  }

  private async change<K extends "node" | "world">(
    kind: K,
    key: string,
    make: (before: Seen<Records[K]>, generation: number) => Proposal<string> | undefined,
  ): Promise<boolean> {
    const read = await this.client.range({ key }, GIVE_UP_MS);
    if (read.type !== "done") return false;
    const [item] = read.result.items;
    const decoded = item && decodeRecord(kind, item.value);
    const absent: Seen<Records[K]> = ABSENT;
    const before = item && decoded?.ok ? seen(decoded.record, item) : absent;
    const made = make(before, generationOf(read.result.revision));
    if (made === undefined) return true;
    if (!made.ok) return false;
    const answer = await this.client.txn(made.txn, GIVE_UP_MS);
    return answer.type === "done" && answer.result.succeeded;
  }
}

function undrain(node: string, before: Seen<NodeRecord>): Proposal<string> | undefined {
  const { record } = before;
  if (record?.state !== "draining") return undefined;
  return changeNodeState(node, before, record.boot, "ready");
}
