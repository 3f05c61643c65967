import {
  type CompiledComponent,
  checkValue,
  type Field,
  FieldError,
  type FieldList,
  type StructValue,
} from "@atlasnet/world";
import type { ShardEntity } from "./entity.ts";

/**
 * One component of one entity. Its class is generated per component, so that world code reads and
 * writes fields at the speed of plain properties while every write is checked and seen by the store.
 */
export interface ComponentState extends StructValue {
  readonly $index: number;
  /** The store's savepoint in which it was last copied for undo. */
  $mark: number;
  $copy(): StructValue;
  /** Sets all fields without checks and without telling the store. */
  $load(values: StructValue): void;
}

export type ComponentClass = new (entity: ShardEntity, values: StructValue) => ComponentState;

/**
 * Makes the class of a component. `isPosition`: its x, y, z place the entity in the world. Writes are told
 * to the entity's store, so all shards of one definition share one class.
 */
export function componentClass(component: CompiledComponent, isPosition: boolean): ComponentClass {
  const fields = component.codec.fields;
  const check = (i: number, value: unknown): unknown => {
    const [name, field] = fieldAt(fields, i);
    return checkValue(field, value, `${component.name}.${name}`);
  };
  // Names were checked by the definition: letters, digits, - and _; JSON quoting covers the dash.
  const key = (name: string) => JSON.stringify(name);
  // Own accessors, so that `{ ...entity.position }` and JSON have the fields; the rest is private.
  const accessors = fields.map(([name, field], i) => {
    const axis = isPosition && (name === "x" || name === "y" || name === "z");
    return `${key(name)}: {
      enumerable: true,
      get() { return this.#f${i}; },
      set(value) {
        ${checkSource(field, i)}
        if (value === this.#f${i}) return;
        this.#entity.$store.touch(this.#entity, this);
        this.#f${i} = value;
        ${axis ? "this.#entity.$store.moved(this.#entity);" : ""}
      },
    }`;
  });
  const privates = fields.map((_, i) => `#f${i};`).join(" ");
  const load = fields.map(([name], i) => `this.#f${i} = values[${key(name)}];`).join("\n");
  const copy = fields.map(([name], i) => `${key(name)}: this.#f${i}`).join(", ");
  const source = `return class Component {
    ${privates} #entity; #mark = 0;
    static #accessors = { ${accessors.join(",\n")} };
    constructor(entity, values) {
      Object.defineProperties(this, Component.#accessors);
      this.#entity = entity;
      ${load}
    }
    get $index() { return ${component.index}; }
    get $mark() { return this.#mark; }
    set $mark(mark) { this.#mark = mark; }
    $load(values) { ${load} }
    $copy() { return { ${copy} }; }
    [Symbol.for("nodejs.util.inspect.custom")]() { return this.$copy(); }
  }`;
  const make: (c: typeof check) => ComponentClass = new Function("check", source) as never;
  return make(check);
}

function fieldAt(fields: FieldList, i: number): readonly [string, Field] {
  const field = fields[i];
  if (field === undefined) throw new FieldError(String(i), "no such field");
  return field;
}

/** Inlines the check where it is a comparison of numbers, the common case; else calls `check`. */
function checkSource(field: Field, i: number): string {
  const fallback = `value = check(${i}, value);`;
  switch (field.kind) {
    case "quantized":
      return `if (!(value >= ${field.min} && value <= ${field.max})) ${fallback}`;
    case "float64":
      return `if (typeof value !== "number") ${fallback}`;
    case "bool":
      return `if (value !== true && value !== false) ${fallback}`;
    default:
      return fallback;
  }
}
