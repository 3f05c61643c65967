import {
  type Change,
  type Clock,
  type ControlStore,
  type ControlWatch,
  type KeyValue,
  type Revision,
  readAll,
  type Timer,
} from "@atlasnet/core";
import type { NodeAddress } from "@atlasnet/core/node";
import {
  APISERVERS,
  type ApiserverRecord,
  apiserverOfKey,
  decodeApiserver,
  linkAddressText,
  parseLinkAddress,
} from "./apiserver-record.ts";

/** After reading or watching has failed. */
const RETRY_MS = 500;

export interface KnownApiserver {
  readonly record: ApiserverRecord;
  readonly modified: Revision;
}

/**
 * Where apiservers take links: as the control store says, which `atlasnet raft add` writes, else as the
 * settings say. When both name a place for the same one they are tried in turn, for either may be out of date:
 * who answers has to prove by certificate that it is the one.
 */
export class AddressBook {
  private readonly configured: ReadonlyMap<string, NodeAddress>;
  private readonly records = new Map<string, KnownApiserver>();
  private readonly turns = new Map<string, number>();

  /** As `apiserver.peers` names them. */
  constructor(configured: ReadonlyMap<string, NodeAddress>) {
    this.configured = configured;
  }

  /** Where to try next; undefined: unknown. */
  lookup(node: string): NodeAddress | undefined {
    const recorded = parseLinkAddress(this.records.get(node)?.record.address ?? "");
    const configured = this.configured.get(node);
    if (recorded === undefined || configured === undefined) return recorded ?? configured;
    if (linkAddressText(recorded) === linkAddressText(configured)) return recorded;
    const turn = this.turns.get(node) ?? 0;
    this.turns.set(node, turn + 1);
    return turn % 2 === 0 ? recorded : configured;
  }

  /** host:port for people. */
  shown(node: string): string | undefined {
    const configured = this.configured.get(node);
    const recorded = this.records.get(node)?.record.address;
    return recorded ?? (configured && linkAddressText(configured));
  }

  record(node: string): KnownApiserver | undefined {
    return this.records.get(node);
  }

  /** What the control store says, as far as it is applied here. */
  get recorded(): ReadonlyMap<string, KnownApiserver> {
    return this.records;
  }

  /** Those to have links to: the settings count until the control store knows better. */
  get contacts(): readonly string[] {
    return [...(this.records.size > 0 ? this.records : this.configured).keys()];
  }

  /** Follows the control store until it is closed. */
  follow(store: ControlStore, clock: Clock): { close(): void } {
    let watch: ControlWatch | undefined;
    let timer: Timer | undefined;
    let closed = false;
    const again = () => {
      if (!closed) timer = clock.setTimer(RETRY_MS, begin);
    };
    const begin = () => {
      readAll(store, APISERVERS, "local").then(({ items, revision }) => {
        if (closed) return;
        this.take(items);
        watch = store.watch(
          { prefix: APISERVERS, after: revision },
          {
            changed: ({ changes }) => this.change(changes),
            compacted: begin,
            failed: again,
          },
        );
      }, again);
    };
    begin();
    return {
      close: () => {
        closed = true;
        timer?.cancel();
        watch?.close();
      },
    };
  }

  private take(items: readonly KeyValue[]): void {
    this.records.clear();
    for (const item of items) this.put(item);
  }

  private change(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.type === "put") this.put(change.item);
      else this.records.delete(apiserverOfKey(change.key) ?? "");
    }
  }

  private put({ key, value, modified }: KeyValue): void {
    const node = apiserverOfKey(key);
    const record = decodeApiserver(value);
    // One that a later version wrote is left to the settings.
    if (node !== undefined && record !== undefined) this.records.set(node, { record, modified });
  }
}
