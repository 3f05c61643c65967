import { SeededRandom } from "@atlasnet/core/sim";
import { NEW_LOG_VOTE } from "../bootstrap.ts";
import type { RaftFault } from "../faults.ts";
import { makeMembers } from "../members.ts";
import { encodeMembers } from "../members-codec.ts";
import type { MessageBody, RaftMessage } from "../messages.ts";
import type { RaftSettings } from "../options.ts";
import { RaftCore } from "../raft-core.ts";
import type { Checkpoint, Entry, HardState, ReadAnswer, StoredState } from "../types.ts";

export type Faults = readonly RaftFault[];

export interface NodeOptions {
  readonly faults?: Faults | undefined;
  readonly voters?: readonly string[];
  readonly learners?: readonly string[];
  readonly incarnations?: Readonly<Record<string, number>>;
  /** Terms of the entries behind the first, which names the members in term 1. */
  readonly terms?: readonly number[];
  readonly term?: number;
  readonly vote?: string;
  readonly settings?: Partial<RaftSettings>;
}

/** A command entry; its data is its index and term. */
export function entry(index: number, term: number): Entry {
  return { index, term, type: "command", data: Uint8Array.of(index, term) };
}

export function storedState(options: NodeOptions): StoredState {
  const { voters = ["a", "b", "c"], learners, incarnations, terms = [] } = options;
  const data = encodeMembers(makeMembers(voters, learners, incarnations));
  const first: Entry = { index: 1, term: 1, type: "members", data };
  const rest = terms.map((term, at) => entry(at + 2, term));
  const term = options.term ?? terms.at(-1) ?? 1;
  return {
    hardState: { term, vote: options.vote ?? "" },
    checkpoint: undefined,
    entries: [first, ...rest],
  };
}

export function node(
  id: string,
  options: NodeOptions = {},
  stored = storedState(options),
): RaftCore {
  const random = new SeededRandom(id);
  const faults = new Set(options.faults);
  return new RaftCore({ id, ...options.settings }, stored, { random, faults });
}

/** A node that has no entry of its group yet. */
export function newNode(id: string, faults?: Faults): RaftCore {
  const stored = storedState({});
  return node(id, { faults }, { ...stored, hardState: { term: 1, vote: NEW_LOG_VOTE } });
}

/** What a node did until it had nothing more to do. */
export interface Effects {
  readonly messages: readonly RaftMessage[];
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadAnswer[];
  readonly hardState: HardState | undefined;
  readonly saved: readonly Entry[];
  readonly truncateFrom: number | undefined;
  readonly checkpoint: Checkpoint | undefined;
}

/** Carries out every Ready at once. */
export function drain(core: RaftCore): Effects {
  const messages: RaftMessage[] = [];
  const committed: Entry[] = [];
  const saved: Entry[] = [];
  const reads: ReadAnswer[] = [];
  let hardState: HardState | undefined;
  let truncateFrom: number | undefined;
  let checkpoint: Checkpoint | undefined;
  while (core.hasReady()) {
    const ready = core.ready();
    messages.push(...ready.messagesNow, ...ready.messagesAfterSync);
    committed.push(...ready.committed);
    saved.push(...ready.entries);
    reads.push(...ready.reads);
    hardState = ready.hardState ?? hardState;
    truncateFrom = ready.truncateFrom ?? truncateFrom;
    checkpoint = ready.checkpoint ?? checkpoint;
    core.advance(ready);
  }
  return { messages, committed, reads, hardState, saved, truncateFrom, checkpoint };
}

/** A message with its envelope. */
export function message(
  from: string,
  to: string,
  term: number,
  body: MessageBody,
  incarnation = 0,
): RaftMessage {
  return { ...body, from, to, term, incarnation };
}

/** Makes a node leader of the next term with the votes of `voters`; its messages are thrown away. */
export function elect(core: RaftCore, ...voters: readonly string[]): RaftCore {
  const { id, term } = core.status;
  core.campaign();
  for (const from of voters)
    core.step(
      message(from, id, term, { type: "pre-vote-answer", forTerm: term + 1, granted: true }),
    );
  for (const from of voters)
    core.step(message(from, id, term + 1, { type: "vote-answer", granted: true }));
  drain(core);
  return core;
}

/** A follower acknowledges entries up to `match`. */
export function acknowledge(core: RaftCore, from: string, match: number): void {
  const { id, term } = core.status;
  core.step(message(from, id, term, { type: "append-ok", match, newLog: false }));
}

/** A leader of `a`, `b`, `c` whose no-op is committed and known to be on `b`. */
export function leader(options: NodeOptions = {}): RaftCore {
  const core = elect(node("a", options), "b");
  acknowledge(core, "b", core.status.lastIndex);
  drain(core);
  return core;
}
