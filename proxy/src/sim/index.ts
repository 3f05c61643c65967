/** Parts of a proxy, for simulations of whole clusters to put together over simulated ports. */

export { Membership } from "../control/membership.ts";
export { LoadMeter } from "../control/node-load.ts";
export { PlacementFollower } from "../control/placement-follower.ts";
export type { ClientEvents } from "../gateway/client-connection.ts";
export { FrameSplitter } from "../gateway/framed/frame-splitter.ts";
export { WatchedPlacements } from "../routing/watched-placements.ts";
export type { CarriedConnection } from "../server/proxy-service.ts";
export { frame } from "../session/framing.ts";
