import {
  type CompiledDefinition,
  DecodeError,
  type TopicChange,
  type TopicEntity,
  TopicMirror,
} from "@atlasnet/world";

/** Entities of a topic; a server that claims more is not believed. */
export const MAX_ENTITIES = 100_000;

/** What is in a topic: its sections, applied one after the other. */
export class TopicView {
  readonly entities = new Map<number, TopicEntity>();
  /** Of the last section; −1 before the first. */
  tick = -1;
  private readonly mirror: TopicMirror;

  constructor(definition: CompiledDefinition) {
    this.mirror = new TopicMirror(definition);
  }

  /** What the section changed; undefined when it does not fit, and only full state helps. */
  apply(tick: number, section: Uint8Array): TopicChange | undefined {
    let change: TopicChange | "gap";
    try {
      change = this.mirror.apply(tick, section);
    } catch (error) {
      if (error instanceof DecodeError) return undefined;
      throw error;
    }
    if (change === "gap") return undefined;
    this.tick = tick;
    if (change.full) this.entities.clear();
    for (const id of change.leave) this.entities.delete(id);
    for (const entity of change.enter) this.entities.set(entity.id, entity);
    if (this.entities.size > MAX_ENTITIES) {
      this.entities.clear();
      return undefined;
    }
    for (const { id, ...changed } of change.update) this.update(id, changed);
    return change;
  }

  private update(id: number, changed: { readonly [component: string]: unknown }): void {
    const before = this.entities.get(id);
    if (before === undefined) return;
    const kept = Object.entries({ ...before, ...changed }).filter(([, value]) => value !== null);
    this.entities.set(id, { ...Object.fromEntries(kept), id });
  }
}
