import { bootstrapState, EMPTY_STATE } from "../bootstrap.ts";
import { type RaftMessage, withChunkData } from "../messages.ts";
import type { RaftCore } from "../raft-core.ts";
import { drain, node } from "./kit.ts";

const decoder = new TextDecoder();

/** A few nodes with perfect disks and lines, for stories: everything happens at once, unless cut off. */
export class Group {
  readonly nodes = new Map<string, RaftCore>();
  /** What each has applied: commands as text. */
  readonly applied = new Map<string, string[]>();
  private readonly away = new Set<string>();
  private checkpointData = new Uint8Array(0);

  constructor(...ids: readonly string[]) {
    for (const id of ids) this.add(id, node(id, { voters: ids }));
  }

  get(id: string): RaftCore {
    const core = this.nodes.get(id);
    if (!core) throw new RangeError(`no node ${id}`);
    return core;
  }

  /** All first voters of a group that has never had a leader. */
  static beginning(...ids: readonly string[]): Group {
    const group = new Group();
    for (const id of ids) group.add(id, node(id, {}, bootstrapState(ids)));
    return group;
  }

  /** A node that has nothing yet. */
  join(id: string): void {
    this.add(id, node(id, {}, EMPTY_STATE));
  }

  /** Nothing comes from these nodes, or to them. */
  cutOff(...ids: readonly string[]): void {
    this.away.clear();
    for (const id of ids) this.away.add(id);
  }

  propose(id: string, text: string): void {
    this.get(id).propose([new TextEncoder().encode(text)]);
  }

  /** The node's state becomes its checkpoint, and its log is emptied. */
  compact(id: string): void {
    const core = this.get(id);
    this.checkpointData = new TextEncoder().encode(this.applied.get(id)?.join("\n"));
    const at = core.checkpointAt(core.status.applied);
    core.compact({ ...at, size: this.checkpointData.length });
  }

  tick(times: number): void {
    for (let at = 0; at < times; at++) {
      for (const core of this.nodes.values()) core.tick();
      this.settle();
    }
  }

  /** Delivers messages until there are none. */
  settle(): void {
    for (;;) {
      const messages = [...this.nodes.keys()].flatMap((id) => this.carryOut(id));
      if (messages.length === 0) return;
      for (const message of messages) {
        if (this.away.has(message.from) || this.away.has(message.to)) continue;
        this.nodes.get(message.to)?.step(this.withData(message));
      }
    }
  }

  /** One line per node: what a person would want to see. */
  picture(): string {
    return [...this.nodes.values()]
      .map(({ status: { id, role, term, lastIndex, commit } }) => {
        const log = `${commit}/${lastIndex}`;
        return `${id} ${role} ${term} ${log} ${this.applied.get(id)?.join("") ?? ""}`.trim();
      })
      .join("\n");
  }

  private add(id: string, core: RaftCore): void {
    this.nodes.set(id, core);
    this.applied.set(id, []);
  }

  private carryOut(id: string): readonly RaftMessage[] {
    const { messages, committed, checkpoint } = drain(this.get(id));
    if (checkpoint) this.applied.set(id, decoder.decode(this.checkpointData).split("\n"));
    for (const entry of committed)
      if (entry.type === "command") this.applied.get(id)?.push(decoder.decode(entry.data));
    return messages;
  }

  private withData(message: RaftMessage): RaftMessage {
    if (message.type !== "checkpoint-chunk") return message;
    const { offset, length } = message;
    return withChunkData(message, this.checkpointData.slice(offset, offset + length));
  }
}
