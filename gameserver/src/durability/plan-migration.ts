import { canonicalJson, type DefinitionData, type Field } from "@atlasnet/world";
import { describeField } from "./describe-field.ts";

export interface FieldChange {
  component: string;
  field: string;
  /** For messages. */
  from: string;
  to: string;
  /**
   * `bounds`: the same type with other bounds; a value that fits is kept as it is. `type`: another
   * type; no value is kept, only the module's `upgrade` can give one.
   */
  change: "bounds" | "type";
}

/** What differs between the definition a state was written under and today's. */
export interface MigrationPlan {
  /** The components are the same: the state is taken as it is. */
  same: boolean;
  /** Of the module that wrote the state. */
  oldVersion: number;
  addedComponents: string[];
  removedComponents: string[];
  /** Of components that are in both: `component.field`. */
  addedFields: string[];
  removedFields: string[];
  changedFields: FieldChange[];
  /** Components that only their owner saw and everybody sees now, or the other way round. */
  ownerChanged: string[];
  /** Other parts of the definition that differ: what sessions hold of them may not be readable. */
  otherParts: OtherPart[];
  /** The new components: what `migrateComponents` gives. */
  readonly target: DefinitionData["components"];
}

const OTHER_PARTS = [
  "inputs",
  "clientMessages",
  "serverMessages",
  "channels",
  "join",
  "space",
  "tickRate",
] as const;
export type OtherPart = (typeof OTHER_PARTS)[number];

/** Compares two definitions by the names of components and fields; their order does not matter. */
export function planMigration(old: DefinitionData, now: DefinitionData): MigrationPlan {
  const plan: MigrationPlan = {
    same: canonicalJson(old.components) === canonicalJson(now.components),
    oldVersion: old.version,
    addedComponents: [],
    removedComponents: missing(old.components, now.components),
    addedFields: [],
    removedFields: [],
    changedFields: [],
    ownerChanged: [],
    otherParts: OTHER_PARTS.filter((part) => canonicalJson(old[part]) !== canonicalJson(now[part])),
    target: now.components,
  };
  for (const component of now.components) {
    const before = old.components.find(({ name }) => name === component.name);
    if (before === undefined) {
      plan.addedComponents.push(component.name);
      continue;
    }
    if (before.owner !== component.owner) plan.ownerChanged.push(component.name);
    const newFields = new Map(component.fields);
    const oldFields = new Map(before.fields);
    for (const field of oldFields.keys())
      if (!newFields.has(field)) plan.removedFields.push(`${component.name}.${field}`);
    for (const [field, to] of newFields) {
      const from = oldFields.get(field);
      if (from === undefined) plan.addedFields.push(`${component.name}.${field}`);
      else if (!sameType(from, to))
        plan.changedFields.push({
          component: component.name,
          field,
          from: describeField(from),
          to: describeField(to),
          change: sameKind(from, to) ? "bounds" : "type",
        });
    }
  }
  return plan;
}

/** The plan as lines for a log: empty when nothing differs. */
export function describePlan(plan: MigrationPlan): string[] {
  return [
    ...plan.addedComponents.map((name) => `component ${name} is new`),
    ...plan.removedComponents.map((name) => `component ${name} is gone: its values are dropped`),
    ...plan.addedFields.map((name) => `${name} is new: it gets its default`),
    ...plan.removedFields.map((name) => `${name} is gone: its values are dropped`),
    ...plan.changedFields.map((c) => `${c.component}.${c.field} was ${c.from}, is ${c.to}`),
    ...plan.ownerChanged.map((name) => `component ${name} is seen by others than before`),
  ];
}

function missing(from: readonly { name: string }[], within: readonly { name: string }[]): string[] {
  return from.map(({ name }) => name).filter((name) => !within.some((c) => c.name === name));
}

/** A default is no part of the type: it matters only where a value is missing. */
function sameType(a: Field, b: Field): boolean {
  return canonicalJson({ ...a, default: null }) === canonicalJson({ ...b, default: null });
}

function sameKind(a: Field, b: Field): boolean {
  if (a.kind === "list" && b.kind === "list") return sameKind(a.of, b.of);
  return a.kind === b.kind;
}
