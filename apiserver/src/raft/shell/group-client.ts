import type { CallAnswer, LeaderInfo } from "@atlasnet/core";
import { ByteReader, UnreadableBytes } from "./byte-reader.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { PeerCalls } from "./peer-calls.ts";
import { RaftError } from "./raft-error.ts";
import type { RaftRunner } from "./raft-runner.ts";
import type { Position } from "./waiting-proposals.ts";
import type { ReadResult } from "./waiting-reads.ts";

export interface GroupClientOptions {
  readonly node: string;
  /** How long the leader may take to answer, in ms. */
  readonly timeoutMs: number;
}

const READ_INDEX = "raft-read-index";
const SUBMIT = "raft-submit";
const NO_BYTES = new Uint8Array(0);

/** What any member may ask for, though only the leader can do it: it goes there and comes back. */
export class GroupClient {
  private readonly options: GroupClientOptions;
  private readonly runner: RaftRunner;
  private readonly calls: PeerCalls;

  constructor(
    options: GroupClientOptions,
    { runner, calls }: { readonly runner: RaftRunner; readonly calls: PeerCalls },
  ) {
    this.options = options;
    this.runner = runner;
    this.calls = calls;
    calls.handle(READ_INDEX, async () => {
      const read = await runner.readIndex();
      return read.ok ? ok(read.index) : { code: read.reason, body: NO_BYTES };
    });
    calls.handle(SUBMIT, async (_from, command) => {
      try {
        // The message's buffer would stay as long as the entry otherwise.
        const { index, term } = await runner.submit(command.slice());
        return ok(index, term);
      } catch (error) {
        if (error instanceof RaftError) return { code: error.code, body: NO_BYTES };
        throw error;
      }
    });
  }

  /** An index that a linearizable read needs to be applied. */
  async readIndex(): Promise<ReadResult> {
    const leader = this.elsewhere();
    if (leader === undefined) return await this.runner.readIndex();
    const answer = await this.ask(leader, READ_INDEX, NO_BYTES);
    const [index] = numbers(answer, 1);
    if (index !== undefined) return { ok: true, index };
    const reason = answer.code === "busy" || answer.code === "timeout" ? answer.code : "not-leader";
    return { ok: false, reason, leader: this.runner.leader?.node };
  }

  /** Resolves once everything is applied here that was committed at the call. @throws RaftError (as a rejection) */
  async barrier(): Promise<number> {
    const read = await this.readIndex();
    if (!read.ok) {
      const code = read.reason === "timeout" ? "unknown" : read.reason;
      throw new RaftError(code, "nobody can tell what is committed", read.leader);
    }
    await this.runner.applied(read.index);
    return read.index;
  }

  /**
   * Appends a command, here or by the leader; resolves once it is committed and applied here.
   * @throws RaftError (as a rejection); `unknown` when it went to the leader and no answer came
   */
  async submit(command: Uint8Array): Promise<Position> {
    const leader = this.elsewhere();
    if (leader === undefined) return await this.runner.submit(command);
    const answer = await this.ask(leader, SUBMIT, command);
    const [index, term] = numbers(answer, 2);
    if (index === undefined || term === undefined)
      throw new RaftError(
        codeOf(answer.code),
        `${leader.node} answered: ${answer.code}`,
        leader.node,
      );
    await this.runner.applied(index);
    return { index, term };
  }

  private elsewhere(): LeaderInfo | undefined {
    const { leader } = this.runner;
    return leader?.node === this.options.node ? undefined : leader;
  }

  private ask(leader: LeaderInfo, method: string, body: Uint8Array): Promise<CallAnswer> {
    return this.calls.askLeader(leader.node, method, body, this.options.timeoutMs);
  }
}

function ok(...values: readonly number[]): CallAnswer {
  const writer = new ByteWriter(16);
  for (const value of values) writer.number(value);
  return { code: "ok", body: writer.finish() };
}

function numbers({ code, body }: CallAnswer, count: number): readonly number[] {
  if (code !== "ok") return [];
  try {
    const reader = new ByteReader(body);
    return Array.from({ length: count }, () => reader.number());
  } catch (error) {
    if (error instanceof UnreadableBytes) return [];
    throw error;
  }
}

/** What is certain: it was not taken in, or will not count. Everything else may yet be applied. */
function codeOf(code: string): "busy" | "too-large" | "not-leader" | "superseded" | "unknown" {
  switch (code) {
    case "busy":
    case "too-large":
    case "not-leader":
    case "superseded":
      return code;
    case "unreachable":
      return "not-leader";
    default:
      return "unknown";
  }
}
