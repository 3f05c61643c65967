export type { Channel, Link, LinkClosed, LinkListener, LinkNetwork, Peer } from "./link/link.ts";
export type { Placement, PlacementView } from "./placement/placement-view.ts";
export type { ResumeClaims, TicketClaims, TicketKeys, Verified } from "./tickets/tickets.ts";
export {
  type DownstreamHead,
  MAX_BLOCK_BYTES,
  MAX_MESSAGES_PER_TICK,
  readDownstreamHead,
  SessionFlag,
  writeDownstreamHead,
} from "./wire/downstream.ts";
export type {
  Attach,
  Attached,
  Closed,
  Detach,
  Downstream,
  Leave,
  LinkMessage,
  Notice,
  ShardReset,
  ToProxy,
  ToShard,
  Transfer,
  Upstream,
  Watch,
  Watching,
} from "./wire/link-messages.ts";
export {
  MAX_PAYLOAD_BYTES,
  readUpstreamEntry,
  UpstreamBatch,
  type UpstreamEntry,
  UpstreamKind,
} from "./wire/upstream.ts";
