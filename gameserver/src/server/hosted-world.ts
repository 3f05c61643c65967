import type { Plain } from "@atlasnet/world";
import type { Ownership } from "../durability/plan-run.ts";
import type { Durability, KeptState, WorldSettings } from "../host/protocol.ts";

/** A world this gameserver is asked to host. */
export interface WorldRequest {
  world: string;
  /** Path or package name of its module. */
  module: string;
  config: Plain;
  durability: Durability;
  graceSeconds: number;
  fresh: boolean;
  /** From the control plane that gives the world to this server. */
  ownership?: Ownership | undefined;
  /** See WorldSettings. */
  othersGivenUp?: WorldSettings["othersGivenUp"];
  recorded?: WorldSettings["recorded"];
  fetched?: WorldSettings["fetched"];
  /** Without players for so long it sleeps; absent or 0: never, as without a control plane. */
  sleepAfterSeconds?: number | undefined;
}

/** A world that ran here and is followed here from the state that it was sealed in. */
export interface KeptWorld {
  readonly state: KeptState;
  /** As which it runs if it is this server's again. */
  readonly request: WorldRequest;
}

export interface HostedWorld {
  readonly world: string;
  readonly shard: string;
  epoch: number;
  tickRate: number;
  definition: string;
  file: string;
}

export interface HostedEntry {
  readonly hosted: HostedWorld;
  /** As it was opened, and is opened again. */
  readonly settings: WorldSettings;
}

/** The worlds that run on a gameserver, awake or asleep, by shard. */
export type HostedWorlds = ReadonlyMap<string, HostedEntry>;

/** What every line about a shard says. */
export function factsOf(worlds: HostedWorlds, shard: string): { world: string; shard: string } {
  return { world: worlds.get(shard)?.hosted.world ?? shard, shard };
}
