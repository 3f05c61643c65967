import { encodeUpdates } from "@atlasnet/core";
import { ByteWriter } from "@atlasnet/world";
import type { SentUpdates } from "../gateway/client-connection.ts";
import { BatchHistory } from "./batch-history.ts";
import type { ClientFeed } from "./client-feed.ts";
import { addUpdate } from "./update-writer.ts";

/** Plain counters: read when somebody looks at the metrics. */
export interface MendCounters {
  /** Updates of topics that did not arrive, that were sent again, and full states asked for instead. */
  updatesLost: number;
  updatesMended: number;
  mendsAsked: number;
}

/**
 * Makes good what clients did not get of their topics' changes: sends it again while it is kept, and
 * asks for full state when it is not. What a client got in full since, or holds no longer, it can do
 * without.
 */
export class Mender {
  private readonly counters: MendCounters;
  private readonly history = new BatchHistory();
  private readonly scratch = new ByteWriter(1024);
  /** Clients with an unreliable path; without any nothing is kept. */
  private clients = 0;

  constructor(counters: MendCounters) {
    this.counters = counters;
  }

  added(feed: ClientFeed): void {
    if (feed.updates !== undefined) this.clients += 1;
  }

  removed(feed: ClientFeed): void {
    if (feed.updates !== undefined) this.clients -= 1;
    if (this.clients === 0) this.history.clear();
  }

  /** A batch goes out that was read without fault. */
  remember(tick: number, batch: Uint8Array): void {
    if (this.clients > 0) this.history.add(tick, batch);
  }

  /** The item that mends a loss; undefined when there is nothing to send. */
  mend(feed: ClientFeed, { tick, topics }: SentUpdates): Uint8Array | undefined {
    const { scratch, counters, history } = this;
    const { table, origins } = feed;
    if (origins === undefined) return undefined;
    scratch.reset();
    for (const topic of topics) {
      const slot = table.slotOf(topic);
      if (slot < 0 || origins.tickOf(slot) >= tick) continue;
      const section = history.find(tick, topic);
      if (section === undefined) {
        this.ask(feed);
        continue;
      }
      if (scratch.length === 0) scratch.varint(tick);
      addUpdate(scratch, topic, origins.of(slot), section);
      counters.updatesMended += 1;
    }
    return scratch.length === 0 ? undefined : encodeUpdates(scratch.view8());
  }

  /** Once, until full state went out. */
  private ask(feed: ClientFeed): void {
    if (feed.mendAsked) return;
    feed.mendAsked = true;
    this.counters.mendsAsked += 1;
    feed.output.requestResync();
  }
}
