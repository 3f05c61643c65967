import { type Clock, type Config, type Logger, OperatingError } from "@atlasnet/core";
import type { ClusterLinks } from "@atlasnet/core/node";
import { openCa } from "@atlasnet/identity";
import { JoinService } from "@atlasnet/identity/server";
import type { JoiningPort } from "../http/routes/join.ts";

/**
 * How nodes come into the cluster at this apiserver: with a certificate from here when it has the folder of the
 * cluster's CA (`identity.ca`), which may be put away.
 */
export async function joiningOf(
  { identity }: Pick<Config, "identity">,
  {
    links,
    logger,
    clock,
  }: {
    readonly links: Pick<ClusterLinks, "identity" | "certificate">;
    readonly logger: Logger;
    readonly clock: Clock;
  },
): Promise<JoiningPort> {
  const base = {
    cluster: links.identity.cluster,
    authorities: () => links.certificate.authorities,
  };
  if (identity.ca === undefined) return base;
  const now = () => clock.wallTime();
  try {
    const ca = await openCa(identity.ca, { now });
    return { ...base, certificates: new JoinService({ ca }, { logger, now }) };
  } catch (error) {
    // The node itself went on without it, and said so.
    if (error instanceof OperatingError && error.code === "no-ca") return base;
    throw error;
  }
}
