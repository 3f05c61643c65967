import type { PseudoRandom, WorldRecord } from "@atlasnet/core";

type Durability = WorldRecord["durability"];

/** What a run is like: drawn from its seed, so that runs differ in kind and not only in luck. Times in ms. */
export interface Plan {
  readonly gameservers: number;
  readonly proxies: number;
  readonly apiservers: number;
  readonly clients: number;
  readonly worlds: number;
  /** They tick four times a second instead of twenty. */
  readonly slowWorlds: boolean;
  /** Of the first world, the second and so on; from the start again when there are more. */
  readonly durabilities: readonly Durability[];
  readonly troubleMs: number;
  /** After healing, all has to be well again within this time. */
  readonly healMs: number;
  readonly leaseMs: number;
  /** One way, at most. */
  readonly delayMs: number;
  /** Chances per second of trouble, for each process or pair. */
  readonly gameserverCrash: number;
  readonly proxyCrash: number;
  readonly clientCrash: number;
  readonly apiserverCrash: number;
  readonly election: number;
  readonly threadDeath: number;
  readonly cut: number;
  /** A gameserver reaches no apiserver, and still its players. */
  readonly isolation: number;
  readonly pause: number;
  readonly storeOutage: number;
  readonly operator: number;
  /** Clocks run at rates within 1 ± this. */
  readonly drift: number;
  /** Longest sync of a disk, and the chance of one that takes up to a second. */
  readonly syncMs: number;
  readonly stall: number;
  /** Between two messages of a client, on average. */
  readonly sayEveryMs: number;
  readonly snapshotIntervalMs: number;
  readonly journalSyncMs: number;
  /** Chance that something happens at a step of a migration. */
  readonly aim: number;
  /** Chance per second that a proxy is told to end: its clients go on through the other ones, and it comes back. */
  readonly proxyRoll: number;
  /** Worlds without players sleep after so many seconds; 0: never. */
  readonly sleepAfterSeconds: number;
  /** Chance per second that all players of a world leave it for a while. */
  readonly nap: number;
  /** Chance per second that an operator brings a world to another version of its module. */
  readonly upgrade: number;
  /** The last of three gameservers has only the version that worlds are made with. */
  readonly oldHost: boolean;
  /** Chance per second that no apiserver leads for longer than a lease. */
  readonly noQuorum: number;
  /** Chance per second that proxies and most gameservers are cut off from the control plane together. */
  readonly parting: number;
  /** Mirrored worlds wait for an operator when both are lost, and go on without leases. */
  readonly manualFailover: boolean;
}

/** `later` has the draws that came after the first seeds were looked at: those of `random` stay what they were. */
export function drawPlan(random: PseudoRandom, later: PseudoRandom): Plan {
  const some = (chance: number, most: number, from = random) =>
    from.float() < chance ? from.float() * most : 0;
  return {
    gameservers: random.int(2, 3),
    proxies: 2,
    apiservers: 2,
    clients: random.int(4, 10),
    worlds: random.int(1, 3),
    slowWorlds: random.float() < 0.8,
    troubleMs: 60_000,
    healMs: 60_000,
    leaseMs: random.int(2_000, 6_000),
    delayMs: 1 + random.float() * random.float() * 30,
    gameserverCrash: some(0.7, 0.03),
    proxyCrash: some(0.7, 0.04),
    clientCrash: some(0.5, 0.02),
    apiserverCrash: some(0.5, 0.04),
    election: some(0.5, 0.04),
    threadDeath: some(0.3, 0.02),
    cut: some(0.7, 0.06),
    isolation: some(0.5, 0.03),
    pause: some(0.5, 0.03),
    storeOutage: some(0.3, 0.03),
    operator: some(0.8, 0.25),
    drift: some(0.8, 0.0045),
    syncMs: random.float() * 20,
    stall: some(0.4, 0.02),
    sayEveryMs: 300 + random.float() * random.float() * 8_000,
    snapshotIntervalMs: random.int(2_000, 20_000),
    journalSyncMs: random.int(50, 1_000),
    aim: some(0.6, 0.3),
    durabilities: [drawDurability(random), drawDurability(random), drawDurability(random)],
    proxyRoll: some(0.5, 0.03, later),
    sleepAfterSeconds: later.float() < 0.4 ? later.int(1, 4) : 0,
    nap: some(0.5, 0.04, later),
    upgrade: some(0.5, 0.15, later),
    oldHost: later.float() < 0.3,
    noQuorum: some(0.4, 0.03, later),
    parting: some(0.3, 0.04, later),
    manualFailover: later.float() < 0.6,
  };
}

function drawDurability(random: PseudoRandom): Durability {
  const chance = random.float();
  if (chance < 0.45) return "mirror";
  if (chance < 0.8) return "journal";
  return chance < 0.93 ? "snapshot" : "none";
}
