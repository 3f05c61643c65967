export {
  type AtlasNetServer,
  createMonolith,
  type HostPort,
  type MonolithDependencies,
  type MonolithOptions,
} from "./monolith.ts";
export { PageServer, type PageServerOptions } from "./pages/page-server.ts";
