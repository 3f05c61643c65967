import type { ApiserverService } from "@atlasnet/apiserver";
import { type Config, MAX_NODE_WEIGHT, type Peer } from "@atlasnet/core";
import {
  LocalControlPlane,
  labelsOf,
  registerControlPlaneMetrics,
  type ServiceHost,
} from "@atlasnet/core/node";
import { renewalsOf } from "./group-of-one.ts";
import { NODE, PROXY } from "./names.ts";

/** Nobody links to them from outside. */
const IN_PROCESS = "in-process";
const NO_CERTIFICATE = "0".repeat(64);

interface Surroundings {
  readonly host: ServiceHost;
  readonly apiserver: ApiserverService;
}

/** The gameserver's tie to the control plane. The host stops it. @throws ControlError */
export async function gameserverPlane(
  config: Config,
  parts: Surroundings,
): Promise<LocalControlPlane> {
  // Worlds have nowhere else to go: there is no bound to what it takes of them.
  const plane = await openPlane(config, parts, {
    node: NODE,
    role: "gameserver",
    weight: MAX_NODE_WEIGHT,
  });
  const { host } = parts;
  host.health.add({ name: "control plane", check: () => plane.health() });
  registerControlPlaneMetrics(host.meter, plane);
  return plane;
}

/** The proxy's, which needs none to serve players. */
export function proxyPlane(config: Config, parts: Surroundings): Promise<LocalControlPlane> {
  return openPlane(config, parts, { node: PROXY, role: "proxy", weight: 0 });
}

async function openPlane(
  config: Config,
  { host, apiserver }: Surroundings,
  {
    node,
    role,
    weight,
  }: { readonly node: string; readonly role: Peer["role"]; readonly weight: number },
): Promise<LocalControlPlane> {
  const { proxy } = config;
  const plane = await LocalControlPlane.open(
    { node, leaseMs: config.node.leaseMs },
    {
      host,
      store: apiserver.store,
      renewals: renewalsOf(apiserver, node),
      describe: () => ({
        role,
        labels: labelsOf(config.node.labels),
        capacity: { weight, sessions: 0, memoryBytes: 0 },
        modules: role === "gameserver" ? ["*"] : [],
        address: role === "gameserver" ? IN_PROCESS : `${proxy.host}:${proxy.port}`,
        fingerprint: NO_CERTIFICATE,
      }),
    },
  );
  host.part(`control plane of the ${role}`, () => plane.stop());
  return plane;
}
