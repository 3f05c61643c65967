import { answer } from "../lib/child.ts";
import { mean, round } from "../lib/statistics.ts";
import { ArenaClient, type ArenaTransport } from "./arena-client.ts";
import { BareClient } from "./bare-client.ts";
import { Checker, type CheckResult } from "./checker.ts";
import { Tally } from "./tally.ts";
import { MOVE_RATE } from "./walker.ts";

/** The process that plays all clients of both servers. */

export type Side = "atlasnet" | "bare";

export type GeneratorQuestion =
  | {
      type: "open";
      side: Side;
      transport: ArenaTransport;
      port: number;
      world: string;
      clients: number;
      checked: number;
    }
  | { type: "resize"; bytes: number }
  /** Lets the clients of a side move. */
  | { type: "go"; side: Side }
  /** A window begins. */
  | { type: "begin" }
  /** The window ends: its `WindowResult`. */
  | { type: "end" }
  | { type: "halt" }
  /** Leaves with all but so many. */
  | { type: "shrink"; side: Side; clients: number };

export interface WindowResult {
  seconds: number;
  messagesPerSecond: number;
  bytesPerSecond: { mean: number; max: number };
  bytesPerMessage: number;
  sentPerSecond: number;
  sentBytesPerMessage: number;
  gapP50Ms: number;
  gapP99Ms: number;
  gapMaxMs: number;
  ticks: number;
  generatorCpuShare: number;
  check: CheckResult | undefined;
}

/** Moves are spread over their interval in so many groups. */
const GROUPS = 20;
const INTERVAL_MS = 1000 / MOVE_RATE;
/** Clients that connect at once. */
const CONNECTING = 50;
const OPEN_TIMEOUT_MS = 30_000;
const PING_MS = 8_000;

const tally = new Tally();
const owners = new Map<number, ArenaClient>();
const checker = new Checker(owners);
const sides: { atlasnet: ArenaClient[]; bare: BareClient[] } = { atlasnet: [], bare: [] };
let moving: Side | undefined;
let timer: NodeJS.Timeout | undefined;
let beganAt = 0;
let cpuAtBegin = process.cpuUsage();

async function open(question: Extract<GeneratorQuestion, { type: "open" }>): Promise<number> {
  const { side, transport, port, world, clients, checked } = question;
  const connectOne = (): Promise<void> =>
    new Promise((resolve) => {
      const joined = () => resolve();
      const address = { host: "127.0.0.1", port, world, transport };
      if (side === "bare") sides.bare.push(new BareClient(address, { tally, joined }));
      else {
        const dependencies = { tally, random: Math.random, joined };
        sides.atlasnet.push(new ArenaClient(address, dependencies));
      }
    });
  const late = setTimeout(() => {
    console.error(`${side}: not all of ${clients} clients came in within ${OPEN_TIMEOUT_MS} ms:`);
    console.error(new Set(sides[side].map((client) => client.problem || "no problem seen")));
    process.exit(1);
  }, OPEN_TIMEOUT_MS);
  for (let left = clients; left > 0; left -= CONNECTING)
    await Promise.all(Array.from({ length: Math.min(left, CONNECTING) }, connectOne));
  clearTimeout(late);
  if (side === "atlasnet") {
    sides.atlasnet.forEach((client, i) => {
      owners.set(client.entity, client);
      client.check(i < checked ? checker : undefined);
    });
    setInterval(() => {
      if (moving !== "atlasnet") for (const client of sides.atlasnet) client.ping();
    }, PING_MS).unref();
  }
  return sides[side].length;
}

/** Moves one group after the other; a late one is made up for. */
function go(side: Side): void {
  moving = side;
  let group = 0;
  let next = performance.now();
  const turn = () => {
    const now = performance.now();
    for (; next <= now; next += INTERVAL_MS / GROUPS) {
      const clients = sides[side];
      for (let i = group; i < clients.length; i += GROUPS) clients[i]?.move(now);
      group = (group + 1) % GROUPS;
    }
    timer = setTimeout(turn, Math.max(1, next - performance.now()));
  };
  turn();
}

function halt(): void {
  clearTimeout(timer);
  moving = undefined;
}

function begin(): void {
  tally.reset();
  checker.reset();
  for (const client of movers()) {
    client.tally.messages = 0;
    client.tally.bytes = 0;
    client.tally.lastAt = 0;
  }
  beganAt = performance.now();
  cpuAtBegin = process.cpuUsage();
}

function movers(): readonly (ArenaClient | BareClient)[] {
  return moving === undefined ? [] : sides[moving];
}

function end(): WindowResult {
  const seconds = (performance.now() - beganAt) / 1000;
  const clients = movers();
  const problem = clients.find((client) => client.problem !== "")?.problem;
  if (problem !== undefined) throw new Error(`a client was lost: ${problem}`);
  const { user, system } = process.cpuUsage(cpuAtBegin);
  const bytes = clients.map((client) => client.tally.bytes / seconds);
  const messages = clients.reduce((sum, client) => sum + client.tally.messages, 0);
  return {
    seconds: round(seconds),
    messagesPerSecond: round(messages / seconds / clients.length),
    bytesPerSecond: { mean: round(mean(bytes), 0), max: round(Math.max(...bytes), 0) },
    bytesPerMessage: round(clients.reduce((sum, c) => sum + c.tally.bytes, 0) / messages, 1),
    sentPerSecond: round(tally.sent / seconds / clients.length),
    sentBytesPerMessage: round(tally.sentBytes / tally.sent, 1),
    gapP50Ms: tally.gaps.percentile(0.5),
    gapP99Ms: tally.gaps.percentile(0.99),
    gapMaxMs: round(tally.gaps.max, 1),
    ticks: tally.lastTick - tally.firstTick + 1,
    generatorCpuShare: round((user + system) / 1e6 / seconds),
    check: moving === "atlasnet" ? checker.result() : undefined,
  };
}

function shrink(side: Side, clients: number): number {
  for (const client of sides[side].splice(clients)) {
    client.leave();
    if (client instanceof ArenaClient) owners.delete(client.entity);
  }
  return sides[side].length;
}

answer<GeneratorQuestion>((question) => {
  switch (question.type) {
    case "open":
      return open(question);
    case "resize":
      for (const client of sides.bare) client.resize(question.bytes);
      return undefined;
    case "go":
      return go(question.side);
    case "begin":
      return begin();
    case "end":
      return end();
    case "halt":
      return halt();
    case "shrink":
      return shrink(question.side, question.clients);
  }
});
