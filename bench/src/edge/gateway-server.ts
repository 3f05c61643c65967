import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { InProcessNetwork, noopLogger } from "@atlasnet/core";
import { loadOrCreateKeyFile } from "@atlasnet/core/node";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { createProxy, defaultLimits, type ProxyService } from "@atlasnet/proxy";
import { newPrivateKey } from "@atlasnet/udp/node";
import { createNoopMeter } from "@opentelemetry/api";
import { answer } from "../lib/child.ts";
import { EchoShard, GAMESERVER, placements } from "./echo-shard.ts";

/** The gateway and session layer of a proxy, with an echo behind its link instead of a world. */

export type GatewayQuestion =
  | { type: "listen" }
  | { type: "cpu" }
  /** Datagrams that were read so far. */
  | { type: "datagrams" };

const MANY = 1e9;
let proxy: ProxyService | undefined;

async function listen(): Promise<number> {
  const network = new InProcessNetwork();
  await new EchoShard().listen(network.node({ role: "gameserver", node: GAMESERVER }));
  const folder = await mkdtemp(join(tmpdir(), "atlasnet-edge-"));
  const { keys } = await loadOrCreateKeyFile(join(folder, "keys.json"));
  await rm(folder, { recursive: true });
  proxy = createProxy(
    {
      node: "p1",
      host: "127.0.0.1",
      port: 0,
      allowGuests: true,
      endpoints: [],
      // Closed loops have no rate. Nothing is gathered: an echo has no tick that could be waited for.
      limits: {
        ...defaultLimits,
        messagesPerSecond: MANY,
        messagesBurst: MANY,
        bytesPerSecond: MANY,
        bytesBurst: MANY,
        upstreamFlushMs: 0,
      },
      udp: { privateKey: newPrivateKey(), handshakesPerSecond: 1000 },
    },
    {
      links: network.node({ role: "proxy", node: "p1" }),
      placements,
      keys,
      clock: systemClock,
      random: systemRandom,
      logger: noopLogger,
      meter: createNoopMeter(),
    },
  );
  await proxy.start();
  const [address = ""] = proxy.addresses;
  return Number(address.slice(address.lastIndexOf(":") + 1));
}

answer<GatewayQuestion>(async (question) => {
  switch (question.type) {
    case "listen":
      return listen();
    case "cpu": {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    }
    case "datagrams":
      return proxy?.counters.udp.packetsIn ?? 0;
  }
});
