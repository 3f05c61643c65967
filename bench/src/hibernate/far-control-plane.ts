import { Worker } from "node:worker_threads";
import type {
  ControlPlane,
  ControlPlaneEvents,
  ControlStore,
  NodeRegistration,
  WatchEvents,
} from "@atlasnet/core";
import { NODE, type StoreAnswers, type StoreQuestion } from "./store-thread.ts";

interface Said {
  readonly number?: number;
  readonly value?: unknown;
  readonly error?: string;
  readonly watch?: number;
  readonly news?: Parameters<WatchEvents["changed"]>[0];
}

/** A gameserver's tie to the control plane of `store-thread.ts`. Its lease always holds. */
export class FarControlPlane implements ControlPlane {
  readonly node = NODE;
  readonly store: ControlStore;
  registration: NodeRegistration | undefined;
  // Without the probe: its heap is not counted.
  private readonly worker = new Worker(new URL("./store-thread.js", import.meta.url), {
    execArgv: [],
  });
  private readonly asked = new Map<number, (said: Said) => void>();
  private readonly watches = new Map<number, WatchEvents>();
  private numbers = 0;
  private isReady: () => void = () => undefined;
  /** Everything is watched: this store's watches do not tell what came before them. */
  readonly ready: Promise<void>;

  constructor() {
    this.ready = new Promise((resolve) => {
      this.isReady = resolve;
    });
    this.worker.on("message", (said: Said) => {
      if (said.watch !== undefined && said.news !== undefined)
        this.watches.get(said.watch)?.changed(said.news);
      if (said.number === undefined) return;
      this.asked.get(said.number)?.(said);
      this.asked.delete(said.number);
    });
    this.store = {
      range: (request) => this.ask({ type: "range", request }),
      txn: (request) => this.ask({ type: "txn", request }),
      watch: (watch, events) => {
        const number = ++this.numbers;
        this.watches.set(number, events);
        this.worker.postMessage({ number, watch });
        return { close: () => void this.watches.delete(number) };
      },
      leader: () => undefined,
    };
  }

  ask<Q extends StoreQuestion>(question: Q): Promise<StoreAnswers[Q["type"]]> {
    const number = ++this.numbers;
    this.worker.postMessage({ number, question });
    return new Promise((resolve, reject) => {
      this.asked.set(number, ({ value, error }) => {
        if (error !== undefined) reject(new Error(error));
        else resolve(value as StoreAnswers[Q["type"]]);
      });
    });
  }

  async start(events: ControlPlaneEvents): Promise<void> {
    this.registration = await this.ask({ type: "register" });
    if (this.registration === undefined) throw new Error("the node was not registered");
    events.registered(this.registration);
    events.unsealed();
  }

  hurry(): void {}

  mayAct(): boolean {
    return this.registration !== undefined;
  }

  async setState(state: "ready" | "draining" | "stopped"): Promise<void> {
    await this.ask({ type: "state", state });
    if (state === "ready") this.isReady();
  }

  async stop(): Promise<void> {
    await this.worker.terminate();
  }
}
