import { ControlError } from "@atlasnet/core";
import type { KeyEffect, KeyOperation } from "./checkers/key-history.ts";
import { type ClientParts, StoreClient } from "./store-client.ts";

const KEYS = 4;
const GIVE_UP_MS = 2500;
const MAX_PAUSE_MS = 150;

/** Reads, writes and swaps a few keys, and remembers what it saw. */
export class KvClient {
  readonly operations = new Map<string, KeyOperation[]>();
  private readonly parts: ClientParts;
  private readonly client: StoreClient;
  private readonly seen = new Map<string, string>();
  private values = 0;
  private open: { readonly key: string; readonly called: number; effect: KeyEffect } | undefined;
  /** No new ones from now on. */
  over = false;
  counts = { done: 0, open: 0 };

  constructor(parts: ClientParts) {
    this.parts = parts;
    this.client = new StoreClient(parts);
  }

  get isIdle(): boolean {
    return this.open === undefined;
  }

  async run(): Promise<void> {
    const { host, random } = this.parts;
    while (!this.over) {
      await host.process.sleep(random.int(1, MAX_PAUSE_MS));
      await this.act(`kv/cluster/k${random.int(0, KEYS - 1)}`);
    }
  }

  /** An operation whose client is gone counts as unanswered. */
  finish(): void {
    if (this.open)
      this.note(this.open.key, this.open.called, Number.POSITIVE_INFINITY, this.open.effect);
    this.open = undefined;
  }

  private async act(key: string): Promise<void> {
    const { random } = this.parts;
    const known = this.seen.get(key);
    const kind = random.float();
    if (kind < 0.45) await this.read(key);
    else if (kind < 0.7 && known !== undefined) await this.swap(key, known);
    else if (kind < 0.95) await this.write(key, this.value());
    else await this.write(key, undefined);
  }

  private async read(key: string): Promise<void> {
    const called = this.parts.books.moment();
    const answer = await this.client.range({ key }, GIVE_UP_MS);
    if (answer.type !== "done") return;
    const [item] = answer.result.items;
    const value = item && new TextDecoder().decode(item.value);
    if (value !== undefined) this.seen.set(key, value);
    this.note(key, called, this.parts.books.moment(), { type: "read", value });
  }

  private async write(key: string, value: string | undefined): Promise<void> {
    const effect = { type: "write", value } as const;
    const answered = await this.change(key, effect, {
      compare: [],
      then: [
        value === undefined ? { type: "delete", key } : { type: "put", key, value: bytes(value) },
      ],
    });
    if (answered !== undefined && value !== undefined) this.seen.set(key, value);
  }

  private async swap(key: string, from: string): Promise<void> {
    const to = this.value();
    const effect = { type: "swap", from, to, succeeded: undefined } as const;
    const succeeded = await this.change(key, effect, {
      compare: [{ type: "value", key, equals: bytes(from) }],
      then: [{ type: "put", key, value: bytes(to) }],
    });
    if (succeeded) this.seen.set(key, to);
    else this.seen.delete(key);
  }

  private async change(
    key: string,
    effect: KeyEffect,
    request: Parameters<StoreClient["txn"]>[0],
  ): Promise<boolean | undefined> {
    const called = this.parts.books.moment();
    this.open = { key, called, effect };
    const answer = await this.client.txn(request, GIVE_UP_MS);
    this.open = undefined;
    if (answer.type === "refused")
      throw new ControlError("bad-request", `a client's write was refused: ${answer.code}`);
    if (answer.type === "open") {
      this.counts.open += 1;
      this.note(key, called, Number.POSITIVE_INFINITY, effect);
      return undefined;
    }
    this.counts.done += 1;
    const { succeeded } = answer.result;
    const known = effect.type === "swap" ? { ...effect, succeeded } : effect;
    this.note(key, called, this.parts.books.moment(), known);
    return succeeded;
  }

  private note(key: string, called: number, answered: number, effect: KeyEffect): void {
    const operation = { called, answered, effect };
    const all = this.operations.get(key);
    if (all) all.push(operation);
    else this.operations.set(key, [operation]);
  }

  private value(): string {
    this.values += 1;
    return `${this.parts.host.id}.${this.values}`;
  }
}

function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
