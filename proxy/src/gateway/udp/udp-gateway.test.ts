import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { type Logger, noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { createServerIdentity, newPrivateKey } from "@atlasnet/udp/node";
import { defaultLimits } from "../../limits.ts";
import { Arrivals } from "../../testing/arrivals.ts";
import { cbor } from "../../testing/test-clients.ts";
import { udpClient } from "../../testing/udp-client.ts";
import type { ClientEvents } from "../client-connection.ts";
import type { UdpConnection } from "./udp-connection.ts";
import { UdpCounters } from "./udp-counters.ts";
import { UdpGateway } from "./udp-gateway.ts";

/** Rooms without a session layer: what is heard and what is left is noted. */
async function gateway(
  t: TestContext,
  behaviour: { enter?: () => void; message?: (connection: UdpConnection) => void } = {},
) {
  const heard = new Arrivals<Uint8Array>();
  const left = new Arrivals<UdpConnection>();
  const errors = new Arrivals<string>();
  const logger: Logger = { ...noopLogger, error: (text) => errors.add(text) };
  const counters = new UdpCounters();
  const udp = new UdpGateway(
    { node: "p1", limits: defaultLimits, handshakesPerSecond: 100 },
    {
      identity: createServerIdentity(newPrivateKey()),
      clock: systemClock,
      random: systemRandom,
      counters,
      logger,
      rooms: {
        admit: (connection) => ({
          enter: (): ClientEvents => {
            behaviour.enter?.();
            return {
              message: (item) => {
                behaviour.message?.(connection);
                heard.add(new Uint8Array(item));
              },
              control: () => undefined,
              violation: () => undefined,
              updatesLost: () => undefined,
              closed: () => undefined,
            };
          },
          leave: () => left.add(connection),
        }),
      },
    },
  );
  await udp.start("127.0.0.1", 0);
  t.after(() => udp.stop());
  return { counters, heard, left, errors, address: `127.0.0.1:${udp.endpoint?.port}` };
}

test("a fault with one client ends that connection alone, is logged and counted", async (t) => {
  let faulty = true;
  const { counters, heard, left, errors, address } = await gateway(t, {
    message: () => {
      if (faulty) throw new Error("planted");
    },
  });
  const [victim, other] = [await udpClient(address), await udpClient(address)];
  t.after(() => victim.end());
  t.after(() => other.end());
  victim.send("boom");
  await left.next();
  assert.equal(await errors.next(), "a UDP connection is given up after a fault");
  assert.equal(counters.drops.fault, 1);
  faulty = false;
  other.send("well");
  assert.deepEqual(await heard.next(), cbor("well"));
  // The next word of the victim tells it that its connection is gone.
  victim.send("still here?");
  await victim.resets.next();
});

test("a fault while a client is let in leaves nothing behind", async (t) => {
  const { counters, left, address } = await gateway(t, {
    enter: () => {
      throw new Error("planted");
    },
  });
  const client = await udpClient(address);
  t.after(() => client.end());
  client.send("knock");
  await left.next();
  assert.deepEqual([counters.unconfirmed, counters.drops.fault], [0, 1]);
});
