export { hexOf, sameBytes } from "@atlasnet/world";
export { addressKey } from "./address-key.ts";
export {
  buildConfig,
  type Config,
  type LoadedConfig,
} from "./config/build-config.ts";
export { ConfigError, type ConfigProblem } from "./config/config-error.ts";
export {
  type ConfigEntry,
  configEntries,
  configJson,
  configToml,
  exampleToml,
  type SettingFlag,
  settingFlags,
  settingsHelp,
} from "./config/describe.ts";
export { didYouMean } from "./config/did-you-mean.ts";
export type { ConfigFile, ConfigFlag, ConfigSources } from "./config/gathering.ts";
export { type Origin, originText } from "./config/origin.ts";
export type { HostFacts } from "./config/setting.ts";
export type { SettingPath, SettingValues } from "./config/settings.ts";
export {
  type ModuleConfig,
  type ServiceConfig,
  WORLD_NAME_ALLOWED,
  type WorldConfig,
} from "./config/world-settings.ts";
export {
  ControlError,
  type ControlErrorCode,
  isControlErrorCode,
} from "./control/control-error.ts";
export type {
  ControlPlane,
  ControlPlaneEvents,
  NodeLoad,
  NodeRegistration,
} from "./control/control-plane.ts";
export {
  type Change,
  type Compare,
  type ControlStore,
  firstRevision,
  generationOf,
  type KeySelector,
  type KeyValue,
  type LeaderInfo,
  MAX_KEY_BYTES,
  MAX_RANGE_BYTES,
  MAX_RANGE_ITEMS,
  MAX_REQUEST_ID_LENGTH,
  MAX_RETRY_MS,
  MAX_TXN_BYTES,
  MAX_TXN_CHANGES,
  MAX_TXN_PARTS,
  MAX_VALUE_BYTES,
  type Operation,
  type RangeRequest,
  type RangeResult,
  type Revision,
  type TxnRequest,
  type TxnResult,
  type Watch as ControlWatch,
  type WatchEvents,
  type WatchRequest,
} from "./control/control-store.ts";
export { failedWatch } from "./control/failed-watch.ts";
export {
  KeyValueStore,
  type KvChange,
  type KvItem,
  type KvList,
  type KvScope,
  type KvWatchEvents,
  type KvWriteOptions,
  type KvWritten,
  MAX_KV_KEY_BYTES,
  MAX_KV_LIST_ITEMS,
  MAX_KV_VALUE_BYTES,
} from "./control/kv.ts";
export {
  DEFAULT_LEASE_OPTIONS,
  LEASE_DRIFT,
  Lease,
  type LeaseOptions,
  type Sealed,
} from "./control/lease.ts";
export { type Boots, bootsInMemory } from "./control/member/boots.ts";
export type { RenewalPort } from "./control/member/membership.ts";
export type { NodeDescription } from "./control/member/register.ts";
export {
  abortMigration,
  beginMigration,
  type MigrationRefusal,
  type MigrationView,
  type MigrationWish,
  measureMove,
  mirrorAfter,
  type SwitchView,
  switchShard,
  worldAfterMove,
} from "./control/migration-changes.ts";
export {
  abandonMirror,
  askMirror,
  clearMirror,
  confirmMirror,
  dismissMirror,
  type MirrorView,
  type PromotionView,
  promoteMirror,
  withdrawMirror,
} from "./control/mirror-changes.ts";
export { parseNodeAddress } from "./control/node-address.ts";
export {
  changeNodeState,
  cordonNode,
  drainNode,
  lostParts,
  markLost,
  type Registration,
  registerNode,
  removeNode,
  undrainNode,
} from "./control/node-changes.ts";
export {
  type Claimant,
  type ClaimRefusal,
  type ClaimView,
  claimShard,
  givenUp,
  isAlive,
  isMirrored,
  isOwned,
  mirroredEpoch,
  reclaimShard,
  releaseShard,
  whyRelease,
} from "./control/ownership.ts";
export { Pauses, pause } from "./control/pauses.ts";
export { MAX_READ_ALL_ITEMS, type ReadAll, readAll } from "./control/read-all.ts";
export {
  type DecodedRecord,
  decodeRecord,
  encodeRecord,
  RecordError,
  type RecordKind,
  type Records,
  recordProblem,
} from "./control/record-codec.ts";
export {
  firstShard,
  isModuleName,
  isModuleVersion,
  isNodeName,
  isWorldName,
  MODULES,
  migrationKey,
  mirrorKey,
  moduleKey,
  movedKey,
  NODE_NAME_ALLOWED,
  NODES,
  nodeKey,
  ownerKey,
  parseRecordKey,
  type RecordKey,
  SHARDS,
  shardKey,
  snapshotKey,
  WORLDS,
  worldKey,
  worldOfShard,
} from "./control/record-keys.ts";
export {
  ABSENT,
  ANY_MODULE,
  type Capacity,
  type Constraints,
  type Labels,
  MAX_ADDRESS_BYTES,
  MAX_ASKER_BYTES,
  MAX_AWAY_AT_ONCE,
  MAX_BOOT_BYTES,
  MAX_CONSTRAINT_NODES,
  MAX_GRACE_SECONDS,
  MAX_LABEL_BYTES,
  MAX_LABELS,
  MAX_LEASE_MS,
  MAX_MIGRATION_MS,
  MAX_MIGRATION_PROBLEM_BYTES,
  MAX_MODULE_BYTES,
  MAX_MODULE_NAME_BYTES,
  MAX_MODULE_PATH_BYTES,
  MAX_NODE_MODULES,
  MAX_NODE_WEIGHT,
  MAX_OLDER_SNAPSHOTS,
  MAX_RECORD_LEASE_MS,
  MAX_SHARDS_PER_WORLD,
  MAX_SLEEP_AFTER_SECONDS,
  MAX_SNAPSHOT_BYTES,
  MAX_TOKEN_SECONDS,
  MAX_VERSION_BYTES,
  MAX_WORLD_WEIGHT,
  MIN_LEASE_MS,
  MIN_MIGRATION_MS,
  type MigrationReason,
  type MigrationRecord,
  type MirrorRecord,
  type ModuleRecord,
  type ModuleSource,
  type MovedRecord,
  type NodeRecord,
  type NodeState,
  type OwnerRecord,
  type Seen,
  type ShardRecord,
  type SnapshotFacts,
  type SnapshotRecord,
  STORED_MODULES,
  seen,
  type WantReason,
  type WorldRecord,
} from "./control/records.ts";
export {
  ApiserverLink,
  type ApiserverLinkDependencies,
  type ApiserverLinkEvents,
  type ApiserverLinkOptions,
} from "./control/remote/apiserver-link.ts";
export {
  type ApiserverMember,
  ASLEEP_SINCE_VERSION,
  CONTROL_CALLS_VERSION,
  type HelloAnswer,
  type HelloRequest,
  helloAnswer,
  helloRequest,
  MAX_APISERVERS,
  MIGRATIONS_SINCE_VERSION,
  membersAnswer,
  nodeRenewal,
  nothing,
  OLDEST_CONTROL_CALLS_VERSION,
  rangeAnswer,
  rangeRequest,
  renewalAnswer,
  renewalRequest,
  txnAnswer,
  txnRequest,
  type WatchNews,
  watchAnswer,
  watchName,
  watchNews,
  watchRequest,
} from "./control/remote/control-call-codec.ts";
export type { ControlCalls } from "./control/remote/control-calls.ts";
export { decodeRefusal, encodeRefusal } from "./control/remote/refusal.ts";
export {
  MAX_NODE_WATCHES,
  RemoteStore,
  type RemoteStoreOptions,
} from "./control/remote/remote-store.ts";
export { LONG_POLL_MS } from "./control/remote/remote-watch.ts";
export {
  type AsleepSlice,
  boundedMigrations,
  boundedProblems,
  MAX_ASLEEP_NAMES,
  MAX_MIGRATION_REPORTS,
  MAX_PROBLEM_LETTERS,
  MAX_SHARD_PROBLEMS,
  MIGRATION_PHASES,
  type MigrationPhase,
  type MigrationProgress,
  type RenewalAnswer,
  type RenewalRequest,
  type ShardProblem,
} from "./control/remote/renewal.ts";
export {
  checkRange,
  checkTxn,
  checkWatch,
  compareCheck,
  controlKey,
  controlPrefix,
  controlValue,
  exactly,
  itemCheck,
  operationCheck,
  requestId,
  variants,
} from "./control/request-checks.ts";
export { recordSnapshot } from "./control/snapshot-changes.ts";
export {
  modifiedIs,
  type Proposal,
  type Refusal,
  type TxnParts,
  termIs,
  when,
} from "./control/txn-parts.ts";
export {
  createWorld,
  forgetParts,
  forgetShard,
  removeWorld,
  updateWorld,
  type WantAssumptions,
  wantParts,
} from "./control/world-changes.ts";
export {
  describeError,
  type ErrorFacts,
  OperatingError,
  type OperatingErrorOptions,
} from "./errors.ts";
export {
  AskedCalls,
  type CallAnswer,
  type CallLine,
  callCode,
  type TakenCallEvents,
  TakenCalls,
} from "./link/calls.ts";
export {
  type InProcessDependencies,
  InProcessNetwork,
  type InProcessOptions,
} from "./link/in-process.ts";
export type { Channel, Link, LinkClosed, LinkListener, LinkNetwork, Peer } from "./link/link.ts";
export { LinkError, type LinkErrorCode } from "./link/link-error.ts";
export {
  DEFAULT_LINK_LIMITS,
  type LinkLimits,
  LinkStats,
  MAX_CHANNEL_NAME_LENGTH,
} from "./link/link-limits.ts";
export { messageSize } from "./link/message-size.ts";
export {
  LOG_LEVELS,
  type LogFacts,
  type Logger,
  type LogLevel,
  noopLogger,
} from "./logging/logger.ts";
export type { Placement, PlacementChanges, PlacementView } from "./placement/placement-view.ts";
export { type Clock, MAX_TIMER_MS, type Timer } from "./ports/clock.ts";
export { type Disk, DiskError, type DiskFile, SECTOR_BYTES } from "./ports/disk.ts";
export type { PseudoRandom, Random, SecureRandom } from "./ports/random.ts";
export type { ResumeClaims, TicketClaims, TicketKeys, Verified } from "./tickets/tickets.ts";
export {
  type DecodedCbor,
  decodeCbor,
  encodeCbor,
  wireInteger,
  withWireIntegers,
} from "./wire/cbor.ts";
export { MAX_SCAN_DEPTH, type Scan, type ScanLimits, scanCbor } from "./wire/cbor-scan.ts";
export { type CborValue, writeCbor } from "./wire/client-cbor.ts";
export {
  type ClientMessage,
  decodeClientMessage,
  type Hello,
  MAX_CLIENT_MESSAGE_BYTES,
  MAX_TOKEN_BYTES,
  MAX_WORLD_NAME_BYTES,
  type Malformed,
  PROTOCOL_VERSION,
} from "./wire/client-messages.ts";
export {
  type DownstreamHead,
  MAX_BLOCK_BYTES,
  MAX_MESSAGES_PER_TICK,
  readDownstreamHead,
  SessionFlag,
  writeDownstreamHead,
} from "./wire/downstream.ts";
export { type FieldCheck, listOf, optional, text, unsigned, word } from "./wire/field-checks.ts";
export {
  type Answer,
  type Call,
  CONTROL_CHANNEL,
  type GroupMessage,
  NODES_GROUP,
  RAFT_BULK_CHANNEL,
  RAFT_CHANNEL,
  type RaftEnvelope,
} from "./wire/group-messages.ts";
export {
  type DecodedLinkMessage,
  decodeLinkMessage,
  encodeLinkMessage,
  isSpoken,
  LinkMessageError,
  linkMessageProblem,
  MAX_ACCOUNT_BYTES,
  MAX_BATCH_BYTES,
  MAX_CALL_BYTES,
  MAX_LINK_MESSAGE_BYTES,
  MAX_NAME_BYTES,
  MAX_NOTICE_BYTES,
  MAX_PLAYER_NAME_BYTES,
  MAX_RAFT_BYTES,
  MAX_REASON_BYTES,
  MAX_REPLICA_DELTA_BYTES,
  MAX_REPLICA_PIECE_BYTES,
  MAX_TICKET_DATA_BYTES,
} from "./wire/link-codec.ts";
export type {
  Attach,
  Attached,
  Closed,
  Detach,
  Downstream,
  HostedShard,
  Hosting,
  Leave,
  LinkMessage,
  NodeMessage,
  Notice,
  Placed,
  ShardMessage,
  ShardReset,
  ShardSealed,
  ShardUnsealed,
  ToProxy,
  ToShard,
  Transfer,
  Upstream,
  Watch,
  Watching,
} from "./wire/link-messages.ts";
export { isToProxy, isToShard, NODE_CHANNEL, shardChannel } from "./wire/link-messages.ts";
export { commonLinkVersion, LINK_VERSIONS, type LinkVersions } from "./wire/link-version.ts";
export {
  decodeTopicDatagram,
  decodeTopicSequence,
  encodeSection,
  encodeTopicDatagram,
  isFullSection,
  MAX_MULTICAST_BYTES,
  MAX_SECTION_BYTES,
  MAX_SECTION_PARTS,
  MULTICAST_VERSION,
  partRoom,
  type TopicAddress,
  type TopicDatagram,
} from "./wire/multicast.ts";
export {
  DEFAULT_MULTICAST_ADDRESS,
  type GroupAddress,
  parseGroupAddress,
} from "./wire/multicast-address.ts";
export {
  type Announcement,
  decodeAnnouncement,
  encodeAnnouncement,
  looksLikeAnnouncement,
  MAX_ANNOUNCED_WORLDS,
  type WorldFigures,
} from "./wire/multicast-announcement.ts";
export {
  type DecodedPlain,
  decodePlain,
  encodePlain,
  MAX_PLAIN_BYTES,
  MAX_PLAIN_DEPTH,
  PlainError,
  plainProblem,
  toPlain,
} from "./wire/plain.ts";
export {
  type ReplicaAck,
  type ReplicaClose,
  type ReplicaCloseCode,
  type ReplicaCopy,
  type ReplicaDelta,
  type ReplicaDone,
  type ReplicaMessage,
  type ReplicaOpen,
  type ReplicaPiece,
  type ReplicaReady,
  type ReplicaSealed,
  type ReplicaUse,
  replicaBulkChannel,
  replicaChannel,
  type ToOwner,
  type ToReplica,
} from "./wire/replica-messages.ts";
export {
  type ClientLimits,
  encodeAck,
  encodeClose,
  encodeNotice,
  encodePong,
  encodeReconnect,
  encodeTransfer,
  encodeUpdates,
  encodeWelcome,
  ServerMessage,
  stateHeadBytes,
  type UdpEndpoint,
  type Welcome,
  writeAck,
  writeResync,
  writeServerMessage,
  writeStateHead,
} from "./wire/server-messages.ts";
export { clipText, textBytes } from "./wire/text.ts";
export {
  decodeTraceMarks,
  encodeTraceMarks,
  MAX_TRACE_MARKS,
  type TraceMark,
} from "./wire/trace-marks.ts";
export {
  MAX_PAYLOAD_BYTES,
  RESYNC_MESSAGES,
  readUpstreamEntry,
  UpstreamBatch,
  type UpstreamEntry,
  UpstreamKind,
} from "./wire/upstream.ts";
