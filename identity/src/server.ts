// Apart from the rest, because nodes do without a web server.
export { CaServer, type CaServerDependencies, type CaServerOptions } from "./ca-server.ts";
