// For tests: of whoever implements a port of this package (needs node:test), and of whoever uses one.
export {
  type Later,
  type LinkFixture,
  later,
  linkAcceptance,
  type MakeLinkFixture,
  numberOf,
} from "../link/acceptance.ts";
export { claimView, wantShard } from "./claims.ts";
export { controlStoreAcceptance } from "./control-acceptance.ts";
export {
  type ControlFixture,
  type ControlSupport,
  type Follower,
  follow,
  type MakeControlFixture,
} from "./control-fixture.ts";
export { goldenLinkMessages } from "./golden.ts";
export { inProcessLinks, type LinkKind, type LinkNetworks } from "./link-networks.ts";
export { migrationView, migrationWish } from "./migrations.ts";
export { mirrorView } from "./mirrors.ts";
export { nodeRecord } from "./node-record.ts";
export { reached } from "./reached.ts";
export { formsOf, share, THOROUGH } from "./thorough.ts";
export { TinyStore } from "./tiny-store.ts";
export { worldRecord } from "./world-record.ts";
export { wrappedLink } from "./wrapped-link.ts";
