import { join } from "node:path";
import { type AtlasNetClient, type ConnectOptions, connect } from "@atlasnet/client";
import { noopLogger, type TicketKeys } from "@atlasnet/core";
import { loadOrCreateKeyFile } from "@atlasnet/core/node";
import { formsOf } from "@atlasnet/core/testing";
import { createGameserverProcess, type WorldFault } from "@atlasnet/gameserver";
import { createCa } from "@atlasnet/identity";
import { createProxyProcess, type PlayersAddress } from "@atlasnet/proxy";
import { createMonolith } from "../monolith.ts";
import type { Settings, Workplace } from "./workplace.ts";

type Scheme = "ws" | "tcp" | "udp";

/** A whole server, of whichever form, in this process. It ends with its workplace at the latest. */
export interface TestServer {
  readonly players: PlayersAddress;
  /** Faults of world code, as `event: message`. */
  readonly faults: readonly string[];
  /** Those that tickets are signed with. */
  readonly keys: TicketKeys;
  /** One that connects here, unless the options say otherwise. It is closed with the workplace. */
  client(scheme: Scheme, options?: Partial<ConnectOptions>): AtlasNetClient;
  swap(world: string, moduleFile: string): Promise<void>;
  /** In order: players are told, worlds saved. Idempotent. */
  stop(): Promise<void>;
}

export interface ServerForm {
  readonly name: string;
  /** The service names of the processes that take clients and host worlds, as traces have them. */
  readonly services: { readonly proxy: string; readonly gameserver: string };
  /** Started again in the same workplace, it goes on with what it kept. */
  start(place: Workplace, settings: Settings): Promise<TestServer>;
}

const DRAIN_MS = 1_000;

/** What a form has to give; the rest is the same for all. */
interface Parts extends Pick<TestServer, "players" | "swap"> {
  readonly keyFile: string;
  end(): Promise<void>;
}

async function serverOf(
  place: Workplace,
  faults: readonly string[],
  { players, swap, keyFile, end }: Parts,
): Promise<TestServer> {
  const { keys } = await loadOrCreateKeyFile(keyFile);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= end();
    return stopping;
  };
  place.undo(stop);
  return {
    players,
    faults,
    keys,
    client: (scheme, options) => {
      const client = connect({ url: `${scheme}://127.0.0.1:${players.port}`, ...options });
      place.undo(() => client.close());
      return client;
    },
    swap,
    stop,
  };
}

export const monolith: ServerForm = {
  name: "monolith",
  services: { proxy: "atlasnet", gameserver: "atlasnet" },
  start: async (place, settings) => {
    const { config } = await place.load("n1", settings);
    const faults: string[] = [];
    const server = createMonolith(
      { config },
      { logger: noopLogger, onFault: (_, fault) => faults.push(told(fault)) },
    );
    place.undo(() => server.stop());
    await server.start();
    return serverOf(place, faults, {
      players: server.addresses.players,
      keyFile: config.tickets.keyFile,
      swap: (world, file) => server.swap(world, file),
      end: async () => {
        await server.drain(DRAIN_MS);
        await server.stop();
      },
    });
  },
};

export const cluster: ServerForm = {
  name: "proxy and gameserver over QUIC",
  services: { proxy: "atlasnet-proxy", gameserver: "atlasnet-gameserver" },
  start: async (place, given) => {
    const ca = join(place.dir, "ca");
    const settings = { "identity.ca": ca, ...given };
    await place.once("ca", () => createCa(ca, { cluster: "test" }));
    const faults: string[] = [];
    const gameserver = createGameserverProcess(await place.load("g1", settings), {
      logger: noopLogger,
      onFault: (_, fault) => faults.push(told(fault)),
    });
    place.undo(() => gameserver.stop());
    await gameserver.start();
    const { host, port } = gameserver.addresses.links;
    const loaded = await place.load("p1", { ...settings, "links.peers": `g1=${host}:${port}` });
    const proxy = createProxyProcess(loaded, { logger: noopLogger });
    place.undo(() => proxy.stop());
    await proxy.start();
    // As a monolith, which is started when its worlds are open.
    await proxy.heard();
    return serverOf(place, faults, {
      players: proxy.addresses.players,
      keyFile: join(loaded.config.identity.dir, "tickets.jwks.json"),
      swap: async (world, file) => gameserver.service?.swap(world, file),
      end: async () => {
        await proxy.drain(DRAIN_MS);
        await proxy.stop();
        await gameserver.drain(DRAIN_MS);
        await gameserver.stop();
      },
    });
  },
};

function told({ event, message }: WorldFault): string {
  return `${event}: ${message}`;
}

/** The forms of server: every one with `npm test -- --thorough`, else a cluster. */
export const serverForms: readonly ServerForm[] = formsOf([monolith, cluster]);
