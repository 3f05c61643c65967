import { usualFailover } from "@atlasnet/apiserver";
import {
  createWorld,
  encodeRecord,
  OperatingError,
  PlainError,
  type Seen,
  sameBytes,
  type TxnParts,
  toPlain,
  updateWorld,
  type WorldConfig,
  type WorldRecord,
} from "@atlasnet/core";
import { NODE } from "./names.ts";

/** A label on the worlds of the configuration: those without it were made with `atlasnet world create`. */
export const SOURCE = "source";
export const CONFIGURED = "config";

/** A world of the configuration, with the file that its module was found to be. */
export interface ConfiguredWorld
  extends Pick<
    WorldConfig,
    "name" | "config" | "durability" | "graceSeconds" | "sleepAfterSeconds"
  > {
  readonly file: string;
}

export interface CatalogueChange {
  readonly world: string;
  readonly what: "created" | "changed" | "taken-over" | "disabled";
  readonly parts: TxnParts;
}

/**
 * What makes the catalogue say what the configuration says. A world that was taken out of the configuration is
 * disabled, not removed: removed and made again it would be another world, and begin anew.
 * @throws OperatingError "bad-record": a world that the catalogue cannot hold
 */
export function planCatalogue(
  configured: readonly ConfiguredWorld[],
  catalogue: ReadonlyMap<string, Seen<WorldRecord>>,
): readonly CatalogueChange[] {
  const names = new Set(configured.map(({ name }) => name));
  const dropped = [...catalogue].flatMap(([world, before]) => {
    const { record } = before;
    if (names.has(world) || record?.labels[SOURCE] !== CONFIGURED || !record.enabled) return [];
    const proposal = updateWorld(world, before, { ...record, enabled: false });
    return proposal.ok ? [{ world, what: "disabled" as const, parts: proposal.txn }] : [];
  });
  return [
    ...configured.flatMap((world) => changeOf(world, catalogue.get(world.name)) ?? []),
    ...dropped,
  ];
}

function changeOf(
  configured: ConfiguredWorld,
  before: Seen<WorldRecord> | undefined,
): CatalogueChange | undefined {
  const { name } = configured;
  try {
    const record = recordOf(configured, before?.record);
    if (before?.record === undefined) {
      const proposal = createWorld(name, before ?? NOTHING, record);
      return proposal.ok ? { world: name, what: "created", parts: proposal.txn } : undefined;
    }
    if (sameBytes(encodeRecord("world", record), encodeRecord("world", before.record)))
      return undefined;
    const proposal = updateWorld(name, before, record);
    const what = before.record.labels[SOURCE] === CONFIGURED ? "changed" : "taken-over";
    return proposal.ok ? { world: name, what, parts: proposal.txn } : undefined;
  } catch (error) {
    // Of the record, or of the data in its configuration.
    if (!(error instanceof OperatingError || error instanceof PlainError)) throw error;
    throw new OperatingError("bad-record", `worlds.${name}: ${error.message}`, {
      cause: error,
      hint: "Change it in the configuration; the catalogue of worlds cannot hold it as it is.",
    });
  }
}

const NOTHING: Seen<WorldRecord> = { record: undefined, created: 0, modified: 0 };

/** What the configuration does not speak of (weight, other labels) stays as operators have set it. */
function recordOf(
  { file, config, durability, graceSeconds, sleepAfterSeconds }: ConfiguredWorld,
  before: WorldRecord | undefined,
): WorldRecord {
  return {
    policy: "spread",
    weight: 1,
    ...before,
    failover: usualFailover(durability, false),
    module: { source: "node", path: file },
    config: toPlain(config),
    durability,
    graceSeconds,
    sleepAfterSeconds,
    labels: { ...before?.labels, [SOURCE]: CONFIGURED },
    // Its file is on this machine.
    constraints: { nodeLabels: {}, nodes: [NODE] },
    enabled: true,
  };
}
