import {
  type Config,
  type ControlStore,
  decodeRecord,
  type Logger,
  OperatingError,
  parseRecordKey,
  readAll,
  type Seen,
  seen,
  type TxnParts,
  WORLDS,
  type WorldRecord,
} from "@atlasnet/core";
import { resolveModule } from "@atlasnet/gameserver";
import { type CatalogueChange, planCatalogue } from "./configured-worlds.ts";

/** Each takes a comparison and an operation, and may hold 64 KiB of the world's configuration. */
const WORLDS_PER_TXN = 100;
const BYTES_PER_TXN = 512 * 1024;

/**
 * Writes the worlds of the configuration into the catalogue; nothing when they are in it as they are. Gives the
 * names of all that are in it now.
 * @throws OperatingError: a module that is not there, a world that the catalogue cannot hold
 */
export async function writeCatalogue(
  { worlds }: Pick<Config, "worlds">,
  { store, logger }: { readonly store: ControlStore; readonly logger: Logger },
): Promise<readonly string[]> {
  const configured = worlds.map((world) => ({
    ...world,
    file: resolveModule(world.module, world.from),
  }));
  const before = await readCatalogue(store);
  const changes = planCatalogue(configured, before);
  for (const some of portions(changes)) {
    const { succeeded } = await store.txn(joined(some));
    // The API is served already.
    if (!succeeded)
      throw new OperatingError("conflict", "the catalogue of worlds was changed meanwhile", {
        hint: "Start again.",
      });
    for (const { world, what } of some) {
      if (what === "taken-over")
        logger.warn("A world that was made by hand is one of the configuration's now.", { world });
      else logger.info("The catalogue follows the configuration.", { world, what });
    }
  }
  return [...new Set([...before.keys(), ...configured.map(({ name }) => name)])];
}

async function readCatalogue(store: ControlStore): Promise<ReadonlyMap<string, Seen<WorldRecord>>> {
  const { items } = await readAll(store, WORLDS);
  return new Map(
    items.flatMap((item): [string, Seen<WorldRecord>][] => {
      const key = parseRecordKey(item.key);
      const decoded = decodeRecord("world", item.value);
      if (key?.kind !== "world") return [];
      // What cannot be read was written by a later version; the configuration may write over it.
      const { created, modified } = item;
      return [
        [
          key.world,
          decoded.ok ? seen(decoded.record, item) : { record: undefined, created, modified },
        ],
      ];
    }),
  );
}

function* portions(changes: readonly CatalogueChange[]): Generator<readonly CatalogueChange[]> {
  let some: CatalogueChange[] = [];
  let bytes = 0;
  for (const change of changes) {
    const size = bytesOf(change.parts);
    if (some.length > 0 && (some.length === WORLDS_PER_TXN || bytes + size > BYTES_PER_TXN)) {
      yield some;
      some = [];
      bytes = 0;
    }
    some.push(change);
    bytes += size;
  }
  if (some.length > 0) yield some;
}

function joined(changes: readonly CatalogueChange[]): TxnParts {
  return {
    compare: changes.flatMap(({ parts }) => parts.compare),
    then: changes.flatMap(({ parts }) => parts.then),
  };
}

function bytesOf({ then }: TxnParts): number {
  return then.reduce(
    (sum, operation) => sum + (operation.type === "put" ? operation.value.length : 0),
    0,
  );
}
