import {
  type Clock,
  ControlError,
  type ControlStore,
  decodeCbor,
  encodeCbor,
  type SecureRandom,
  type Timer,
  wireInteger,
} from "@atlasnet/core";
import * as v from "valibot";

/** Which life of its log an apiserver began last. `lives/<id>` in the control store. */
export function lifeKey(node: string): string {
  return `lives/${node}`;
}

const RETRY_MS = 500;

const schema = v.object({
  incarnation: v.number(),
  /** Times that the log was opened. */
  life: v.number(),
  /** Of this opening alone: two copies may count to the same life. */
  start: v.string(),
});
type Life = v.InferOutput<typeof schema>;

interface LifeCheckDependencies {
  readonly store: Pick<ControlStore, "range" | "txn">;
  readonly clock: Clock;
  readonly random: SecureRandom;
  /** Once: a later life of this log has been here already. */
  onOldCopy(): void;
}

/**
 * Each opening of a log counts its lives up, and is written down in the control store. A log that comes with a
 * life that is over is an old copy: it may have forgotten votes and entries that its later self has promised.
 *
 * It is found out once there is a leader, so an old copy can take part for a moment: this tells a person what
 * happened. What must never happen is left to people: not to bring back old copies.
 */
export class LifeCheck {
  private readonly node: string;
  private readonly own: Life;
  private readonly parts: LifeCheckDependencies;
  private timer: Timer | undefined;
  private stopped = false;

  constructor(
    {
      node,
      incarnation,
      life,
    }: { readonly node: string; readonly incarnation: number; readonly life: number },
    dependencies: LifeCheckDependencies,
  ) {
    const start = Buffer.from(dependencies.random.bytes(8)).toString("hex");
    this.node = node;
    this.own = { incarnation, life, start };
    this.parts = dependencies;
  }

  /** Tries until it knows. */
  start(): void {
    if (this.stopped) return;
    this.check().catch((error: unknown) => {
      if (!(error instanceof ControlError)) throw error;
      // Nobody leads yet, or this node waits to be added.
      if (!this.stopped) this.timer = this.parts.clock.setTimer(RETRY_MS, () => this.start());
    });
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private async check(): Promise<void> {
    const { store, onOldCopy } = this.parts;
    const key = lifeKey(this.node);
    const [item] = (await store.range({ key })).items;
    if (this.stopped) return;
    if (isOver(this.own, item && decode(item.value))) {
      this.stop();
      return onOldCopy();
    }
    const { incarnation, life, start } = this.own;
    const value = encodeCbor({
      incarnation: wireInteger(incarnation),
      life: wireInteger(life),
      start,
    }).slice();
    const { succeeded } = await store.txn({
      compare: [{ type: "modified", key, is: "equal", revision: item?.modified ?? 0 }],
      then: [{ type: "put", key, value }],
    });
    // Another one with this id was faster, which says whose life it is.
    if (!succeeded) this.start();
  }
}

/** A log that was made anew begins its lives anew. */
export function isOver(own: Life, known: Life | undefined): boolean {
  if (known === undefined || known.incarnation !== own.incarnation) return false;
  return known.life > own.life || (known.life === own.life && known.start !== own.start);
}

function decode(bytes: Uint8Array): Life | undefined {
  const decoded = decodeCbor(bytes, { maxDepth: 2, maxItems: 16 });
  if (!decoded.ok) return undefined;
  const parsed = v.safeParse(schema, decoded.value);
  return parsed.success ? parsed.output : undefined;
}
