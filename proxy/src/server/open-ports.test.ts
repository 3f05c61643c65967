import assert from "node:assert/strict";
import type { Server } from "node:net";
import { test } from "node:test";
import { OperatingError } from "@atlasnet/core";
import { openPorts } from "./open-ports.ts";

/** UDP whose port is taken the first `taken` times. */
function udp(taken: number) {
  const tried: number[] = [];
  return {
    tried,
    start: (_address: string, port: number): Promise<void> => {
      tried.push(port);
      if (tried.length > taken) return Promise.resolve();
      return Promise.reject(Object.assign(new Error("planted"), { code: "EADDRINUSE" }));
    },
  };
}

const PORTS = { host: "127.0.0.1", port: 0, udpPort: undefined };
const accept = (): void => undefined;

async function close(server: Server): Promise<void> {
  await new Promise<void>((resolve) => server.close(() => resolve()));
}

test("a number that the system chose is given back when UDP has it already, and another one tried", async () => {
  const gateway = udp(2);
  const server = await openPorts(PORTS, { accept, udp: gateway });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  assert.equal(gateway.tried.length, 3);
  assert.equal(gateway.tried[2], address.port);
  await close(server);
});

test("tries end, and a number that was asked for is not replaced", async () => {
  const asError = (error: unknown): OperatingError => {
    assert.ok(error instanceof OperatingError);
    assert.equal(error.code, "port-in-use");
    return error;
  };
  const always = udp(100);
  await assert.rejects(openPorts(PORTS, { accept, udp: always }), (error) => {
    assert.match(asError(error).hint ?? "", /proxy\.udp\.enabled=false/);
    return true;
  });
  assert.equal(always.tried.length, 8);
  const once = udp(1);
  await assert.rejects(openPorts({ ...PORTS, udpPort: 4321 }, { accept, udp: once }), (error) => {
    assert.match(asError(error).message, /^proxy\.udp\.port: 127\.0\.0\.1:4321\/udp is in use$/);
    return true;
  });
  assert.deepEqual(once.tried, [4321]);
});
