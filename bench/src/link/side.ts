import { type Link, type LinkMessage, noopLogger, type Upstream } from "@atlasnet/core";
import { systemClock, systemRandom } from "@atlasnet/core/system";
import { createVerifyPeer, type NodeIdentity } from "@atlasnet/identity";
import { QuicNetwork } from "@atlasnet/quic";
import { answer } from "../lib/child.ts";
import { openTlsEndpoint } from "./tls-endpoint.ts";

/** One end of a link that is measured, in a process of its own. */

export type LinkKind = "quic" | "tls";

export interface Opening {
  readonly kind: LinkKind;
  readonly identity: NodeIdentity;
  readonly bulkBytesPerSecond: number;
}

export type SideQuestion =
  /** Takes links in; its port. */
  | (Opening & { type: "listen" })
  /** Opens a link to node "far". */
  | (Opening & { type: "connect"; port: number })
  /** Sends messages of so many bytes, as many as the link takes. */
  | { type: "flood"; bytes: number; bulk: boolean }
  /** Sends small messages, which come back. */
  | { type: "ping"; perSecond: number }
  | { type: "begin" }
  /** What this side did since: its `SideWindow`. */
  | { type: "end" }
  | { type: "halt" }
  /** Ends the link and its network. */
  | { type: "close" };

export interface SideWindow {
  readonly seconds: number;
  readonly cpuSeconds: number;
  /** Messages of the flood that arrived here. */
  readonly messages: number;
  /** Round trips of the pings, in µs. */
  readonly tripsUs: readonly number[];
}

/** Sent before the event loop gets a turn: messages, and of bulk what one who streams would hand over at once. */
const PER_TURN = 2_000;
const BULK_PER_TURN = 1;
const PING_BYTES = 64;

let network: QuicNetwork | undefined;
let link: Link | undefined;
let flooding = false;
let timer: NodeJS.Timeout | undefined;
let messages = 0;
let trips: number[] = [];
let beganAt = 0;
let cpuAtBegin = process.cpuUsage();

function openNetwork(opening: Opening, port: number): QuicNetwork {
  const { kind, identity, bulkBytesPerSecond } = opening;
  const { role, node, authorities, cluster } = identity;
  network = new QuicNetwork(
    {
      self: { role, node },
      accepts: ["proxy", "gameserver"],
      host: "127.0.0.1",
      port: 0,
      idleTimeoutMs: 10_000,
      maxPacketBytes: 16_384,
      bulkBytesPerSecond,
    },
    {
      credentials: identity,
      verifyPeer: createVerifyPeer(authorities, cluster),
      lookup: () => ({ host: "127.0.0.1", port, role: "gameserver" }),
      clock: systemClock,
      random: systemRandom,
      logger: noopLogger,
      now: Date.now,
      ...(kind === "tls" ? { openEndpoint: openTlsEndpoint } : {}),
    },
  );
  return network;
}

async function listen(opening: Opening): Promise<number> {
  const net = openNetwork(opening, 0);
  await net.listen((taken) => {
    const count = () => {
      messages += 1;
    };
    taken.channel("flood").onMessage(count);
    taken.channel("bulk").onMessage(count);
    const echo = taken.channel("ping");
    echo.onMessage((message) => void echo.send(message));
  });
  return net.address?.port ?? 0;
}

async function connect(opening: Opening & { port: number }): Promise<void> {
  link = await openNetwork(opening, opening.port).connect("far");
}

function opened(): Link {
  if (link === undefined) throw new Error("there is no link");
  return link;
}

function payload(bytes: number): Upstream {
  return { type: "upstream", shard: "arena/0", epoch: 7, batch: new Uint8Array(bytes).fill(5) };
}

function flood(bytes: number, bulk: boolean): void {
  const channel = opened().channel(bulk ? "bulk" : "flood", { bulk });
  const message = payload(bytes);
  flooding = true;
  const atOnce = bulk ? BULK_PER_TURN : PER_TURN;
  const turn = () => {
    for (let sent = 0; sent < atOnce && flooding; sent++) if (!channel.send(message)) return;
    if (flooding) setImmediate(turn);
  };
  channel.onDrain(turn);
  turn();
}

function ping(perSecond: number): void {
  const channel = opened().channel("ping");
  const sentAt = new Map<number, number>();
  let sent = 0;
  channel.onMessage((message: LinkMessage) => {
    const number = message.type === "upstream" ? message.epoch : 0;
    trips.push((performance.now() - (sentAt.get(number) ?? 0)) * 1000);
    sentAt.delete(number);
  });
  timer = setInterval(() => {
    sent += 1;
    sentAt.set(sent, performance.now());
    channel.send({ ...payload(PING_BYTES), epoch: sent });
  }, 1000 / perSecond);
}

function begin(): void {
  messages = 0;
  trips = [];
  beganAt = performance.now();
  cpuAtBegin = process.cpuUsage();
}

function end(): SideWindow {
  const { user, system } = process.cpuUsage(cpuAtBegin);
  return {
    seconds: (performance.now() - beganAt) / 1000,
    cpuSeconds: (user + system) / 1e6,
    messages,
    tripsUs: trips,
  };
}

function halt(): void {
  flooding = false;
  clearInterval(timer);
}

answer<SideQuestion>((question) => {
  switch (question.type) {
    case "listen":
      return listen(question);
    case "connect":
      return connect(question);
    case "flood":
      return flood(question.bytes, question.bulk);
    case "ping":
      return ping(question.perSecond);
    case "begin":
      return begin();
    case "end":
      return end();
    case "halt":
      return halt();
    case "close":
      halt();
      return network?.stop();
  }
});
