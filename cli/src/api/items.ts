import * as v from "valibot";

/** A key as the HTTP API shows it; exactly one of `text` and `base64` is there. */
export const itemSchema = v.looseObject({
  key: v.string(),
  text: v.optional(v.string()),
  base64: v.optional(v.string()),
  modified: v.number(),
  version: v.number(),
});
export type Item = v.InferOutput<typeof itemSchema>;

export function valueText({ text, base64 = "" }: Item): string {
  return text ?? `base64:${base64}`;
}

export const nodeSchema = v.looseObject({
  node: v.string(),
  role: v.string(),
  state: v.string(),
  cordoned: v.boolean(),
  address: v.string(),
  labels: v.record(v.string(), v.string()),
});
export type Node = v.InferOutput<typeof nodeSchema>;

export const worldSchema = v.looseObject({
  world: v.string(),
  module: v.looseObject({
    source: v.string(),
    path: v.optional(v.string()),
    name: v.optional(v.string()),
    version: v.optional(v.string()),
  }),
  durability: v.string(),
  /** 0: never. */
  sleepAfterSeconds: v.optional(v.number()),
  enabled: v.boolean(),
});
export type World = v.InferOutput<typeof worldSchema>;

export const placementSchema = v.looseObject({
  world: v.string(),
  shard: v.string(),
  state: v.string(),
  owner: v.optional(v.looseObject({ node: v.string(), state: v.string(), epoch: v.number() })),
  wanted: v.optional(v.string()),
  /** Its memory is freed until somebody comes. */
  asleep: v.optional(v.boolean()),
  /** It is on its way, live. */
  migration: v.optional(v.looseObject({ id: v.string(), from: v.string(), to: v.string() })),
  /** Who mirrors it, or is asked to. */
  mirror: v.optional(v.looseObject({ node: v.string(), state: v.string() })),
  why: v.array(v.string()),
});
export type Placement = v.InferOutput<typeof placementSchema>;

export const changedSchema = v.looseObject({ revision: v.number() });
