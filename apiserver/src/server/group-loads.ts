import type { NodeLoad } from "@atlasnet/core";
import * as v from "valibot";
import type { LoadPort } from "../http/ports.ts";
import { AskedOfLeader, type AskedOfLeaderDependencies } from "./asked-of-leader.ts";

/** Nodes of one answer; of more, the others are not known at apiservers that do not lead. */
export const MAX_LOADS = 4096;

const loadsSchema = v.record(
  v.string(),
  v.strictObject({
    sessions: v.number(),
    memoryBytes: v.number(),
    busy: v.number(),
    tickMs: v.number(),
    bytesPerSecond: v.number(),
  }),
);

export type Loads = ReadonlyMap<string, NodeLoad>;

export type GroupLoadsDependencies = Omit<AskedOfLeaderDependencies<Loads>, "encode" | "decode">;

/** How nodes are loaded, at any apiserver. */
export class GroupLoads implements LoadPort {
  private readonly known: AskedOfLeader<Loads>;

  constructor({ timeoutMs }: { readonly timeoutMs: number }, dependencies: GroupLoadsDependencies) {
    this.known = new AskedOfLeader<Loads>(
      {
        method: "node-loads",
        timeoutMs,
        limits: { maxDepth: 3, maxItems: MAX_LOADS * 13 },
        nothing: new Map(),
      },
      {
        ...dependencies,
        encode: (loads) =>
          Object.fromEntries(
            [...loads].slice(0, MAX_LOADS).map(([node, load]) => [node, { ...load }]),
          ),
        decode: (value) => {
          const checked = v.safeParse(loadsSchema, value);
          return checked.success ? new Map(Object.entries(checked.output)) : undefined;
        },
      },
    );
  }

  loads(): Promise<Loads> {
    return this.known.get();
  }
}
