import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { ApiClient, type ApiClientOptions } from "../../client/api-client.ts";
import { LocalLog } from "../../store/local-log.ts";
import { ReplicatedStore } from "../../store/replicated-store.ts";
import { ApiServer, type ApiServerDependencies, type ApiServerOptions } from "../api-server.ts";

export interface ApiScene {
  readonly store: ReplicatedStore;
  readonly servers: readonly ApiServer[];
  /** `http://127.0.0.1:…` of each. */
  readonly addresses: readonly string[];
  /** The administrator's. */
  readonly token: string;
  readonly tokenFile: string;
  readonly leases: Set<string>;
  client(options?: Partial<ApiClientOptions>): ApiClient;
  close(): Promise<void>;
}

/** Apiservers in this process, over one store in memory. */
export async function apiScene(
  options: Partial<ApiServerOptions> & { readonly count?: number } = {},
  dependencies: Partial<ApiServerDependencies> = {},
): Promise<ApiScene> {
  const { count = 1, ...rest } = options;
  const dir = await mkdtemp(join(tmpdir(), "atlasnet-api-"));
  const leases = new Set<string>();
  const clock = systemClock;
  const store = new ReplicatedStore(
    {},
    {
      log: new LocalLog({}, { clock }),
      clock,
      random: systemRandom,
      holdsLease: (node) => leases.has(node),
    },
  );
  const adminTokenFile = join(dir, "keys", "api-admin.token");
  const servers: ApiServer[] = [];
  for (let i = 0; i < count; i++) {
    const server = new ApiServer(
      { node: `api-${i + 1}`, host: "127.0.0.1", port: 0, adminTokenFile, ...rest },
      { store, clock, random: systemRandom, logger: noopLogger, ...dependencies },
    );
    await server.start();
    servers.push(server);
  }
  const token = (await readFile(adminTokenFile, "utf8")).trim();
  const scheme = options.tls === undefined ? "http" : "https";
  const addresses = servers.map(({ address }) => `${scheme}://127.0.0.1:${address?.port}`);
  const clients: ApiClient[] = [];
  return {
    store,
    servers,
    addresses,
    token,
    tokenFile: adminTokenFile,
    leases,
    client: (given = {}) => {
      const client = new ApiClient({ addresses, token, ...given }, { clock, random: systemRandom });
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) client.close();
      for (const server of servers) await server.stop();
      store.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
