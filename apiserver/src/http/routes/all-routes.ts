import type { Route } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";
import { eventRoutes } from "./events.ts";
import { joinRoutes } from "./join.ts";
import { kvRoutes } from "./kv.ts";
import { migrationRoutes } from "./migrations.ts";
import { mirrorRoutes } from "./mirrors.ts";
import { moduleRoutes } from "./modules.ts";
import { nodeRoutes } from "./nodes.ts";
import { placementRoutes } from "./placements.ts";
import { raftRoutes } from "./raft.ts";
import { rebalanceRoutes } from "./rebalance.ts";
import { storeRoutes } from "./store.ts";
import { systemRoutes } from "./system.ts";
import { tokenRoutes } from "./tokens.ts";
import { worldRoutes } from "./worlds.ts";

/** Every route but that of the document, which is made of these. */
export function allRoutes(parts: RouteParts): Route[] {
  return [
    ...systemRoutes(parts),
    ...raftRoutes(parts),
    ...kvRoutes(parts),
    ...nodeRoutes(parts),
    ...worldRoutes(parts),
    ...placementRoutes(parts),
    ...migrationRoutes(parts),
    ...mirrorRoutes(parts),
    ...rebalanceRoutes(parts),
    ...moduleRoutes(parts),
    ...eventRoutes(),
    ...tokenRoutes(parts),
    ...storeRoutes(parts),
    ...joinRoutes(parts),
  ];
}
