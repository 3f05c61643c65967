import assert from "node:assert/strict";
import { afterEach, describe, it, type TestContext } from "node:test";
import type { Clock, Timer } from "@atlasnet/core";
import { systemClock } from "@atlasnet/core/system";
import type { QuicEndpoint } from "./quic-endpoint.ts";
import { closeEndpoints, connectPair, Listening, openEndpoint } from "./testing/endpoints.ts";
import { proxyCredentials } from "./testing/test-credentials.ts";

/** `ATLASNET_SOAK=50` makes it 50 times as long. */
const FACTOR = Number(process.env["ATLASNET_SOAK"] ?? "1");

const CONNECTS = 200 * FACTOR;
const WRITES = 5000 * FACTOR;

/** Ended connections linger for about a second, so that many are open at a time. */
const LINGERING = 1000;

/** Counts the timers that were set and neither fired nor were cancelled. */
class CountingClock implements Clock {
  private readonly timers = new Set<Timer>();

  get running(): number {
    return this.timers.size;
  }

  now(): number {
    return systemClock.now();
  }

  wallTime(): number {
    return systemClock.wallTime();
  }

  setTimer(ms: number, fn: () => void): Timer {
    const inner = systemClock.setTimer(ms, () => {
      this.timers.delete(timer);
      fn();
    });
    const timer: Timer = {
      cancel: () => {
        this.timers.delete(timer);
        inner.cancel();
      },
    };
    this.timers.add(timer);
    return timer;
  }
}

function countsOf(...endpoints: QuicEndpoint[]): number[] {
  return endpoints.flatMap(({ stats }) => [stats.connections, stats.connectionIds]);
}

/** For a person who runs it for long: the figures should not grow with the length. */
function reportMemory(test: TestContext): void {
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  const mib = (bytes: number) => (bytes / 2 ** 20).toFixed(1);
  test.diagnostic(`MiB: rss ${mib(rss)}, heap ${mib(heapUsed)}, buffers ${mib(arrayBuffers)}`);
}

afterEach(closeEndpoints);

describe("many connections, one after the other", () => {
  it("leave nothing behind", { timeout: 60_000 * FACTOR }, async (test) => {
    const clock = new CountingClock();
    const server = await openEndpoint({ maxConnections: LINGERING }, { clock });
    const client = await openEndpoint({}, { clock, credentials: proxyCredentials });
    const listening = new Listening(server);
    for (let count = 0; count < CONNECTS; count++) {
      const ends = await connectPair(client, server, listening);
      const closing = count % 2 === 0 ? ends.client : ends.server;
      const stream = closing.connection.openStream(1);
      closing.connection.write(stream, Buffer.alloc(100, count));
      const other = closing === ends.client ? ends.server : ends.client;
      await other.until(() => other.countOf(stream) === 100);
      closing.connection.close(0, "");
      await other.untilClosed();
      await closing.untilClosed();
    }
    while (server.stats.connections + client.stats.connections > 0)
      await new Promise((resolve) => setImmediate(resolve));
    for (const { stats } of [server, client]) {
      assert.equal(stats.handshakesDone, CONNECTS);
      assert.equal(stats.handshakesFailed, 0);
      assert.equal(stats.nativeErrors, 0);
      assert.equal(stats.violations, 0);
    }
    assert.deepEqual(countsOf(server, client), [0, 0, 0, 0]);
    assert.equal(clock.running, 2, "each endpoint's own");
    await client.close();
    await server.close();
    assert.equal(clock.running, 0);
    reportMemory(test);
  });
});

describe("many writes", () => {
  it("all arrive, and nothing is kept", { timeout: 60_000 * FACTOR }, async (test) => {
    const clock = new CountingClock();
    const server = await openEndpoint({}, { clock });
    const client = await openEndpoint({}, { clock, credentials: proxyCredentials });
    const ends = await connectPair(client, server);
    const { connection } = ends.client;
    const streams = [0, 1, 2, 3].map((urgency) => connection.openStream(urgency));
    let arrived = 0;
    ends.server.stream = (_stream, bytes) => {
      arrived += bytes.length;
    };
    let total = 0;
    for (let count = 0; count < WRITES; count++) {
      const stream = streams[count % streams.length] ?? 0;
      const bytes = Buffer.alloc(1 + ((count * 37) % 3000), count);
      let sent = 0;
      while (sent < bytes.length) {
        sent += connection.write(stream, bytes.subarray(sent));
        if (sent < bytes.length) await new Promise((resolve) => setImmediate(resolve));
      }
      total += bytes.length;
    }
    await ends.server.until(() => arrived === total);
    assert.equal(ends.client.reason, undefined);
    await client.close();
    await ends.server.untilClosed();
    await server.close();
    assert.deepEqual(countsOf(server, client), [0, 0, 0, 0]);
    assert.equal(clock.running, 0);
    reportMemory(test);
  });
});
