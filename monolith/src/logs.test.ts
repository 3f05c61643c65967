import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { connect } from "@atlasnet/client";
import { createMonolith } from "./index.ts";
import { type LogLine, LogLines } from "./testing/log-lines.ts";
import { OtlpCollector } from "./testing/otlp-collector.ts";
import { TestCluster } from "./testing/test-cluster.ts";
import { definition } from "./testing/traced-world.ts";
import { Workplace } from "./testing/workplace.ts";

/** The facts of a line that a test is about. */
function facts(line: LogLine, ...names: string[]): { [name: string]: unknown } {
  return Object.fromEntries(names.map((name) => [name, line[name]]));
}

test("lines about a player who may not come in, and about a fault of a world", async (t) => {
  const place = await Workplace.create(t);
  const collector = await OtlpCollector.start(t);
  const { config } = await place.load("n1", {
    "gameserver.maxSessionsPerWorld": "1",
    "telemetry.otlpEndpoint": collector.endpoint,
    worlds: `traced=${fileURLToPath(new URL("./testing/traced-world.js", import.meta.url))}`,
  });
  const lines = await LogLines.open({ node: "n1", role: "monolith" });
  const server = createMonolith({ config }, { logger: lines.logger });
  place.undo(() => server.stop());
  await server.start();
  const open = await lines.line("A world is open");
  assert.deepEqual(facts(open, "node", "world", "shard"), {
    node: "n1",
    world: "traced",
    shard: "traced/0",
  });
  // The revision of the claim.
  assert.ok(Number(open["epoch"]) > 1);

  const url = `tcp://127.0.0.1:${server.addresses.players.port}`;
  const anna = connect({ url });
  t.after(() => anna.close());
  const world = await anna.join(definition, { world: "traced" });
  world.send("fail", {});
  const fault = await lines.line("planted");
  assert.deepEqual(facts(fault, "level", "node", "world", "shard", "event"), {
    level: "error",
    node: "n1",
    world: "traced",
    shard: "traced/0",
    event: "message.fail",
  });
  assert.equal(fault["session"], world.session, "whose message it was");

  const bert = connect({ url });
  t.after(() => bert.close());
  await assert.rejects(bert.join(definition, { world: "traced" }));
  const refusal = await lines.line("a connection is closed");
  assert.deepEqual(facts(refusal, "node", "role", "part", "world", "shard", "code"), {
    node: "n1",
    role: "monolith",
    part: "proxy",
    world: "traced",
    shard: "traced/0",
    code: "world-full",
  });
  await server.stop();
  const attaches = collector.spans("player.attach").filter(({ status }) => status === 2);
  assert.equal(refusal["traceId"], attaches[0]?.traceId, "its trace");
});

test("lines about a link that is gone name both ends", async (t) => {
  const lines = await LogLines.open();
  const cluster = await TestCluster.start(t, { logger: lines.logger });
  await cluster.gameserver("g1", ["ledger"]);
  const { address } = await cluster.proxy("p1", ["g1"]);
  await cluster.player(address, "ledger");
  const up = await lines.line("A proxy is linked", "g1");
  assert.deepEqual(facts(up, "role", "peer"), { role: "gameserver", peer: "p1" });
  cluster.network.cut("p1", "g1");
  const ours = await lines.line("a link to a gameserver is gone", "p1");
  assert.deepEqual(facts(ours, "level", "role", "peer", "shards"), {
    level: "warn",
    role: "proxy",
    peer: "g1",
    shards: 1,
  });
  const theirs = await lines.line("A link to a proxy is gone", "g1");
  assert.deepEqual(facts(theirs, "role", "peer", "link"), {
    role: "gameserver",
    peer: "p1",
    link: up["link"],
  });
});
