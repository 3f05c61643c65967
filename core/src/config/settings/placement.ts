import type { Setting } from "../setting.ts";

export const placementSettings = {
  "placement.liveMoves": {
    type: "bool",
    default: true,
    meaning:
      "Worlds that the control plane moves (a node drains, a node is overloaded) are moved while they run. Off: they are released and opened elsewhere, with a pause for their players. The same on all apiservers, as with the other settings of placement.",
  },
  "placement.rebalance": {
    type: "bool",
    default: true,
    meaning:
      "Move worlds away from nodes that stay overloaded, where that helps. `atlasnet rebalance --plan` shows what would be moved, and why not.",
  },
  "placement.overloadedPercent": {
    type: "integer",
    min: 1,
    max: 94,
    unit: "%",
    default: 80,
    meaning:
      "A gameserver counts as overloaded from this load on: the highest of the time that its ticks take, its players and its memory, as shares of what it has said that it can carry.",
  },
  "placement.overloadedSeconds": {
    type: "integer",
    min: 1,
    max: 3600,
    unit: "s",
    default: 30,
    meaning:
      "For so long it has to stay overloaded before a world leaves it, and again before the next.",
  },
  "placement.restSeconds": {
    type: "integer",
    min: 0,
    max: 86_400,
    unit: "s",
    default: 600,
    meaning: "A world that was moved stays for so long where it is, however loaded its node is.",
  },
  "placement.maxMoves": {
    type: "integer",
    min: 1,
    max: 1000,
    unit: "worlds",
    default: 64,
    meaning: "Running worlds that are on the move at a time, in the cluster.",
  },
  "placement.maxMovesPerNode": {
    type: "integer",
    min: 1,
    max: 1000,
    unit: "worlds",
    default: 8,
    meaning: "Of those, worlds that leave one node or come to it.",
  },
  "placement.migrationSeconds": {
    type: "integer",
    min: 1,
    max: 3600,
    unit: "s",
    default: 120,
    meaning:
      "Longest time that a move of a running world may take; then it is given up, and the world goes on where it was.",
  },
} as const satisfies { readonly [path: string]: Setting };
