import { type Relay, startRelay } from "@atlasnet/netem";
import type { NodePlan } from "../cluster/layout.ts";
import { LOOPBACK } from "../cluster/node-config.ts";

/** A relay for each proxy and gameserver, by their names with a blank in between. */
export async function relaysOf(plans: readonly NodePlan[]): Promise<Map<string, Relay>> {
  const relays = new Map<string, Relay>();
  for (const { node, role } of plans)
    for (const { node: peer, ports } of plans) {
      if (role !== "proxy" || ports.links === undefined) continue;
      const target = { host: LOOPBACK, port: ports.links };
      relays.set(`${node} ${peer}`, await startRelay({ target, tcp: false }));
    }
  return relays;
}

/** Where a proxy finds its gameservers then. */
export function peerFlags({ node }: NodePlan, relays: ReadonlyMap<string, Relay>): string[] {
  return [...relays].flatMap(([pair, { address }]) => {
    const [proxy, peer] = pair.split(" ");
    return proxy === node ? ["--links.peers", `${peer}=${address.host}:${address.port}`] : [];
  });
}

/** A relay before each process that takes links, by its name. */
export async function frontsOf(plans: readonly NodePlan[]): Promise<Map<string, Relay>> {
  const relays = new Map<string, Relay>();
  for (const { node, ports } of plans) {
    if (ports.links === undefined) continue;
    const target = { host: LOOPBACK, port: ports.links };
    relays.set(node, await startRelay({ target, tcp: false }));
  }
  return relays;
}

/** What makes the others use the relays: apiservers are found by their list, gameservers by what they advertise. */
export function frontFlags(
  { node, role }: NodePlan,
  plans: readonly NodePlan[],
  relays: ReadonlyMap<string, Relay>,
): string[] {
  const addressOf = (name: string) => {
    const relay = relays.get(name);
    return relay === undefined ? [] : [`${relay.address.host}:${relay.address.port}`];
  };
  if (role === "gameserver") return addressOf(node).flatMap((at) => ["--links.advertise", at]);
  if (role !== "apiserver") return [];
  const apiservers = plans.filter((plan) => plan.role === "apiserver");
  return apiservers.flatMap((plan) =>
    addressOf(plan.node).flatMap((at) => ["--apiserver.peers", `${plan.node}=${at}`]),
  );
}
