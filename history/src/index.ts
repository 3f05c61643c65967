export { ClientCheck, type HistoryFigures } from "./check/client-check.ts";
export {
  type ClientGap,
  checkHistory,
  HistoryChecker,
  type HistoryVerdict,
  MAX_GAPS_TOLD,
  MAX_VIOLATIONS_TOLD,
  mergedVerdict,
} from "./check/history-checker.ts";
export { MAX_KEPT_MESSAGES } from "./check/message-log.ts";
export { MAX_KEPT_TICKS, type TickGap, TickIntervals } from "./check/tick-intervals.ts";
export {
  VIOLATIONS,
  type Violation,
  type ViolationKind,
  violationText,
} from "./check/violation.ts";
export { chained, EMPTY_CHAIN, type Hash, hashMessage, hashText } from "./hash.ts";
export { bothSinks, DEFAULT_MAX_RECORDS, HistoryLog } from "./history-log.ts";
export type { HistoryEvent, HistoryRecord, HistorySink, WorldAccount } from "./record.ts";
export { HistoryFormatError, parseRecord, recordLine } from "./record-line.ts";
export { type RecorderDependencies, type RecorderOptions, SessionRecorder } from "./recorder.ts";
export { type Row, verdictRows, verdictTable } from "./verdict-table.ts";
export {
  CheckedSession,
  type CheckedSessionOptions,
  type CheckedWorld,
} from "./world/checked-session.ts";
