export { type AtlasNetClient, Client, type ConnectOptions } from "./client.ts";
export type { ClientClock, ClientDependencies } from "./connection.ts";
export type { MessageObserver } from "./observing.ts";
export { QueueFullError } from "./outbox.ts";
export {
  memoryResumeStorage,
  type ResumeStorage,
  type WebStorage,
  webResumeStorage,
} from "./resume-storage.ts";
export type { EndCode } from "./session-events.ts";
export type { SessionObserver, SessionStep } from "./session-observer.ts";
export type { TrafficStats } from "./traffic.ts";
export type {
  Dial,
  PacketCounts,
  Transport,
  TransportHandlers,
  TransportName,
  Trust,
} from "./transport.ts";
export {
  type AnySpec,
  type ClientWorld,
  type Closed,
  type Incoming,
  type Inputs,
  JoinError,
  type JoinOptions,
  type JoinParams,
  type Logger,
  type Notice,
  type Outgoing,
  type Point,
  type Unsubscribe,
  type Untyped,
  type ViewEntity,
} from "./types.ts";
