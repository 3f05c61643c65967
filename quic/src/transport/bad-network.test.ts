import assert from "node:assert/strict";
import { afterEach, describe, it } from "node:test";
import { SeededRandom } from "@atlasnet/core/sim";
import { closeEndpoints, connectPair, openEndpoint } from "./testing/endpoints.ts";
import { MemoryNetwork, type Packet } from "./testing/memory-network.ts";

const BYTES = 400_000;

afterEach(closeEndpoints);

describe("over a network that loses, doubles and reorders packets", () => {
  for (const seed of [1, 2, 3])
    it(`all bytes of all streams arrive in order (seed ${seed})`, { timeout: 60_000 }, async () => {
      const random = new SeededRandom(seed);
      const network = new MemoryNetwork();
      let held: Packet | undefined;
      network.rule = (packet) => {
        const chance = random.float();
        if (chance < 0.05) return [];
        if (chance < 0.1) return [packet, packet];
        if (chance > 0.15 || held !== undefined) {
          const late = held === undefined ? [] : [held];
          held = undefined;
          return [packet, ...late];
        }
        held = packet;
        return [];
      };
      const server = await openEndpoint({}, { openPort: network.openPort });
      const client = await openEndpoint({}, { openPort: network.openPort });
      const { client: from, server: to } = await connectPair(client, server);
      const data = Buffer.alloc(BYTES, "in order and complete, ");
      const streams = [0, 3, 7].map((urgency) => ({
        id: from.connection.openStream(urgency),
        sent: 0,
      }));
      const go = () => {
        for (const stream of streams)
          if (stream.sent < BYTES)
            stream.sent += from.connection.write(stream.id, data.subarray(stream.sent));
      };
      from.onEvent = go;
      go();
      await to.until(() => streams.every(({ id }) => to.countOf(id) === BYTES));
      for (const { id } of streams) assert.ok(to.bytesOf(id).equals(data));
      assert.equal(from.reason, undefined);
    });
});
