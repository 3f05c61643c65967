export type { Percentiles } from "./latency.ts";
export { LoadError } from "./load-error.ts";
export {
  CLIENTS_PER_PROCESS,
  LOAD_TRANSPORTS,
  type LoadOptions,
  type LoadTransport,
  MAX_CLIENTS,
  MAX_PROCESSES,
  MAX_RATE,
  MAX_SECONDS,
} from "./load-options.ts";
export type {
  InputFigures,
  LoadResult,
  MessageFigures,
  TrafficFigures,
} from "./load-result.ts";
export { progressLine, resultTable } from "./report.ts";
export {
  type LoadDependencies,
  type LoadPhase,
  type LoadProgress,
  runLoad,
} from "./run-load.ts";
