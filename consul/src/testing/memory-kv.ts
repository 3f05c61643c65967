import type { KvItem } from "../agent/answers.ts";
import type { KvOperation, KvTxnResult, Read } from "../agent/consul-agent.ts";
import { ConsulError } from "../consul-error.ts";

/** What becomes of a request: nothing, applied without an answer, or applied and answered. */
export type Fate = "lost" | "unanswered" | "answered";

/** As much of Consul's key-value store as the log needs, in memory, with faults. For tests. */
export class MemoryKv {
  readonly items = new Map<string, KvItem>();
  private index = 0;
  private readonly fate: () => Fate;

  constructor(fate: () => Fate = () => "answered") {
    this.fate = fate;
  }

  async get(key: string): Promise<Read<KvItem | undefined>> {
    return this.answer(() => ({ index: this.index, value: this.items.get(key) }));
  }

  async set(key: string, value: Uint8Array): Promise<void> {
    this.answer(() => this.put(key, value));
  }

  async txn(operations: readonly KvOperation[]): Promise<KvTxnResult> {
    return this.answer(() => {
      const refused = operations.find(
        (operation) =>
          (operation.verb === "get" && !this.items.has(operation.key)) ||
          (operation.verb === "cas" &&
            (this.items.get(operation.key)?.modifyIndex ?? 0) !== operation.index),
      );
      if (refused !== undefined) return { ok: false, problem: `${refused.verb} ${refused.key}` };
      const items = operations.map((operation) => {
        if ("value" in operation) return this.put(operation.key, operation.value);
        const item = this.items.get(operation.key);
        if (item === undefined) throw new Error("deletions are not needed here");
        return item;
      });
      return { ok: true, items };
    });
  }

  private put(key: string, value: Uint8Array): KvItem {
    this.index += 1;
    const item = { key, value: Buffer.from(value), modifyIndex: this.index, session: undefined };
    this.items.set(key, item);
    return item;
  }

  private answer<T>(work: () => T): T {
    const fate = this.fate();
    const gone = new ConsulError("consul-unreachable", "no answer");
    if (fate === "lost") throw gone;
    const result = work();
    if (fate === "unanswered") throw gone;
    return result;
  }
}
