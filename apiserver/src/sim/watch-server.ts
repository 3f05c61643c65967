import type { WatchRequest } from "@atlasnet/core";
import type { ReplicatedStore } from "../store/replicated-store.ts";
import type { HubWatch, WatchEvent } from "../store/watch-hub.ts";
import type { ControlFaults } from "./faults.ts";
import type { SimProcess } from "./process.ts";

/** "none": nothing has happened for a while. "unknown": this process knows no such watch. */
export type Told =
  | Exclude<WatchEvent, { type: "stopped" }>
  | { readonly type: "none" }
  | { readonly type: "unknown" };

/** How long a question for the next event waits for one, and how long a watch is kept that nobody asks. */
const POLL_MS = 400;
const FORGET_MS = 5000;

interface Open {
  readonly request: WatchRequest;
  hub: HubWatch;
  number: number;
  told: Promise<Told>;
  wake: () => void;
  askedAt: number;
  before: Told | undefined;
}

/** The watches of an apiserver, asked for event by event; a question that comes again gets the same answer. */
export class WatchServer {
  private readonly watches = new Map<string, Open>();
  private readonly store: ReplicatedStore;
  private readonly process: SimProcess;
  private readonly faults: ControlFaults;
  private readonly chance: () => number;
  private readonly life: number;
  private next = 0;

  constructor(
    store: ReplicatedStore,
    {
      process,
      faults,
      chance,
    }: { process: SimProcess; faults: ControlFaults; chance: () => number },
  ) {
    this.store = store;
    this.process = process;
    this.faults = faults;
    this.chance = chance;
    this.life = Math.floor(this.chance() * 2 ** 32);
    this.sweep();
  }

  /** @throws ControlError */
  open(request: WatchRequest): string {
    // Other lives of this apiserver have other watches.
    const id = `${this.life}.${this.next++}`;
    const open: Open = {
      request,
      hub: this.store.pull(request, () => open.wake()),
      number: 0,
      told: Promise.resolve({ type: "none" }),
      wake: () => {},
      askedAt: this.process.now(),
      before: undefined,
    };
    this.watches.set(id, open);
    return id;
  }

  /** The `number`th answer, from 1. */
  async ask(id: string, number: number): Promise<Told> {
    const open = this.watches.get(id);
    if (open === undefined || number < open.number || number > open.number + 1)
      return { type: "unknown" };
    open.askedAt = this.process.now();
    if (number === open.number + 1) {
      open.number = number;
      open.told = this.take(open);
    }
    return await open.told;
  }

  private async take(open: Open): Promise<Told> {
    if (this.faults.has("watch-goes-silent") && open.number > 6) {
      await this.process.sleep(POLL_MS);
      return { type: "none" };
    }
    if (this.faults.has("watch-always-compacted") && this.chance() < 0.05)
      return { type: "compacted", revision: this.store.figures.revision };
    let event = open.hub.next();
    if (event === undefined) {
      await this.wait(open);
      event = open.hub.next();
    }
    if (event === undefined) return { type: "none" };
    if (event.type === "stopped") return { type: "unknown" };
    return this.disturb(open, event);
  }

  private wait(open: Open): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.process.setTimer(POLL_MS, resolve);
      open.wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  private disturb(open: Open, event: Exclude<WatchEvent, { type: "stopped" }>): Told {
    const { faults } = this;
    if (event.type === "compacted" && faults.has("watch-hides-compaction")) {
      const { after: _, ...request } = open.request;
      open.hub = this.store.pull(request, () => open.wake());
      return { type: "none" };
    }
    if (event.type === "changed" && faults.has("watch-skips") && this.chance() < 0.03)
      return { type: "none" };
    if (event.type === "changed" && faults.has("watch-goes-back")) {
      const { before } = open;
      open.before = event;
      if (before && this.chance() < 0.03) return before;
    }
    return event;
  }

  private sweep(): void {
    this.process.setTimer(FORGET_MS, () => {
      for (const [id, open] of this.watches)
        if (this.process.now() - open.askedAt > FORGET_MS) {
          this.watches.delete(id);
          open.hub.close();
        }
      this.sweep();
    });
  }
}
