import { InProcessNetwork, noopLogger } from "@atlasnet/core";
import { type HostedService, ServiceProcess } from "@atlasnet/core/node";
import { createGameserverService, type GameserverService } from "@atlasnet/gameserver";
import {
  createProxyService,
  type PlayersAddress,
  type ProxyService,
  playersAddress,
} from "@atlasnet/proxy";
import type { Settings, Workplace } from "./workplace.ts";

interface Roles extends HostedService {
  readonly gameserver: GameserverService;
  readonly proxy: ProxyService;
}

export interface FormerMonolith {
  readonly players: PlayersAddress;
  swap(world: string, moduleFile: string): Promise<void>;
  /** In order: players are told, worlds saved. */
  stop(): Promise<void>;
}

/**
 * A monolith as it was before it had a control store: its gameserver runs the configured worlds at epochs that
 * it counts itself, and its proxy hears of them from the gameserver.
 */
export async function startFormerMonolith(
  place: Workplace,
  node: string,
  settings: Settings,
): Promise<FormerMonolith> {
  const { config } = await place.load(node, settings);
  const process = new ServiceProcess<Roles>(
    { config, role: "monolith" },
    { logger: noopLogger },
    async (host) => {
      const network = new InProcessNetwork();
      const gameserver = await createGameserverService(
        { config },
        { host, links: network.node({ role: "gameserver", node }) },
      );
      const links = network.node({ role: "proxy", node: `${node}/proxy` });
      const proxy = await createProxyService({ config, peers: [node] }, { host, links });
      await proxy.heard();
      return {
        gameserver,
        proxy,
        drain: async (deadlineMs) => {
          await proxy.drain(deadlineMs);
          await gameserver.drain();
        },
      };
    },
  );
  place.undo(() => process.stop());
  await process.start();
  return {
    players: playersAddress(config, process.running?.proxy),
    swap: async (world, file) => process.running?.gameserver.swap(world, file),
    stop: async () => {
      await process.drain(1_000);
      await process.stop();
    },
  };
}
