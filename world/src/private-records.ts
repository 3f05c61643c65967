import type { ByteReader } from "./bytes.ts";
import type { CompiledComponent } from "./definition.ts";
import { clearComponents, type EntityView } from "./entity-view.ts";
import { checkMask, RecordOp, readComponents } from "./section.ts";

/**
 * Reads the records about a player's own entities (docs/protocol.md, 7.3): whose they are, and the
 * components that only their owner sees. A record that builds on one that was missed is read past and
 * is a gap. @throws DecodeError for bytes that no server writes.
 */
export function readPrivateRecords(
  reader: ByteReader,
  components: readonly CompiledComponent[],
  view: EntityView,
): void {
  for (let left = reader.varint(); left > 0; left--) {
    const h = reader.varint();
    const mask = Math.floor(h / 4);
    const id = reader.varint();
    checkMask(mask, components);
    const known = view.known(id);
    const op = h % 4;
    if (op === RecordOp.enter) {
      const tracked = view.track(id);
      tracked.own = true;
      view.change(tracked);
      clearComponents(components, ~mask, tracked.entity);
      readComponents(reader, components, mask, tracked.entity);
    } else if (known === undefined || !known.own) {
      if (op === RecordOp.update) readComponents(reader, components, mask, view.scratch);
      // Being told twice that it is no longer ours does no harm; the rest builds on what was missed.
      if (op !== RecordOp.leave) view.changes.gap = true;
    } else if (op === RecordOp.update) {
      view.change(known);
      readComponents(reader, components, mask, known.entity);
    } else if (op === RecordOp.drop) {
      view.change(known);
      clearComponents(components, mask, known.entity);
    } else view.disown(known);
  }
}
