import { ApiClient, ControlClient } from "@atlasnet/apiserver/client";
import { type ControlStore, MAX_RETRY_MS } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";

const PREFIX = "kv/cluster/failover/";
/** The value of a key is the number of the last write to it, and this many bytes long. */
const VALUE_BYTES = 200;

/** One write: when it began and when it was acknowledged, in ms of `performance.now()`. */
export interface Write {
  readonly began: number;
  readonly ended: number;
}

interface Writer {
  readonly key: string;
  /** Of the last write that was begun. */
  begun: number;
  /** Of the last write that was acknowledged. */
  acknowledged: number;
  since: number | undefined;
}

/** Clients that write one value after the other, each to its own key, over the HTTP API, and retry. */
export class Writers {
  readonly failures: string[] = [];
  writes: Write[] = [];
  private readonly client: ApiClient;
  private readonly store: ControlStore;
  private readonly writers: readonly Writer[];
  private running: Promise<unknown> | undefined;
  private stopping = false;

  constructor(addresses: readonly string[], token: string, count: number) {
    this.client = new ApiClient(
      { addresses, token, retryMs: MAX_RETRY_MS },
      { clock: systemClock, random: systemRandom },
    );
    this.store = new ControlClient({ client: this.client });
    this.writers = Array.from({ length: count }, (_, index) => ({
      key: `${PREFIX}${index}`,
      begun: 0,
      acknowledged: 0,
      since: undefined,
    }));
  }

  start(): void {
    this.stopping = false;
    this.running = Promise.all(this.writers.map((writer) => this.write(writer)));
  }

  /** Resolves once nothing is under way. */
  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  /** When those requests began that are not answered yet. */
  inFlight(): readonly number[] {
    return this.writers.flatMap(({ since }) => since ?? []);
  }

  /** Acknowledged writes that the cluster does not have; it must have been stopped before. */
  async lost(): Promise<readonly string[]> {
    const { items } = await this.store.range({ prefix: PREFIX });
    const found = new Map(items.map(({ key, value }) => [key, numberOf(value)]));
    return this.writers.flatMap(({ key, acknowledged, begun }) => {
      const stored = found.get(key) ?? 0;
      return stored >= acknowledged && stored <= begun
        ? []
        : [`${key}: ${acknowledged} was acknowledged, ${stored} is there`];
    });
  }

  close(): void {
    this.client.close();
  }

  private async write(writer: Writer): Promise<void> {
    while (!this.stopping) {
      const number = writer.begun + 1;
      writer.begun = number;
      const began = performance.now();
      writer.since = began;
      try {
        const value = new Uint8Array(VALUE_BYTES);
        new DataView(value.buffer).setUint32(0, number);
        await this.store.txn({ compare: [], then: [{ type: "put", key: writer.key, value }] });
        writer.acknowledged = number;
        this.writes.push({ began, ended: performance.now() });
      } catch (error) {
        this.failures.push(String(error));
      }
      writer.since = undefined;
    }
  }
}

function numberOf(value: Uint8Array): number {
  return new DataView(value.buffer, value.byteOffset).getUint32(0);
}
