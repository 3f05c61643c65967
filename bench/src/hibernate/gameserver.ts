import { cpus } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import {
  type Attach,
  buildConfig,
  firstShard,
  InProcessNetwork,
  type Link,
  type LinkMessage,
  NODE_CHANNEL,
  noopLogger,
  shardChannel,
} from "@atlasnet/core";
import { ServiceHost } from "@atlasnet/core/node";
import { createGameserverService } from "@atlasnet/gameserver";
import { answer } from "../lib/child.ts";
import { FarControlPlane } from "./far-control-plane.ts";
import { NODE } from "./store-thread.ts";

/**
 * A whole gameserver and one proxy's link, in this process. Of the link, both ends are counted.
 */

export type Question =
  | { readonly type: "start"; readonly dir: string }
  /** Makes worlds `from` to `to`, and answers once all of them sleep. */
  | {
      readonly type: "worlds";
      readonly from: number;
      readonly to: number;
      readonly kilobytes: number;
    }
  /** Somebody comes into a world that sleeps; answers with the ms from the attach until the answer. */
  | { readonly type: "wake"; readonly world: number };

const MODULE = fileURLToPath(new URL("../worlds/stored-world.js", import.meta.url));
/** Figures of thousands of worlds are not looked at for nothing. */
const LOOK_MS = 250;
/** Worlds that the control plane gives at once. */
const AT_ONCE = 200;

const control = new FarControlPlane();
const network = new InProcessNetwork();
let link: Link | undefined;
let host: ServiceHost | undefined;
let attaches = 0;

async function start(dir: string): Promise<void> {
  const flag = (path: string, text: string) => ({ path, text, name: `--${path}` });
  const flags = [
    ...[flag("node.id", NODE), flag("data.dir", join(dir, "data")), flag("health.port", "0")],
    ...[flag("gameserver.threads", "2"), flag("gameserver.modulesDir", join(dir, "modules"))],
  ];
  const facts = { hostname: "bench", cores: cpus().length, workingDir: dir, resolvePath: resolve };
  const { config } = buildConfig({ env: {}, flags }, facts);
  host = await ServiceHost.start({ config, role: "gameserver" }, { logger: noopLogger });
  const links = network.node({ role: "gameserver", node: NODE });
  await createGameserverService({ config }, { host, links, control });
  await control.ready;
  link = await network.node({ role: "proxy", node: "p" }).connect(NODE);
  // What nobody reads would pile up, until the link ends.
  link.channel(NODE_CHANNEL).onMessage(() => undefined);
}

const nameOf = (world: number) => `world-${world}`;

async function asleep(): Promise<number> {
  const port = host?.health.boundPort;
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return Number(/^atlasnet_gameserver_asleep(?:\{.*\})? (\d+)/m.exec(text)?.[1] ?? 0);
}

async function worlds(from: number, to: number, kilobytes: number): Promise<void> {
  const module = { source: "node", path: MODULE } as const;
  const record = { module, config: { kilobytes }, sleepAfterSeconds: 1, graceSeconds: 0 };
  for (let first = from; first < to; first += AT_ONCE) {
    const count = Math.min(AT_ONCE, to - first);
    const names = Array.from({ length: count }, (_, n) => nameOf(first + n));
    await control.ask({ type: "worlds", names, record });
    while ((await asleep()) < first - AT_ONCE) await delay(LOOK_MS);
  }
  while ((await asleep()) < to) await delay(LOOK_MS);
}

async function wake(world: number): Promise<number> {
  const shard = firstShard(nameOf(world));
  const epoch = await control.ask({ type: "epoch", world: nameOf(world) });
  const attach = ++attaches;
  const channel = link?.channel(shardChannel(shard));
  const request: Attach = {
    ...{ shard, epoch, attach, account: "ann", name: "Ann", data: null },
    ...{ stream: new Uint8Array(8), attempt: 1, firstUnacked: 1, lastReceived: 0 },
    type: "attach",
  };
  const sent = performance.now();
  const said = await new Promise<LinkMessage>((heard) => {
    channel?.onMessage((message) => {
      if (message.type === "attached" || message.type === "closed") heard(message);
    });
    channel?.send(request);
  });
  const tookMs = performance.now() - sent;
  if (said.type !== "attached") throw new Error(`${shard}: ${JSON.stringify(said)}`);
  channel?.send({ type: "detach", shard, epoch, attach });
  return tookMs;
}

// The probe lets a process end that has nothing to do.
process.channel?.ref();
answer((question: Question | string) => {
  // The probe answers those.
  if (typeof question === "string") return new Promise(() => undefined);
  switch (question.type) {
    case "start":
      return start(question.dir);
    case "worlds":
      return worlds(question.from, question.to, question.kilobytes);
    case "wake":
      return wake(question.world);
  }
});
// What comes before somebody listens, the probe takes.
process.send?.({ ok: true });
