import type { Logger } from "../logging/logger.ts";
import type { ClusterIdentity, ClusterLinks, OpenClusterLinks } from "./cluster-links.ts";
import { type HostedService, ServiceProcess } from "./service-process.ts";

/** What a process of a cluster may be given, whatever its role. */
export interface ClusterProcessDependencies {
  /** Default: pino on standard error, as configured. */
  readonly logger?: Logger;
  /** The process must not go on (it lost its data, its disk failed); whoever owns it stops it. */
  onFatal?(error: Error): void;
  /** Default: QUIC, with the identity that the configuration names. */
  readonly openLinks?: OpenClusterLinks;
}

/** A role of a cluster, which has this process to itself. */
export class ClusterProcess<
  Role extends HostedService & { readonly links: ClusterLinks },
> extends ServiceProcess<Role> {
  /** Undefined until `start` resolved. */
  get identity(): ClusterIdentity | undefined {
    return this.running?.links.identity;
  }
}
