import { ControlError } from "@atlasnet/core";
import type { SimApiserver } from "./apiserver.ts";
import { WatchBook } from "./checkers/watch-book.ts";
import type { ClientParts, StoreClient } from "./store-client.ts";
import type { Told } from "./watch-server.ts";

/** Longer than an apiserver waits for an event. */
const ASK_MS = 900;
const GIVE_UP_MS = 2000;

/** Reads what is below a prefix and watches it on, at another apiserver whenever one fails. */
export class Watcher {
  readonly book: WatchBook;
  private readonly prefix: string;
  private readonly parts: ClientParts;
  private readonly client: StoreClient;
  private readonly historyChanges: number;
  private readonly onChange: () => void;
  private isCurrent = false;

  constructor(
    options: { prefix: string; historyChanges: number; onChange?: () => void },
    parts: ClientParts,
    client: StoreClient,
  ) {
    this.prefix = options.prefix;
    this.historyChanges = options.historyChanges;
    this.onChange = options.onChange ?? (() => {});
    this.parts = parts;
    this.client = client;
    const { history, violations } = parts.books;
    this.book = new WatchBook(
      { name: `${parts.host.id}'s watch of ${options.prefix}`, prefix: options.prefix },
      { history, violations },
    );
  }

  /** It has read all there is, at least once. */
  get isReady(): boolean {
    return this.isCurrent;
  }

  /** Never ends; its process does. */
  async run(): Promise<never> {
    const { process } = this.parts.host;
    for (;;) {
      if (!this.isCurrent) await this.read();
      else await this.watch();
      await process.sleep(5);
    }
  }

  private async read(): Promise<void> {
    const { prefix, client } = this;
    const answer = await client.range({ prefix }, GIVE_UP_MS);
    if (answer.type !== "done") return;
    this.book.began(answer.result.items, answer.result.revision);
    this.isCurrent = true;
    this.onChange();
  }

  private async watch(): Promise<void> {
    const { net, host, random, apiservers, faults } = this.parts;
    const all = apiservers();
    const server = all[random.int(0, all.length - 1)] ?? "";
    const after = this.book.position + (faults.has("watch-resumes-late") ? 1 : 0);
    const request = faults.has("watch-resumes-from-now")
      ? { prefix: this.prefix }
      : { prefix: this.prefix, after };
    try {
      const id = await net.ask(host, server, (at) => at.openWatch(request), ASK_MS);
      for (let number = 1; ; number++) {
        const ask = async (at: SimApiserver) => ({
          told: await at.nextEvent(id, number),
          loaded: at.loadedRevision,
        });
        const { told, loaded } = await net.ask(host, server, ask, ASK_MS);
        if (!this.take(told, loaded)) return;
        // Now and then it goes elsewhere, as nodes do.
        if (random.float() < 0.01) return;
      }
    } catch (error) {
      if (!(error instanceof ControlError)) throw error;
    }
  }

  private take(told: Told, loaded: number): boolean {
    const { book } = this;
    switch (told.type) {
      case "none":
        return true;
      case "unknown":
        return false;
      case "changed":
        book.changed(told.revision, told.changes);
        this.onChange();
        return true;
      case "compacted":
        book.compacted(this.mayBeForgotten(loaded));
        this.isCurrent = false;
        return false;
    }
  }

  private mayBeForgotten(loaded: number): boolean {
    const { position } = this.book;
    const { changeCounts, model } = this.parts.books.history;
    const since = (changeCounts[model.revision] ?? 0) - (changeCounts[position] ?? 0);
    return position < loaded || since >= this.historyChanges;
  }
}
