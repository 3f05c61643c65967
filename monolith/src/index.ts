export {
  type AtlasNetServer,
  createMonolith,
  type HostPort,
  type MonolithDependencies,
  type MonolithOptions,
} from "./monolith.ts";
