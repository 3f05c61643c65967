import { ByteReader } from "./bytes.ts";
import type { CompiledComponent, CompiledDefinition } from "./definition.ts";
import { type ComponentTarget, readSection, type SectionSink } from "./section.ts";

/** An entity as a topic shows it: its id and components; `null` stands for a dropped component. */
export interface TopicEntity {
  readonly id: number;
  readonly [component: string]: unknown;
}

interface TopicTarget extends ComponentTarget {
  id: number;
}

/** What one section said, by entity. Its objects are new and the caller's to keep. */
export interface TopicChange {
  readonly tick: number;
  /** True when `enter` is all there is in the topic now. */
  readonly full: boolean;
  readonly enter: TopicEntity[];
  /** Only the components that changed. */
  readonly update: TopicEntity[];
  readonly leave: number[];
}

/**
 * Follows one topic, section by section, for those who watch topics without a session (text lines, the
 * map). Keeps only which entity is behind which index.
 */
export class TopicMirror {
  private readonly definition: CompiledDefinition;
  private members = new Map<number, number>();
  private tick = -1;
  private broken = false;
  private readonly reader = new ByteReader(new Uint8Array(0));

  constructor(definition: CompiledDefinition) {
    this.definition = definition;
  }

  /**
   * Applies the section of a tick. "gap" means that something was missed: sections are ignored until
   * one with full state comes, which the caller asks for.
   * @throws DecodeError; only full state helps after it.
   */
  apply(tick: number, section: Uint8Array): TopicChange | "gap" {
    const { reader } = this;
    const components = this.definition.publicComponents;
    const reading = new SectionReading(components, tick, this.members, this.tick, this.broken);
    reader.reset(section);
    // Until the section is read to its end, what is known of the topic is not to be built upon.
    this.broken = true;
    readSection(reader, components, reading);
    reader.end();
    if (reading.gap) return "gap";
    this.broken = false;
    this.members = reading.members;
    this.tick = tick;
    return reading.change();
  }
}

class SectionReading implements SectionSink {
  members: Map<number, number>;
  gap: boolean;
  private full = false;
  private readonly tick: number;
  private readonly known: number;
  private readonly components: readonly CompiledComponent[];
  private readonly entered = new Map<number, TopicTarget>();
  private readonly updated = new Map<number, TopicTarget>();
  private readonly left = new Set<number>();
  /** Indexes whose old entity was replaced before its own leave record came. */
  private readonly displaced = new Map<number, number>();

  constructor(
    components: readonly CompiledComponent[],
    tick: number,
    members: Map<number, number>,
    known: number,
    broken: boolean,
  ) {
    this.components = components;
    this.tick = tick;
    this.members = members;
    this.known = known;
    this.gap = broken;
  }

  begin(previous: number): void {
    this.full = previous === 0;
    if (this.full) {
      this.members = new Map();
      this.gap = false;
    } else if (this.known < this.tick - previous) this.gap = true;
  }

  enter(index: number, id: number): ComponentTarget {
    const target: TopicTarget = { id };
    if (this.gap) return target;
    const old = this.members.get(index);
    if (old !== undefined && old !== id) {
      this.displaced.set(index, old);
      this.left.add(old);
    }
    this.members.set(index, id);
    this.entered.set(id, target);
    return target;
  }

  update(index: number): ComponentTarget {
    const id = this.members.get(index);
    if (id === undefined) {
      this.gap = true;
      return {};
    }
    let target = this.entered.get(id) ?? this.updated.get(id);
    if (target === undefined) {
      target = { id };
      this.updated.set(id, target);
    }
    return target;
  }

  leave(index: number): void {
    // Its leave may come after the enter that took its index.
    if (this.displaced.delete(index)) return;
    const id = this.members.get(index);
    if (id === undefined) {
      this.gap = true;
      return;
    }
    this.members.delete(index);
    this.left.add(id);
  }

  drop(index: number, mask: number): void {
    const target = this.update(index);
    for (const { name, bit } of this.components)
      if ((mask >>> bit) % 2 === 1 && target[name] === undefined) target[name] = null;
  }

  change(): TopicChange {
    const { tick, full, entered, updated } = this;
    return {
      tick,
      full,
      enter: [...entered.values()],
      update: [...updated.values()],
      leave: full ? [] : [...this.left].filter((id) => !entered.has(id)),
    };
  }
}
