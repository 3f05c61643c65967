import { OperatingError } from "@atlasnet/core";
import { messageOf } from "@atlasnet/core/system";
import { checkValue, defaultOf, type Field } from "@atlasnet/world";
import { describeField } from "./describe-field.ts";
import type { FieldChange, MigrationPlan } from "./plan-migration.ts";

/** An entity's components by name: of each its fields by name. */
export interface ComponentValues {
  [component: string]: { [field: string]: unknown };
}

/** A value that cannot be taken over, and why. */
export interface MigrationProblem {
  component: string;
  field: string;
  from: string;
  to: string;
  problem: string;
}

export type Migrated =
  | { ok: true; components: ComponentValues }
  | { ok: false; problems: MigrationProblem[] };

/**
 * One entity's components in today's form, by field name: a new field has its default, a removed one
 * is gone, a value that fits is kept, and a field of another type is taken from `upgraded`, what the
 * module's `upgrade` made of the same components. Which components there are is `upgraded`'s to say
 * when it is given; fields it leaves out are taken over from `old`. Pure.
 */
export function migrateComponents(
  plan: MigrationPlan,
  old: ComponentValues,
  upgraded?: ComponentValues,
): Migrated {
  const components: ComponentValues = {};
  const problems: MigrationProblem[] = [];
  for (const { name, fields } of plan.target) {
    const source = upgraded === undefined ? old[name] : upgraded[name];
    if (source === undefined) continue;
    const values: { [field: string]: unknown } = {};
    for (const [field, type] of fields) {
      const change = plan.changedFields.find((c) => c.component === name && c.field === field);
      const taken = takeValue(type, change, old[name]?.[field], upgraded?.[name]?.[field]);
      if (taken.ok) values[field] = taken.value;
      else
        problems.push({
          component: name,
          field,
          from: change?.from ?? taken.to,
          to: taken.to,
          problem: taken.problem,
        });
    }
    components[name] = values;
  }
  return problems.length === 0 ? { ok: true, components } : { ok: false, problems };
}

/** A stored state that does not fit today's definition. Names every field, and the ways out. */
export class SchemaChangedError extends OperatingError {
  readonly problems: readonly MigrationProblem[];

  constructor(world: string, problems: readonly MigrationProblem[]) {
    const lines = distinct(problems).map(
      ({ component, field, from, to, problem }) =>
        `${component}.${field} was ${from}, is ${to}: ${problem}`,
    );
    super(
      "schema-changed",
      `the stored state of world ${world} does not fit: ${lines.join("; ")}`,
      {
        facts: { world, component: problems[0]?.component, field: problems[0]?.field },
        hint:
          "Give the module an upgrade(old) that brings these fields into their new form, undo the " +
          "change, or start with --fresh, which puts the stored state aside and begins an empty world.",
      },
    );
    this.problems = problems;
  }
}

type Taken = { ok: true; value: unknown } | { ok: false; to: string; problem: string };

function takeValue(
  type: Field,
  change: FieldChange | undefined,
  old: unknown,
  upgraded: unknown,
): Taken {
  const to = describeField(type);
  if (upgraded === undefined && change?.change === "type" && old !== undefined)
    return { ok: false, to, problem: "the type changed" };
  const value = upgraded ?? old;
  if (value === undefined) return { ok: true, value: defaultOf(type) };
  try {
    const checked = checkValue(type, value, "value");
    // Clamping a stored value to narrower bounds would change it silently. The module may clamp.
    if (upgraded === undefined && !sameValue(checked, value))
      return { ok: false, to, problem: `${String(value)} is out of its bounds` };
    return { ok: true, value: checked };
  } catch (error) {
    return { ok: false, to, problem: messageOf(error) };
  }
}

function sameValue(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b))
    return a.length === b.length && a.every((item, i) => sameValue(item, b[i]));
  return Object.is(a, b);
}

/** One problem per field: a thousand entities have the same one. */
function distinct(problems: readonly MigrationProblem[]): MigrationProblem[] {
  const seen = new Map(problems.map((p) => [`${p.component}.${p.field}`, p]));
  return [...seen.values()];
}
