import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "@atlasnet/core";
import type { MulticastStats } from "./multicast-stats.ts";
import { RateWindow } from "./rate-window.ts";
import type { FillOutcome, WorldWatch } from "./world-watch.ts";

/** Requests of all watchers per second; more are refused with 429. */
export const REQUESTS_PER_SECOND = 200;
/** Requests that wait for full state at a time; more are refused with 503. */
export const MAX_WAITING = 64;
/** How long a request waits for full state; then 503. */
export const WAIT_MS = 2_000;

export interface FillDependencies {
  clock: Clock;
  stats: MulticastStats;
  /** Whether anything of a world may leave this node. */
  mayAct?(): boolean;
  /** The followed world of that name. */
  world(name: string): WorldWatch | undefined;
}

interface Answer {
  status: number;
  type: string;
  body: string | Uint8Array;
}

const PROBLEMS = {
  "unknown-topic": [
    404,
    "this topic is not multicast; gameserver.multicast.topics names those that are",
  ],
  "not-running": [503, "the topic cannot be followed now: its world is not running or refuses it"],
  "too-large": [503, "the topic's full state is above 1 MiB; smaller cells have smaller states"],
  "too-late": [503, "the world did not give its full state in time; ask again"],
} as const satisfies { [reason: string]: readonly [number, string] };

/**
 * What watchers ask over HTTP: `/multicast/WORLD` for the definition,
 * `/multicast/WORLD/TOPIC?run=R&after=N` for the datagrams behind N (docs/multicast.md).
 */
export class FillEndpoint {
  private readonly dependencies: FillDependencies;
  private readonly rate = new RateWindow(REQUESTS_PER_SECOND);
  private waiting = 0;

  constructor(dependencies: FillDependencies) {
    this.dependencies = dependencies;
  }

  /** Answers a GET request below `/multicast`. */
  handle(request: IncomingMessage, response: ServerResponse): void {
    this.answer(request.url ?? "").then(
      (answer) => write(response, answer),
      (error: unknown) => write(response, refusal(500, `a fault of the server: ${String(error)}`)),
    );
  }

  async answer(url: string): Promise<Answer> {
    const { clock, stats } = this.dependencies;
    const answer = this.rate.take(clock.now())
      ? await this.find(url)
      : refusal(429, `more than ${REQUESTS_PER_SECOND} requests in this second; ask again later`);
    if (answer.status !== 200) stats.refusals += 1;
    return answer;
  }

  private async find(url: string): Promise<Answer> {
    const target = parseTarget(url);
    if (target === undefined)
      return refusal(400, "ask for /multicast/WORLD or /multicast/WORLD/TOPIC?run=R&after=N");
    const watch = this.dependencies.world(target.world);
    if (watch === undefined)
      return refusal(
        404,
        "no topic of this world is multicast; gameserver.multicast.topics names them",
      );
    if (target.topic === "") return definitionOf(watch);
    if (this.waiting >= MAX_WAITING)
      return refusal(503, `${MAX_WAITING} requests wait already; ask again later`);
    this.waiting += 1;
    try {
      const outcome = await watch.fill(target.topic, target.run, target.after, WAIT_MS);
      // Asked at the end: the lease may have run out meanwhile.
      if (this.dependencies.mayAct?.() === false)
        return refusal(503, "this node may not speak for its worlds now; ask again later");
      return this.sequence(outcome);
    } finally {
      this.waiting -= 1;
    }
  }

  private sequence(outcome: FillOutcome): Answer {
    if (!outcome.ok) {
      const [status, sentence] = PROBLEMS[outcome.reason];
      return refusal(status, sentence);
    }
    const { stats } = this.dependencies;
    stats.fills += 1;
    if (outcome.filling.full) stats.fullFills += 1;
    const body = Buffer.concat(outcome.filling.items);
    return { status: 200, type: "application/cbor-seq", body };
  }
}

function definitionOf({ definition }: WorldWatch): Answer {
  return definition === undefined
    ? refusal(503, "the definition is not known yet; ask again")
    : { status: 200, type: "application/json", body: `${JSON.stringify(definition)}\n` };
}

interface Target {
  world: string;
  /** Empty: the world itself. */
  topic: string;
  run: number | undefined;
  after: number | undefined;
}

function parseTarget(url: string): Target | undefined {
  const { pathname, searchParams } = new URL(url, "http://server");
  const [, world, topic = ""] = /^\/multicast\/([A-Za-z0-9_-]+)(?:\/(.+))?$/.exec(pathname) ?? [];
  const run = parseCount(searchParams.get("run"));
  const after = parseCount(searchParams.get("after"));
  if (world === undefined || Number.isNaN(run) || Number.isNaN(after)) return undefined;
  // Commas may come as they are or escaped.
  return { world, topic: topic.replaceAll(/%2C/gi, ","), run, after };
}

/** A number from 0; NaN for what is none, undefined for what is not there. */
function parseCount(text: string | null): number | undefined {
  if (text === null) return undefined;
  const value = /^\d{1,16}$/.test(text) ? Number(text) : Number.NaN;
  return Number.isSafeInteger(value) ? value : Number.NaN;
}

function refusal(status: number, sentence: string): Answer {
  return { status, type: "text/plain", body: `${sentence}\n` };
}

function write(response: ServerResponse, { status, type, body }: Answer): void {
  // Watchers are many and the health server's connections few: none is kept.
  const headers = { "content-type": type, "cache-control": "no-store", connection: "close" };
  const more = status === 429 || status === 503 ? { "retry-after": "1" } : {};
  response.writeHead(status, { ...headers, ...more }).end(body);
}
