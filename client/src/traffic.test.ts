import assert from "node:assert/strict";
import { test } from "node:test";
import { TrafficCounter } from "./traffic.ts";
import type { TransportHandlers } from "./transport.ts";

test("every connection's messages count, both ways, and pass through", () => {
  const counter = new TrafficCounter();
  const passed: unknown[] = [];
  const ends: TransportHandlers[] = [];
  const dial = counter.counting((url, handlers) => {
    passed.push(url);
    ends.push(handlers);
    return {
      send: (message) => passed.push(message.length),
      close: (code, reason) => passed.push(code, reason),
    };
  });
  for (const url of ["ws://one", "ws://two"]) {
    const transport = dial(
      url,
      {
        opened: () => passed.push("opened"),
        received: (message) => passed.push(message.length),
        closed: (number, reason) => passed.push(number, reason),
      },
      {},
    );
    const server = ends.at(-1);
    server?.opened();
    transport.send(new Uint8Array(3));
    server?.received(new Uint8Array(10));
    server?.received(new Uint8Array(20));
    if (url === "ws://one") server?.closed(1006, "cut");
    else transport.close("left", "bye");
  }
  const { bytesIn, bytesOut, messagesIn, messagesOut } = counter;
  assert.deepEqual(
    { bytesIn, bytesOut, messagesIn, messagesOut },
    { bytesIn: 60, bytesOut: 6, messagesIn: 4, messagesOut: 2 },
  );
  assert.deepEqual(passed, [
    ...["ws://one", "opened", 3, 10, 20, 1006, "cut"],
    ...["ws://two", "opened", 3, 10, 20, "left", "bye"],
  ]);
});

test("packets of all connections are summed, those that run and those that ended", () => {
  const counter = new TrafficCounter();
  const ends: TransportHandlers[] = [];
  const counts = [1, 10, 100].map((n) => ({ packetsIn: n, packetsOut: 2 * n, packetsLost: 3 * n }));
  const dial = counter.counting((_url, handlers) => {
    const packets = counts[ends.length];
    ends.push(handlers);
    return { packets, send: () => undefined, close: () => undefined };
  });
  const ignored = { opened() {}, received() {}, closed() {} };
  const [first] = [1, 2, 3].map(() => dial("udp://one", ignored, {}));
  first?.close("left", "bye");
  ends[1]?.closed(undefined, "cut");
  for (const one of counts) one.packetsIn += 1000;
  const { packetsIn, packetsOut, packetsLost } = counter;
  assert.deepEqual([packetsIn, packetsOut, packetsLost], [1111, 222, 333]);
});
