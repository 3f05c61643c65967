import {
  ControlError,
  type Random,
  type RangeRequest,
  type RangeResult,
  type TxnRequest,
  type TxnResult,
} from "@atlasnet/core";
import type { SimApiserver } from "./apiserver.ts";
import type { Books } from "./books.ts";
import type { ControlFaults } from "./faults.ts";
import type { Host, Net } from "./net.ts";

const ASK_MS = 500;
const PAUSE_MS = 20;

export interface ClientParts {
  readonly host: Host;
  readonly net: Net<SimApiserver>;
  readonly random: Random;
  readonly books: Books;
  readonly faults: ControlFaults;
  /** Names of the apiservers, as they are now. */
  readonly apiservers: () => readonly string[];
}

/** "open": nobody knows whether it was applied; it may yet be. */
export type Answered<T> =
  | { readonly type: "done"; readonly result: T }
  | { readonly type: "refused"; readonly code: string }
  | { readonly type: "open" };

/** Asks apiservers, one after another, until one answers; a transaction keeps its id. */
export class StoreClient {
  private readonly parts: ClientParts;
  private server: string | undefined;
  private nextId = 0;

  constructor(parts: ClientParts) {
    this.parts = parts;
  }

  id(): string {
    return `${this.parts.host.id}-${this.parts.random.int(0, 0xffff).toString(16)}-${this.nextId++}`;
  }

  async txn(request: TxnRequest, giveUpMs: number): Promise<Answered<TxnResult>> {
    const { books, faults } = this.parts;
    const named = { ...request, id: request.id ?? this.id() };
    const answer = await this.ask(giveUpMs, (server, attempt) =>
      server.txn(
        faults.has("new-id-per-retry") ? { ...named, id: `${named.id}-${attempt}` } : named,
      ),
    );
    if (answer.type === "done" && !faults.has("new-id-per-retry"))
      books.history.acknowledged(named, answer.result);
    return answer;
  }

  range(request: RangeRequest, giveUpMs: number): Promise<Answered<RangeResult>> {
    return this.ask(giveUpMs, (server) => server.range(request));
  }

  private async ask<T>(
    giveUpMs: number,
    question: (server: SimApiserver, attempt: number) => Promise<T>,
  ): Promise<Answered<T>> {
    const { host, net } = this.parts;
    const { process } = host;
    const end = process.now() + giveUpMs;
    for (let attempt = 0; process.now() < end; attempt++) {
      try {
        const asked = (server: SimApiserver) => question(server, attempt);
        return { type: "done", result: await net.ask(host, this.choose(), asked, ASK_MS) };
      } catch (error) {
        if (!(error instanceof ControlError)) throw error;
        if (!UNDECIDED.has(error.code)) return { type: "refused", code: error.code };
        this.server = undefined;
        await process.sleep(PAUSE_MS);
      }
    }
    return { type: "open" };
  }

  private choose(): string {
    const { random, apiservers } = this.parts;
    const all = apiservers();
    this.server ??= all[random.int(0, all.length - 1)] ?? "";
    return this.server;
  }
}

const UNDECIDED: ReadonlySet<string> = new Set(["no-quorum", "timeout", "unreachable", "busy"]);
