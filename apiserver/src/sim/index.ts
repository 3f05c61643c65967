/** Parts of apiservers and of their simulation, for simulations of whole clusters. */

export { type Migrations, migrate, upgrade } from "../http/migrations.ts";
export { LeaderRole } from "../leader/leader-role.ts";
export { AddressBook } from "../members/address-book.ts";
export { NodeLinks } from "../node-links/node-links.ts";
export { openGroupLog } from "../raft/shell/group-log.ts";
export {
  type Figures,
  runEachSeed,
  type SeedsOptions,
  type SeedsReport,
} from "../raft/sim/seeds.ts";
export { SimViolation } from "../raft/sim/violation.ts";
export { GroupMember } from "../server/group-member.ts";
export { raftPace } from "../server/raft-pace.ts";
export type { LogConsumer, Proposed, ReadIndex, ReplicatedLog } from "../store/replicated-log.ts";
export { type LogEntry, StateMachine } from "../store/state-machine.ts";
export { Violations } from "./checkers/violations.ts";
export { SIM_PLACEMENT } from "./placement-pace.ts";
export { Machine, SimProcess } from "./process.ts";
