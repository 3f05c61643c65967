import type { Clock, Logger } from "@atlasnet/core";
import type { DiscoveredProcess, Discovery, NodeAddress } from "@atlasnet/core/node";
import { isRecord } from "../agent/answers.ts";
import type { ConsulAgent } from "../agent/consul-agent.ts";
import { isPassing } from "../log/leader-term.ts";
import { Pauses, pause } from "../log/retrying.ts";

export interface WaitDependencies {
  readonly discovery: Pick<Discovery, "find">;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Ends the waiting, which rejects with its reason. */
  readonly signal: AbortSignal;
}

/**
 * The HTTP APIs of the cluster's apiservers, those that are ready first. Waits until there is one.
 * @throws the signal's reason
 */
export async function findApiUrls(dependencies: WaitDependencies): Promise<readonly string[]> {
  return await waitFor(dependencies, "No apiserver is announced yet; waiting for one.", (found) => {
    const ready = found.filter((process) => process.ready);
    const others = found.filter((process) => !process.ready);
    const urls = [...ready, ...others].flatMap(({ api }) => api ?? []);
    return urls.length === 0 ? undefined : urls;
  });
}

export interface FirstApiserversOptions {
  /** Key in Consul that says who they are, once that is settled. */
  readonly key: string;
  /** So many form the group. */
  readonly expected: number;
}

/**
 * The apiservers that a group begins with, this one being announced. Whoever sees enough of them writes down who they
 * are; that is written once, so all of them begin with the same ones, and whoever comes later is not among them.
 * Waits until it is settled.
 * @throws the signal's reason
 */
export async function findFirstApiservers(
  { key, expected }: FirstApiserversOptions,
  dependencies: WaitDependencies & { readonly agent: Pick<ConsulAgent, "get" | "txn"> },
): Promise<ReadonlyMap<string, NodeAddress>> {
  const { agent } = dependencies;
  const waits = `Fewer than ${expected} apiservers are announced in Consul; waiting for the others.`;
  return await waitFor(dependencies, waits, async (found) => {
    const known = new Map(found.flatMap(({ node, links }) => (links ? [[node, links]] : [])));
    const settled = await readSettled(agent, key);
    if (settled !== undefined)
      // Where they are now counts more than where they were.
      return new Map([...settled].map(([node, links]) => [node, known.get(node) ?? links]));
    if (known.size < expected) return undefined;
    const first = [...known].sort(([one], [other]) => (one < other ? -1 : 1)).slice(0, expected);
    const value = Buffer.from(JSON.stringify(Object.fromEntries(first)));
    // Refused when another one was first: the next turn reads what that one wrote.
    const result = await agent.txn([{ verb: "cas", key, value, index: 0 }]);
    return result.ok ? new Map(first) : undefined;
  });
}

async function readSettled(
  agent: Pick<ConsulAgent, "get">,
  key: string,
): Promise<ReadonlyMap<string, NodeAddress> | undefined> {
  const { value } = await agent.get(key, { consistent: true });
  if (value === undefined) return undefined;
  const parsed: unknown = JSON.parse(value.value.toString());
  const settled = new Map<string, NodeAddress>();
  for (const [node, address] of Object.entries(isRecord(parsed) ? parsed : {})) {
    if (!isRecord(address)) continue;
    const { host, port } = address;
    if (typeof host === "string" && typeof port === "number") settled.set(node, { host, port });
  }
  return settled;
}

async function waitFor<T>(
  { discovery, clock, logger, signal }: WaitDependencies,
  waits: string,
  look: (found: readonly DiscoveredProcess[]) => T | undefined | Promise<T | undefined>,
): Promise<T> {
  const pauses = new Pauses();
  let told = false;
  for (;;) {
    signal.throwIfAborted();
    try {
      const result = await look(await discovery.find("apiserver"));
      if (result !== undefined) return result;
      if (!told) logger.info(waits);
      told = true;
    } catch (error) {
      signal.throwIfAborted();
      if (!isPassing(error)) throw error;
      logger.warn("Consul does not answer; trying again.", { error });
    }
    await pause(clock, pauses.next(), signal);
  }
}
