// Apart from the rest, because nodes do without a web server.
export { CaServer, type CaServerDependencies, type CaServerOptions } from "./ca-server.ts";
export { type JoinAnswer, JoinService } from "./join-service.ts";
export { RateLimit } from "./rate-limit.ts";
export { MAX_REQUEST_BYTES, type RefusalCode } from "./wire.ts";
