import {
  type Config,
  InProcessNetwork,
  type LinkNetwork,
  OperatingError,
  parseGroupAddress,
} from "@atlasnet/core";
import { registerLinkMetrics, type ServiceHost } from "@atlasnet/core/node";
import { systemClock } from "@atlasnet/core/system";
import type { Meter } from "@opentelemetry/api";
import { MulticastPublisher } from "./multicast-publisher.ts";
import type { MulticastStats } from "./multicast-stats.ts";

export interface Multicast {
  readonly publisher: MulticastPublisher;
  /** The gameserver listens here, too: the publisher is one more proxy of its worlds. */
  readonly links: LinkNetwork;
}

/** The multicast of a gameserver; undefined when it is not configured. @throws OperatingError */
export function createMulticast(
  config: Config,
  host: ServiceHost,
  control: { mayAct(): boolean } | undefined,
  /** Those that there are, whether they run here or not; undefined: any may come. */
  worlds: readonly string[] | undefined,
): Multicast | undefined {
  const { address, interface: by, topics, allowPrivate } = config.gameserver.multicast;
  if (address === undefined) return undefined;
  const group = parseGroupAddress(address);
  if (group === undefined) throw new Error(`${address} passed its check and is no group`);
  if (worlds !== undefined) checkWorlds(worlds, topics);
  const { health, logger, meter } = host;
  const node = config.node.id;
  const network = new InProcessNetwork();
  registerLinkMetrics(meter, network.stats, "multicast");
  const publisher = new MulticastPublisher(
    {
      ...group,
      node,
      interface: by,
      topics,
      allowPrivate,
      tcp: askedAt(config.health.host, health.boundPort ?? config.health.port),
    },
    {
      links: network.node({ role: "proxy", node: `${node}/multicast` }),
      clock: systemClock,
      logger,
      mayAct: control && (() => control.mayAct()),
    },
  );
  registerMetrics(meter, publisher.stats);
  health.serve("multicast", (request, response) => publisher.serve(request, response));
  return { publisher, links: network.node({ role: "gameserver", node }) };
}

function checkWorlds(names: readonly string[], topics: readonly string[]): void {
  for (const topic of topics) {
    const world = topic.slice(0, topic.indexOf("/"));
    if (names.includes(world)) continue;
    throw new OperatingError(
      "unknown-world",
      `gameserver.multicast.topics: ${topic} is of world ${world}, which does not run here`,
      { hint: `Worlds of this server: ${names.join(", ")}.` },
    );
  }
}

/** The health server as watchers reach it; without a host, at the address that datagrams come from. */
function askedAt(host: string, port: number): string {
  if (host === "0.0.0.0" || host === "::") return `:${port}`;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

function registerMetrics(meter: Meter, stats: MulticastStats): void {
  const counters: [string, string, () => number][] = [
    ["announcements", "Announcements sent to the group", () => stats.announcements],
    ["datagrams", "Datagrams of topics sent to the group", () => stats.datagrams],
    ["bytes", "Bytes sent to the group", () => stats.bytes],
    ["held_back", "Datagrams above the bound per second, not sent", () => stats.heldBack],
    ["too_large", "Changes too large for datagrams, not sent", () => stats.tooLarge],
    ["send_errors", "Datagrams that the system did not take", () => stats.sendErrors],
    ["fills", "Answers to watchers that missed something", () => stats.fills],
    ["full_fills", "Of these, answers with full state", () => stats.fullFills],
    ["refusals", "Watchers' requests that were refused", () => stats.refusals],
  ];
  for (const [name, description, value] of counters)
    meter
      .createObservableCounter(`atlasnet_multicast_${name}_total`, { description })
      .addCallback((result) => result.observe(value()));
}
