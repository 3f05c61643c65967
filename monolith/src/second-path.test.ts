import assert from "node:assert/strict";
import { createServer } from "node:net";
import { describe, type TestContext, test } from "node:test";
import { reached } from "@atlasnet/core/testing";
import { startRelay } from "@atlasnet/netem";
import { LedgerPlayer } from "./testing/ledger-player.ts";
import { startLedgerServer } from "./testing/ledger-server.ts";
import { definition } from "./testing/ledger-world.ts";
import { type ServerForm, serverForms } from "./testing/server-forms.ts";

/** Another address of this machine: relays there have the very ports of the server, which the welcome names. */
const OTHER_HOST = "::1";

async function hasOtherHost(): Promise<boolean> {
  const server = createServer();
  const listens = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(0, OTHER_HOST, () => resolve(true));
  });
  if (listens) server.close();
  return listens;
}

/** A server with the ledger, and a relay for each of TCP and UDP in front of it. */
async function scene(t: TestContext, form: ServerForm) {
  const { server, place } = await startLedgerServer(t, form);
  const { port, udpPort = 0 } = server.players;
  const relayOf = async (kind: "tcp" | "udp", targetPort: number) => {
    const relay = await startRelay({
      listen: { host: OTHER_HOST, port: targetPort },
      target: { host: "127.0.0.1", port: targetPort },
      tcp: kind === "tcp",
      udp: kind === "udp",
    });
    place.undo(() => relay.stop());
    return relay;
  };
  const tcp = await relayOf("tcp", port);
  const udp = await relayOf("udp", udpPort);
  const url = `tcp://[${OTHER_HOST}]:${port}`;
  const client = server.client("tcp", { url, transport: "auto" });
  const player = new LedgerPlayer(await client.join(definition, { world: "ledger" }));
  place.undo(() => player.stop());
  return { tcp, udp, player };
}

const possible = await hasOtherHost();
const why = possible ? "" : ` (skipped: this machine has no ${OTHER_HOST})`;
const WAY =
  "auto: to UDP unnoticed, and back to TCP when UDP breaks; all arrives once and in order";

describe("second path", { concurrency: serverForms.length }, () => {
  for (const form of serverForms) declare(form);
});

function declare(form: ServerForm): void {
  test(`${form.name}, ${WAY}${why}`, { skip: !possible }, async (t) => {
    const { tcp, udp, player } = await scene(t, form);
    const { world } = player;
    const events: string[] = [];
    world.onDrop(() => events.push("drop"));
    world.onResume(() => events.push("resume"));
    player.talk(1_000);
    await reached(() => world.transport === "udp" && player.said.length >= 20);
    assert.deepEqual(events, []);
    assert.equal(udp.stats.udp?.opened, 1);

    udp.setConditions({ loss: 1 });
    await reached(() => events.length >= 2);
    assert.deepEqual([events, world.transport], [["drop", "resume"], "tcp"]);
    assert.equal(tcp.stats.tcp?.opened, 2);
    const { sent } = player;
    await reached(() => player.sent >= sent + 10);
    player.stop();
    await reached(() => player.answered);
    await player.settle();
    world.send("freeze", {});
    await reached(() => player.frozen);
    await player.assertMirror();
    player.assertBooks();
  });
}
