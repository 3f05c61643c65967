import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { PeerCalls, PeerLinks } from "@atlasnet/apiserver";
import { noopLogger } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { createTestCa } from "@atlasnet/identity/testing";
import { Child } from "../lib/child.ts";
import { freePort } from "../lib/ports.ts";
import type { Contender } from "./load.ts";
import {
  GROUP,
  KEY_BYTES,
  type MemberFigures,
  type MemberQuestion,
  PUT,
} from "./member-question.ts";
import { openNetwork } from "./network.ts";

const NODES = ["a", "b", "c"];
const TIMEOUT_MS = 10_000;

/** Three apiservers as processes, and a client of the leader over a link. */
export async function startAtlas(dir: string, execArgv: readonly string[]): Promise<Contender> {
  const ca = await createTestCa();
  const ports: { [node: string]: number } = {};
  for (const node of NODES) ports[node] = await freePort();
  const children = await Promise.all(
    NODES.map(async (node) => {
      const child = new Child("../raft/member.js", import.meta.url, execArgv);
      const identity = await ca.issue({ role: "apiserver", node });
      const start: MemberQuestion = {
        ...{ type: "start", identity, ports, voters: NODES },
        dir: join(dir, node),
      };
      await child.ask(start);
      return { node, child };
    }),
  );
  const leader = await leaderOf(children);
  const identity = await ca.issue({ role: "apiserver", node: "load" });
  const network = openNetwork(identity, { ...ports, load: await freePort() });
  const links = new PeerLinks(
    {},
    { network, clock: systemClock, random: systemRandom, logger: noopLogger },
  );
  const calls = new PeerCalls({ group: GROUP }, { links, clock: systemClock });
  while (links.to(leader) === undefined) await delay(10);
  return {
    name: "AtlasNet",
    put: async (key, value) => {
      const body = new Uint8Array(KEY_BYTES + value.length);
      new TextEncoder().encodeInto(key, body);
      body.set(value, KEY_BYTES);
      const { code } = await calls.ask(leader, PUT, body, TIMEOUT_MS);
      if (code !== "ok") throw new Error(`a put was answered with ${code}`);
    },
    figures: async () => {
      const all: { [node: string]: MemberFigures } = {};
      for (const { node, child } of children)
        all[node === leader ? `${node} (leader)` : node] = await child.ask({ type: "figures" });
      return all;
    },
    stop: async () => {
      links.stop();
      await network.stop();
      await Promise.all(children.map(({ child }) => child.stop()));
    },
  };
}

async function leaderOf(
  children: readonly { readonly node: string; readonly child: Child }[],
): Promise<string> {
  for (;;) {
    for (const { node, child } of children)
      if (await child.ask<boolean>({ type: "leads" })) return node;
    await delay(20);
  }
}
