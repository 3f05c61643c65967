import { connect, JoinError } from "@atlasnet/client";
import { definition as checkerWorld } from "@atlasnet/history/world";
import {
  compileDefinition,
  type DefinitionData,
  DefinitionError,
  parseDefinition,
  sameBytes,
} from "@atlasnet/world";
import { LoadError } from "./load-error.ts";
import type { LoadPlan } from "./load-options.ts";
import { SequenceChecker } from "./sequence-checker.ts";
import { leadingAway } from "./this-machine.ts";
import { type TappedWelcome, WireTap } from "./wire-tap.ts";

const SCOUT_TIMEOUT_MS = 10_000;

/** What a first client found: the world as it is there. */
export interface Scouted {
  readonly definition: DefinitionData;
  readonly tickRate: number;
  /** Messages a client may send per second; 0 for no limit. */
  readonly messagesPerSecond: number;
  /** What is sent, chosen from the definition. */
  readonly message: string | undefined;
  readonly input: string | undefined;
}

export function urlOf({ transport, address }: Pick<LoadPlan, "transport" | "address">): string {
  return `${transport}://${address}`;
}

/** Joins once, by the world's name alone, to learn its definition. @throws LoadError */
export async function scout(plan: LoadPlan): Promise<Scouted> {
  const url = urlOf(plan);
  let welcome: TappedWelcome | undefined;
  const checker = new SequenceChecker({
    sent: nothing,
    acknowledged: nothing,
    lost: nothing,
    failed: nothing,
  });
  const tap = new WireTap(checker, (seen) => {
    welcome ??= seen;
  });
  const client = connect({
    url,
    observe: (direction, message) => tap.observe(direction, message),
    ...(plan.serverKey !== undefined && { serverKey: plan.serverKey }),
    logger: { warn: nothing },
  });
  const [ticket] = plan.tickets ?? [];
  try {
    const world = await client.join({
      world: plan.world,
      resume: "never",
      timeoutMs: SCOUT_TIMEOUT_MS,
      ...(ticket !== undefined && { ticket }),
    });
    await world.leave();
  } catch (error) {
    if (!(error instanceof JoinError)) throw error;
    const hint = HINTS.get(error.code);
    throw new LoadError("no-scout", `${url}: ${error.message}`, { hint });
  } finally {
    client.close();
  }
  if (welcome === undefined)
    throw new LoadError("no-scout", `${url} sent a welcome nobody can read`);
  const { tickRate, messagesPerSecond, endpoints } = welcome;
  const away = plan.remote ? undefined : leadingAway(url, endpoints);
  if (away !== undefined)
    throw new LoadError(
      "bad-load",
      `the server there names ${away} for clients to go to, which is not this machine`,
      { option: "url", hint: "If that one is yours to load, too, say so with --remote." },
    );
  const definition = definitionOf(welcome, url);
  if (plan.check) assertCheckable(plan, definition);
  return { definition, tickRate, messagesPerSecond, ...chosen(plan, definition) };
}

const HINTS = new Map<string, string>([
  [
    "unreachable",
    "Is the server running, and does it listen there? --url host:port names another.",
  ],
  ["unknown-world", "--world names a world that the server runs."],
  ["unauthorized", "The server lets no guests in: --tickets FILE has a ticket for each client."],
]);

function definitionOf(welcome: TappedWelcome, url: string): DefinitionData {
  try {
    return parseDefinition(welcome.definition);
  } catch (error) {
    if (!(error instanceof DefinitionError)) throw error;
    throw new LoadError("no-scout", `${url}: ${error.message}`);
  }
}

/** Only the checker's world gives account of what it applied. @throws LoadError */
function assertCheckable({ world }: LoadPlan, definition: DefinitionData): void {
  const own = compileDefinition(checkerWorld.data).hash;
  if (sameBytes(own, compileDefinition(definition).hash)) return;
  throw new LoadError(
    "bad-load",
    `found the world ${world} with the definition ${definition.name}, allowed: the world of the history checker`,
    {
      option: "check",
      hint: `\`atlasnet history world\` prints its file. A server has it with --world NAME=FILE, beside its other worlds.`,
    },
  );
}

/** What is sent: what was asked for, else the first message, else the first input. @throws LoadError */
export function chosen(
  { message, input }: Pick<LoadPlan, "message" | "input">,
  { name, clientMessages, inputs }: DefinitionData,
): { message: string | undefined; input: string | undefined } {
  const check = (option: string, wanted: string | undefined, all: readonly { name: string }[]) => {
    if (wanted === undefined || all.some((struct) => struct.name === wanted)) return;
    const names = all.map((struct) => struct.name).join(", ") || "none";
    throw new LoadError("bad-load", `found ${wanted}, allowed: ${names}`, { option });
  };
  check("message", message, clientMessages);
  check("input", input, inputs);
  const messageName = message ?? clientMessages[0]?.name;
  const inputName = input ?? (messageName === undefined ? inputs[0]?.name : undefined);
  if (messageName === undefined && inputName === undefined)
    throw new LoadError("bad-load", `${name} has neither client messages nor inputs to send`, {
      option: "world",
    });
  return { message: messageName, input: inputName };
}

function nothing(): void {}
