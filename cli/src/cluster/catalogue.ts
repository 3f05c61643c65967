import { readFile } from "node:fs/promises";
import { ApiClient } from "@atlasnet/apiserver/client";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import * as v from "valibot";
import { type Placement, placementSchema } from "../api/items.ts";
import { allPages } from "../api/pages.ts";
import type { ClusterWorld } from "./node-config.ts";

/** Tells worlds of a command line from those that were made by hand. */
const LABELS = { "dev-cluster": "command-line" };
/** Apiservers that have just started may elect for a while. */
const RETRY_MS = 20_000;

export interface CatalogueWorld extends ClusterWorld {
  /** Absent: what the durability makes usual. */
  readonly failover?: "automatic" | "manual";
}

/** The catalogue of a cluster on this machine, asked as operators ask it. Whoever opens it closes it. */
export class Catalogue {
  readonly client: ApiClient;

  private constructor(client: ApiClient) {
    this.client = client;
  }

  /** `tokenFile` has to be there: an apiserver that is ready has made it. */
  static async open(options: {
    readonly addresses: readonly string[];
    readonly tokenFile: string;
  }): Promise<Catalogue> {
    const { addresses, tokenFile } = options;
    const token = (await readFile(tokenFile, "utf8")).trim();
    return new Catalogue(
      new ApiClient(
        { addresses, token, retryMs: RETRY_MS },
        { clock: systemClock, random: systemRandom },
      ),
    );
  }

  /**
   * Makes the worlds of a command line, or changes what is there of these names. Those that an earlier one made and
   * this one does not name are switched off: what they keep stays, and counts when they are named again. `fresh` ones
   * are made anew: gameservers set aside what they have of them.
   */
  async putWorlds(
    worlds: readonly CatalogueWorld[],
    {
      fresh = false,
      label = true,
    }: { readonly fresh?: boolean /** False: as made by hand. */; readonly label?: boolean } = {},
  ): Promise<void> {
    const { client } = this;
    const there = await allPages(client, "/v1/worlds", { field: "worlds", item: worldSchema });
    const names = new Set(there.map(({ world }) => world));
    for (const { name, file, failover, ...settings } of worlds) {
      const body = {
        ...{ ...settings, module: { source: "node", path: file }, enabled: true },
        ...(label && { labels: LABELS }),
        ...(failover !== undefined && { failover }),
      };
      const id = client.newId();
      if (fresh && names.has(name))
        await client.request({ method: "DELETE", path: pathOf(name), id: client.newId() });
      if (!fresh && names.has(name))
        await client.request({ method: "PATCH", path: pathOf(name), body, id });
      else
        await client.request({
          ...{ method: "POST", path: "/v1/worlds", id },
          body: { world: name, ...body },
        });
    }
    const wanted = new Set(worlds.map(({ name }) => name));
    for (const { world, labels, enabled } of there) {
      if (!label || wanted.has(world) || !enabled || !isOurs(labels)) continue;
      const body = { enabled: false };
      await client.request({ method: "PATCH", path: pathOf(world), body, id: client.newId() });
    }
  }

  placements(): Promise<Placement[]> {
    return allPages(this.client, "/v1/placements", {
      field: "placements",
      item: placementSchema,
      query: { limit: "1000" },
    });
  }

  /** The node that owns a world now, if there is one. */
  async ownerOf(world: string): Promise<string | undefined> {
    const found = (await this.placements()).find((placement) => placement.world === world);
    return found?.state === "owned" ? found.owner?.node : undefined;
  }

  close(): void {
    this.client.close();
  }
}

const worldSchema = v.looseObject({
  world: v.string(),
  enabled: v.boolean(),
  labels: v.record(v.string(), v.string()),
});

function isOurs(labels: { readonly [name: string]: string }): boolean {
  return Object.entries(LABELS).every(([name, value]) => labels[name] === value);
}

function pathOf(world: string): string {
  return `/v1/worlds/${encodeURIComponent(world)}`;
}
