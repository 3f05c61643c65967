import assert from "node:assert/strict";
import { test } from "node:test";
import { observing } from "./observing.ts";
import type { TransportHandlers } from "./transport.ts";

test("every message is shown: before the transport takes it, before the client gets it", () => {
  const seen: unknown[] = [];
  let server: TransportHandlers | undefined;
  const dial = observing(
    (url, handlers) => {
      seen.push(url);
      server = handlers;
      return {
        send: (message) => seen.push(["sent", ...message]),
        close: (code, reason) => seen.push(code, reason),
      };
    },
    (direction, message) => seen.push([direction, ...message]),
  );
  const transport = dial(
    "ws://one",
    {
      opened: () => seen.push("opened"),
      received: (message) => seen.push(["received", ...message]),
      closed: (number, reason) => seen.push(number, reason),
    },
    {},
  );
  server?.opened();
  transport.send(Uint8Array.of(1));
  server?.received(Uint8Array.of(2));
  server?.closed(1006, "cut");
  transport.close("left", "bye");
  assert.deepEqual(seen, [
    ...["ws://one", "opened", ["out", 1], ["sent", 1], ["in", 2], ["received", 2]],
    ...[1006, "cut", "left", "bye"],
  ]);
});
