import { hexOf } from "@atlasnet/world";
import type { Logger } from "../../logging/logger.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { NodeRegistration } from "../control-plane.ts";
import { type ControlStore, generationOf } from "../control-store.ts";
import { registerNode } from "../node-changes.ts";
import { Pauses } from "../pauses.ts";
import type { NodeRecord } from "../records.ts";
import type { Boots } from "./boots.ts";
import { type OwnRecord, readOwnRecord } from "./own-key.ts";
import { isRetryable } from "./retryable.ts";

/** What a node says of itself when it registers. */
export type NodeDescription = Pick<
  NodeRecord,
  "role" | "labels" | "capacity" | "modules" | "address" | "fingerprint"
>;

export interface RegisterOptions {
  readonly node: string;
  readonly leaseMs: number;
  /** True: also what waiting should not help with is waited for; somebody has to mend it at the apiservers. */
  readonly persistent: boolean;
}

export interface RegisterDependencies {
  readonly store: ControlStore;
  readonly boots: Boots;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Asked for each try. */
  describe(): Promise<NodeDescription>;
  /** What it waits for, for people; undefined: for nothing. */
  waiting(reason: string | undefined): void;
  /** Gives it up. */
  readonly signal: AbortSignal;
}

const MIN_PAUSE_MS = 50;
const MAX_PAUSE_MS = 2000;
const BOOT_BYTES = 16;

/**
 * Registers the node with a new boot, however long that takes; undefined when it was given up. Each boot comes
 * into the store once at most: every try compares with what was read, and a boot that was declared lost is
 * not taken again. @throws what waiting cannot help with
 */
export async function register(
  options: RegisterOptions,
  dependencies: RegisterDependencies,
): Promise<NodeRegistration | undefined> {
  const registering = new Registering(options, dependencies);
  return registering.run();
}

class Registering {
  private readonly options: RegisterOptions;
  private readonly deps: RegisterDependencies;
  private readonly pauses: Pauses;
  private known: ReadonlySet<string> = new Set();
  private boot = "";
  private told: string | undefined;

  constructor(options: RegisterOptions, dependencies: RegisterDependencies) {
    this.options = options;
    this.deps = dependencies;
    const longest = Math.min(MAX_PAUSE_MS, options.leaseMs);
    this.pauses = new Pauses({ minMs: MIN_PAUSE_MS, maxMs: longest }, dependencies);
  }

  async run(): Promise<NodeRegistration | undefined> {
    const { boots, signal } = this.deps;
    this.known = await boots.known();
    await this.newBoot();
    while (!signal.aborted) {
      const registration = await this.attempt();
      if (registration !== undefined) {
        await boots.registered(registration.boot);
        this.deps.waiting(undefined);
        return registration;
      }
      await this.pauses.wait();
    }
    return undefined;
  }

  private async newBoot(): Promise<void> {
    this.boot = hexOf(this.deps.random.bytes(BOOT_BYTES));
    await this.deps.boots.begins(this.boot);
  }

  private async attempt(): Promise<NodeRegistration | undefined> {
    const { store } = this.deps;
    try {
      const own = await readOwnRecord(store, this.options.node);
      return (await this.alreadyIn(own)) ?? (await this.propose(own));
    } catch (error) {
      if (!isRetryable(error) && !this.options.persistent) throw error;
      this.wait(
        "unreachable",
        error instanceof Error ? error.message : String(error),
        "The node cannot register yet; it tries again.",
      );
      return undefined;
    }
  }

  /** A try whose answer was lost may have come through. */
  private async alreadyIn({
    before,
    generation,
  }: OwnRecord): Promise<NodeRegistration | undefined> {
    const { boot } = this;
    if (before.record?.boot !== boot) return undefined;
    const isLost = before.record.state === "lost" || before.record.state === "stopped";
    if (!isLost && generationOf(before.modified) === generation)
      return { boot, generation, revision: before.modified };
    this.known = new Set([...this.known, boot]);
    await this.newBoot();
    return undefined;
  }

  private async propose({ before, generation }: OwnRecord): Promise<NodeRegistration | undefined> {
    const { store, clock, describe } = this.deps;
    const { node, leaseMs } = this.options;
    const { boot } = this;
    const held = before.record?.boot;
    const record = {
      ...(await describe()),
      boot,
      state: "starting",
      leaseMs,
      registered: clock.wallTime(),
    } as const;
    const previousBoot = held !== undefined && this.known.has(held) ? held : undefined;
    const proposal = registerNode(node, before, { record, generation, previousBoot });
    if (!proposal.ok) {
      this.wait(
        "held",
        `${proposal.problem} (${(before.record?.leaseMs ?? 0) / 1000} s after it was heard last)`,
        "Another process holds this node's name; it is waited for.",
      );
      return undefined;
    }
    const { succeeded, revision } = await store.txn(proposal.txn);
    // Otherwise somebody was faster: what is there now is read.
    return succeeded ? { boot, generation: generationOf(revision), revision } : undefined;
  }

  /** Says it once in the log. */
  private wait(kind: string, reason: string, message: string): void {
    const { waiting, logger } = this.deps;
    waiting(reason);
    if (this.told === kind) return;
    this.told = kind;
    logger.warn(message, { member: this.options.node, reason });
  }
}
