import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ApiClient, ControlClient } from "@atlasnet/apiserver/client";
import { decodeRecord, lostParts, nodeKey } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import type { AtlasNetServer } from "../monolith.ts";

/** The HTTP API of a monolith, as far as tests ask it. */
export class MonolithApi {
  private readonly origin: string;
  private readonly token: string;

  /** `dataDir`: where it keeps the administrator's token. */
  static async of({ addresses }: AtlasNetServer, dataDir: string): Promise<MonolithApi> {
    assert(addresses.api !== undefined);
    const { host, port } = addresses.api;
    const token = (await readFile(join(dataDir, "admin.token"), "utf8")).trim();
    return new MonolithApi(`http://${host}:${port}`, token);
  }

  private constructor(origin: string, token: string) {
    this.origin = origin;
    this.token = token;
  }

  /** Whether each world is enabled. */
  async worlds(): Promise<{ [world: string]: boolean }> {
    const { worlds } = await this.ask("GET", "/v1/worlds");
    return Object.fromEntries(
      list(worlds).map((it) => [String(it["world"]), it["enabled"] === true]),
    );
  }

  /** Waits until all nodes are in one of these states, and names them. */
  async nodesWithin(states: readonly string[]): Promise<readonly string[]> {
    for (;;) {
      const { nodes } = await this.ask("GET", "/v1/nodes");
      if (list(nodes).every((it) => states.includes(String(it["state"]))))
        return list(nodes).map((it) => String(it["node"]));
      await delay(20);
    }
  }

  async createWorld(world: string, path: string): Promise<void> {
    await this.ask("POST", "/v1/worlds", { world, module: { source: "node", path } });
  }

  /** Waits until the answer to why a world does not run says this. */
  async untilItSays(world: string, pattern: RegExp): Promise<void> {
    for (;;) {
      const { placements } = await this.ask("GET", `/v1/placements/${world}`);
      if (list(placements).some(({ why }) => pattern.test(JSON.stringify(why)))) return;
      await delay(20);
    }
  }

  async removeWorld(world: string): Promise<void> {
    await this.ask("DELETE", `/v1/worlds/${world}`);
  }

  async kv(key: string): Promise<unknown> {
    return (await this.ask("GET", `/v1/kv/item?key=${key}`))["text"];
  }

  /** The leader's word that a node's lease has run out, although it has not. */
  async declareLost(node: string): Promise<void> {
    const client = new ApiClient(
      { addresses: [this.origin], token: this.token },
      { clock: systemClock, random: systemRandom },
    );
    try {
      const store = new ControlClient({ client });
      for (let done = false; !done; ) {
        const [item] = (await store.range({ key: nodeKey(node) })).items;
        const decoded = item && decodeRecord("node", item.value);
        assert(item !== undefined && decoded?.ok === true);
        const { succeeded } = await store.txn(lostParts(node, item.modified, decoded.record));
        done = succeeded;
      }
    } finally {
      client.close();
    }
  }

  private async ask(method: string, path: string, body?: object): Promise<Fields> {
    const response = await fetch(this.origin + path, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body && { "content-type": "application/json" }),
      },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
    return Object(JSON.parse(text));
  }
}

interface Fields {
  readonly [name: string]: unknown;
}

function list(value: unknown): readonly Fields[] {
  return Array.isArray(value) ? value.map((it: unknown): Fields => Object(it)) : [];
}
