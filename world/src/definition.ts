import { compileStruct, type FieldList, type StructCodec } from "./codec.ts";
import {
  FIELD_KINDS,
  type Field,
  FieldError,
  type Fields,
  fieldProblem,
  MAX_LIST_DEPTH,
  type StructOf,
} from "./fields.ts";
import { CellGrid, type Space, spaceProblem } from "./space.ts";

/**
 * A world's definition: data, free of behaviour, shared by the module, the client and the wire
 * (docs/protocol.md, section 4).
 */

export interface WorldSpec {
  name: string;
  version?: number;
  /** Ticks per second, 1 to 120. Default 20. */
  tickRate?: number;
  /** Spatial cells; without it every entity is seen by way of a channel. */
  space?: Space;
  components: { readonly [name: string]: Fields };
  /** Components that only the player who owns the entity sees. */
  ownerComponents?: { readonly [name: string]: Fields };
  /** Unreliable, newest wins: movement and the like. */
  inputs?: { readonly [name: string]: Fields };
  /** Reliable messages from client to world. */
  clientMessages?: { readonly [name: string]: Fields };
  /** Reliable messages from world to client. */
  serverMessages?: { readonly [name: string]: Fields };
  /** Topics beside the cells; every player may be subscribed to them by the world. */
  channels?: { readonly [name: string]: { public?: boolean } };
  /** What a client sends along when it joins. */
  join?: Fields;
  /** Cells may be watched without a ticket, as text lines. Default false. */
  publicCells?: boolean;
}

export interface StructData {
  name: string;
  fields: FieldList;
}

export interface DefinitionData {
  name: string;
  version: number;
  tickRate: number;
  space: Space | null;
  components: readonly (StructData & { owner: boolean })[];
  inputs: readonly StructData[];
  clientMessages: readonly StructData[];
  serverMessages: readonly StructData[];
  channels: readonly { name: string; public: boolean }[];
  join: FieldList;
  publicCells: boolean;
}

/** A definition as a module writes it: data, and the types of everything in it. */
export interface Definition<S extends WorldSpec = WorldSpec> {
  readonly data: DefinitionData;
  /** Only for the type checker; always undefined. */
  readonly spec?: S;
}

type Group<S, K extends string> = S extends { readonly [P in K]: infer G } ? G : object;

export type ComponentsOf<S> = {
  [K in keyof (Group<S, "components"> & Group<S, "ownerComponents">)]: StructOf<
    (Group<S, "components"> & Group<S, "ownerComponents">)[K]
  >;
};
export type InputsOf<S> = { [K in keyof Group<S, "inputs">]: StructOf<Group<S, "inputs">[K]> };
export type ClientMessagesOf<S> = {
  [K in keyof Group<S, "clientMessages">]: StructOf<Group<S, "clientMessages">[K]>;
};
export type ServerMessagesOf<S> = {
  [K in keyof Group<S, "serverMessages">]: StructOf<Group<S, "serverMessages">[K]>;
};
export type ChannelsOf<S> = keyof Group<S, "channels"> & string;
export type JoinOf<S> = StructOf<Group<S, "join">>;

/** Most components a definition may have: their mask and an operation fit in 30 bits. */
export const MAX_COMPONENTS = 28;
/** Most inputs, messages of one kind, or channels a definition may have. */
export const MAX_DEFINITION_ITEMS = 100;
const MAX_FIELDS = 64;
const NAME = /^[A-Za-z][A-Za-z0-9_-]{0,63}$/;
/** Names that mean something else on an entity, of the server or of the client. */
const RESERVED = new Set("id owner own channel alive has add remove despawn".split(" "));

/**
 * Checks a definition and gives it its data form.
 * @throws DefinitionError naming the place and what is allowed there.
 */
export function defineWorld<const S extends WorldSpec>(spec: S): Definition<S> {
  const structs = (group: { readonly [name: string]: Fields } | undefined): StructData[] =>
    Object.entries(group ?? {}).map(([name, fields]) => ({ name, fields: Object.entries(fields) }));
  const data: DefinitionData = {
    name: spec.name,
    version: spec.version ?? 1,
    tickRate: spec.tickRate ?? 20,
    space: spec.space ?? null,
    components: [
      ...structs(spec.components).map((c) => ({ ...c, owner: false })),
      ...structs(spec.ownerComponents).map((c) => ({ ...c, owner: true })),
    ],
    inputs: structs(spec.inputs),
    clientMessages: structs(spec.clientMessages),
    serverMessages: structs(spec.serverMessages),
    channels: Object.entries(spec.channels ?? {}).map(([name, c]) => ({
      name,
      public: c.public ?? false,
    })),
    join: Object.entries(spec.join ?? {}),
    publicCells: spec.publicCells ?? false,
  };
  checkDefinition(data);
  return { data };
}

export class DefinitionError extends Error {
  readonly code = "bad-definition";
  constructor(place: string, problem: string) {
    super(`world definition, ${place}: ${problem}`);
    this.name = "DefinitionError";
  }
}

function checkName(place: string, name: string): void {
  if (!NAME.test(name))
    throw new DefinitionError(place, "letters, digits, - and _, at most 64, a letter first");
  // Values are plain objects: `value.constructor` would find something where nothing was given.
  if (name in Object.prototype)
    throw new DefinitionError(place, "is a name that every JavaScript object has; take another");
}

/** @throws DefinitionError */
export function checkDefinition(data: DefinitionData): void {
  const fail = (place: string, problem: string): never => {
    throw new DefinitionError(place, problem);
  };
  if (!NAME.test(data.name)) fail("name", "letters, digits, - and _, at most 64, a letter first");
  if (!Number.isInteger(data.version) || data.version < 0) fail("version", "an integer from 0");
  if (!Number.isInteger(data.tickRate) || data.tickRate < 1 || data.tickRate > 120)
    fail("tickRate", `an integer from 1 to 120, found ${data.tickRate}`);
  const checkFields = (place: string, fields: FieldList) => {
    if (fields.length > MAX_FIELDS) fail(place, `at most ${MAX_FIELDS} fields`);
    const seen = new Set<string>();
    for (const [name, field] of fields) {
      checkName(`${place}.${name}`, name);
      if (seen.has(name)) fail(`${place}.${name}`, "stands twice");
      seen.add(name);
      const problem = fieldProblem(field);
      if (problem !== undefined) fail(`${place}.${name}`, problem);
    }
  };
  const groups = ["components", "inputs", "clientMessages", "serverMessages"] as const;
  for (const group of groups) {
    const items: readonly StructData[] = data[group];
    const most = group === "components" ? MAX_COMPONENTS : MAX_DEFINITION_ITEMS;
    if (items.length > most) fail(group, `at most ${most}, found ${items.length}`);
    const seen = new Set<string>();
    for (const { name, fields } of items) {
      checkName(`${group}.${name}`, name);
      if (seen.has(name)) fail(`${group}.${name}`, "stands twice");
      seen.add(name);
      if (group === "components" && RESERVED.has(name))
        fail(`${group}.${name}`, `is reserved (${[...RESERVED].join(", ")})`);
      checkFields(`${group}.${name}`, fields);
    }
  }
  if (data.channels.length > MAX_DEFINITION_ITEMS)
    fail("channels", `at most ${MAX_DEFINITION_ITEMS}`);
  const channels = new Set<string>();
  for (const { name } of data.channels) {
    checkName(`channels.${name}`, name);
    if (channels.has(name)) fail(`channels.${name}`, "stands twice");
    channels.add(name);
  }
  checkFields("join", data.join);
  checkSpace(data, fail);
}

function checkSpace(data: DefinitionData, fail: (place: string, problem: string) => never): void {
  const space = data.space;
  if (space === null) return;
  const problem = spaceProblem(space);
  if (problem !== undefined) fail("space", problem);
  const component = data.components.find((c) => c.name === space.component && !c.owner);
  if (component === undefined)
    throw new DefinitionError("space.component", `no public component "${space.component}"`);
  const axes = space.kind === "grid2d" ? ["x", "y"] : ["x", "y", "z"];
  const numeric = new Set(["uint", "int", "quantized", "float32", "float64"]);
  for (const axis of axes) {
    const field = component.fields.find(([name]) => name === axis)?.[1];
    if (field === undefined || !numeric.has(field.kind))
      fail("space.component", `"${space.component}" needs a numeric field ${axis}`);
  }
}

/** A definition with its codecs, as servers and clients use it. */
export interface CompiledDefinition {
  readonly data: DefinitionData;
  readonly hash: Uint8Array;
  readonly grid: CellGrid | undefined;
  /** Components every viewer sees, and those only owners see: mask bits count within each. */
  readonly publicComponents: readonly CompiledComponent[];
  readonly ownerComponents: readonly CompiledComponent[];
  readonly components: readonly CompiledComponent[];
  readonly inputs: readonly CompiledStruct[];
  readonly clientMessages: readonly CompiledStruct[];
  readonly serverMessages: readonly CompiledStruct[];
  readonly join: StructCodec;
}

export interface CompiledStruct {
  readonly name: string;
  readonly index: number;
  readonly codec: StructCodec;
}

export interface CompiledComponent extends CompiledStruct {
  readonly owner: boolean;
  /** Place in the mask of its kind. */
  readonly bit: number;
}

export function compileDefinition(data: DefinitionData): CompiledDefinition {
  const structs = (group: readonly StructData[]): CompiledStruct[] =>
    group.map(({ name, fields }, index) => ({ name, index, codec: compileStruct(fields) }));
  const counts = { owner: 0, public: 0 };
  const components = data.components.map(({ name, fields, owner }, index) => ({
    name,
    index,
    owner,
    bit: owner ? counts.owner++ : counts.public++,
    codec: compileStruct(fields),
  }));
  return {
    data,
    hash: schemaHash(data),
    grid: data.space === null ? undefined : new CellGrid(data.space, data.channels.length),
    components,
    publicComponents: components.filter((c) => !c.owner),
    ownerComponents: components.filter((c) => c.owner),
    inputs: structs(data.inputs),
    clientMessages: structs(data.clientMessages),
    serverMessages: structs(data.serverMessages),
    join: compileStruct(data.join),
  };
}

/** FNV-1a, 64 bits, of the definition's canonical JSON; 8 bytes, big-endian. */
export function schemaHash(data: DefinitionData): Uint8Array {
  let hash = 0xcbf29ce484222325n;
  for (const byte of new TextEncoder().encode(canonicalJson(data)))
    hash = ((hash ^ BigInt(byte)) * 0x100000001b3n) & 0xffffffffffffffffn;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, hash);
  return bytes;
}

/** JSON with the keys of every object in alphabetical order and no white space. */
export function canonicalJson(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join(",")}]`;
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).filter(([, v]) => v !== undefined);
    entries.sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${entries.map(([k, v]) => `${JSON.stringify(k)}:${canonicalJson(v)}`).join(",")}}`;
  }
  return JSON.stringify(value);
}

/**
 * A definition from strangers (a welcome, a snapshot): checked in shape and content.
 * @throws DefinitionError
 */
export function parseDefinition(value: unknown): DefinitionData {
  const fail = (place: string): never => {
    throw new DefinitionError(place, "is not of the form of docs/protocol.md, section 4");
  };
  const record = (v: unknown, place: string): { [key: string]: unknown } =>
    typeof v === "object" && v !== null && !Array.isArray(v)
      ? (v as { [key: string]: unknown })
      : fail(place);
  const array = (v: unknown, place: string): unknown[] => (Array.isArray(v) ? v : fail(place));
  const string = (v: unknown, place: string): string => (typeof v === "string" ? v : fail(place));
  const fieldOf = (v: unknown, place: string, depth = 0): Field => {
    const field = record(v, place);
    if (!FIELD_KINDS.includes(string(field["kind"], place)) || depth > MAX_LIST_DEPTH)
      return fail(`${place}.kind`);
    if (field["kind"] === "enum")
      for (const word of array(field["values"], place)) string(word, place);
    if (field["kind"] === "list") fieldOf(field["of"], place, depth + 1);
    return field as unknown as Field;
  };
  const fields = (v: unknown, place: string): FieldList =>
    array(v, place).map((pair) => {
      const [name, field] = array(pair, place);
      return [string(name, place), fieldOf(field, place)] as const;
    });
  const structs = (v: unknown, place: string) =>
    array(v, place).map((s) => {
      const item = record(s, place);
      return { name: string(item["name"], place), fields: fields(item["fields"], place), item };
    });
  const root = record(value, "definition");
  const group = (key: string): StructData[] =>
    structs(root[key], key).map(({ name, fields }) => ({ name, fields }));
  const space = root["space"] === null ? null : record(root["space"], "space");
  if (space !== null) array(space["size"], "space.size");
  const data: DefinitionData = {
    name: string(root["name"], "name"),
    version: root["version"] as number,
    tickRate: root["tickRate"] as number,
    space: space as Space | null,
    components: structs(root["components"], "components").map(({ name, fields, item }) => ({
      name,
      fields,
      owner: item["owner"] === true,
    })),
    inputs: group("inputs"),
    clientMessages: group("clientMessages"),
    serverMessages: group("serverMessages"),
    channels: array(root["channels"], "channels").map((c) => {
      const channel = record(c, "channels");
      return { name: string(channel["name"], "channels"), public: channel["public"] === true };
    }),
    join: fields(root["join"], "join"),
    publicCells: root["publicCells"] === true,
  };
  try {
    checkDefinition(data);
  } catch (error) {
    if (error instanceof DefinitionError || error instanceof FieldError) throw error;
    // A wrong type deep inside (a number where text should be) surfaces as a TypeError.
    throw new DefinitionError("definition", error instanceof Error ? error.message : String(error));
  }
  return data;
}
