import type { SimProcess } from "@atlasnet/apiserver/sim";
import { Client, JoinError, memoryResumeStorage, QueueFullError } from "@atlasnet/client";
import type { SeededRandom } from "@atlasnet/core/sim";
import { CheckedSession, type HistorySink } from "@atlasnet/history";
import type { definition } from "@atlasnet/history/world";
import { shownOf, type View } from "../checkers/no-ghosts.ts";
import type { PublicNet } from "./public-net.ts";

export interface SimPlayerOptions {
  readonly id: string;
  readonly world: string;
  /** Of versions of the world: it goes on to the next one when the world has another. */
  readonly definitions: readonly (typeof definition)[];
  /** Addresses of proxies. */
  readonly urls: readonly string[];
  /** Between two of its messages, on average, in ms. */
  readonly sayEveryMs: number;
  /** Tells this instance from all others. */
  readonly writer: number;
}

export interface SimPlayerDependencies {
  readonly process: SimProcess;
  readonly net: PublicNet;
  readonly random: SeededRandom;
  readonly sink: HistorySink;
  readonly now: () => number;
  fault(error: Error): void;
}

const JOIN_TIMEOUT_MS = 20_000;
const REJOIN_PAUSE_MS = 1_000;
const MAX_FILLER_BYTES = 200;

/** One client instance: the real SDK, from its process's start to its end, in one world of the checker. */
export class SimPlayer {
  readonly id: string;
  readonly process: SimProcess;
  private readonly options: SimPlayerOptions;
  private readonly deps: SimPlayerDependencies;
  private readonly client: Client;
  private session: CheckedSession | undefined;
  private joined:
    | { readonly entities: ReadonlyMap<number, object>; leave(): Promise<void> }
    | undefined;
  /** It stays away until then, by its clock. */
  private awayUntil = 0;
  private joins = 0;
  /** Joins that were refused because the world has another definition. */
  private mismatches = 0;
  private isClosing = false;
  /** No more messages. */
  private isQuiet = false;
  /** The last thing that it asks of the world was asked. */
  private asked = false;

  constructor(options: SimPlayerOptions, dependencies: SimPlayerDependencies) {
    const { process, net, random } = dependencies;
    this.id = options.id;
    this.process = process;
    this.options = options;
    this.deps = dependencies;
    this.client = new Client(
      { url: options.urls },
      {
        dial: (url, handlers) =>
          net.dial({ client: options.id, process }, new URL(url).hostname, handlers),
        clock: process,
        random: () => random.float(),
        randomBytes: (count) => random.bytes(count),
        storage: memoryResumeStorage(),
        logger: { warn: () => {} },
      },
    );
  }

  start(): void {
    this.join().catch((error: unknown) => this.deps.fault(asError(error)));
  }

  /** It says nothing new from here on, and then asks for the account of everything. */
  quiet(): void {
    this.isQuiet = true;
  }

  /** It says goodbye to its world, and comes back after `forMs`. */
  leave(forMs: number): void {
    this.awayUntil = this.process.now() + forMs;
    // Without an answer it is gone all the same.
    this.joined?.leave().catch((error: unknown) => this.deps.fault(asError(error)));
  }

  /** Why it is not known yet what became of all it said; undefined: all is proved. */
  get unsettled(): string | undefined {
    const { session } = this;
    if (session === undefined) return `${this.id} is in no world`;
    if (!this.asked) return `${this.id} has not asked for its account`;
    return session.settled
      ? undefined
      : `${this.id}: ${session.heardUpTo} of ${session.said} messages are answered`;
  }

  get world(): string {
    return this.options.world;
  }

  /** What its mirror of the world shows. */
  get view(): View {
    const entities = this.joined?.entities ?? new Map<number, object>();
    return new Map([...entities].map(([id, entity]) => [id, shownOf(entity)]));
  }

  private async join(): Promise<void> {
    const { id, world, writer } = this.options;
    const { sink, now, process, random } = this.deps;
    while (process.isAlive && !this.isClosing) {
      this.joins += 1;
      const session = new CheckedSession(
        { client: `${id} join ${this.joins}`, writer: writer * 1000 + this.joins },
        { sink, now },
      );
      try {
        const joined = await this.client.join(this.definition, {
          world,
          resume: "never",
          timeoutMs: JOIN_TIMEOUT_MS,
          observe: session.observe,
        });
        session.begin(joined);
        this.session = session;
        this.joined = joined;
        this.asked = false;
        this.sayAgain(session);
        // What was said may be gone with the time that was given up: only a new answer says how things are.
        joined.onRollback(() => this.askAgain(session));
        await new Promise<void>((resolve) => joined.onClose(() => resolve()));
      } catch (error) {
        if (!(error instanceof JoinError)) throw error;
        if (error.code === "schema-mismatch") this.mismatches += 1;
      }
      this.session = undefined;
      this.joined = undefined;
      const away = Math.max(0, this.awayUntil - process.now());
      await process.sleep(away + REJOIN_PAUSE_MS * random.float());
    }
  }

  /** The one that it tries now. */
  private get definition(): typeof definition {
    const { definitions } = this.options;
    const tried = definitions[this.mismatches % definitions.length];
    if (tried === undefined) throw new Error("a client is built with a definition");
    return tried;
  }

  private askAgain(session: CheckedSession): void {
    if (!this.asked) return;
    this.asked = false;
    this.sayAgain(session);
  }

  private sayAgain(session: CheckedSession): void {
    const { process, random } = this.deps;
    const pause = -Math.log(1 - random.float()) * this.options.sayEveryMs;
    process.setTimer(pause, () => {
      if (this.session !== session || this.asked) return;
      try {
        if (this.isQuiet) {
          session.balance();
          this.asked = true;
        } else session.say(new Uint8Array(random.int(0, MAX_FILLER_BYTES)));
      } catch (error) {
        if (!(error instanceof QueueFullError)) throw error;
      }
      this.sayAgain(session);
    });
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
