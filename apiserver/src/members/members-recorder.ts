import {
  type Clock,
  ControlError,
  type ControlStore,
  type Logger,
  type Timer,
} from "@atlasnet/core";
import type { RaftRunner } from "../raft/shell/raft-runner.ts";
import type { AddressBook } from "./address-book.ts";
import { type ApiserverState, apiserverKey, encodeApiserver } from "./apiserver-record.ts";

const PERIOD_MS = 500;

interface RecorderDependencies {
  readonly runner: Pick<RaftRunner, "status">;
  readonly store: Pick<ControlStore, "txn">;
  readonly book: AddressBook;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * While this apiserver leads it writes down who the members are and where, `apiservers/<id>`, so that nodes and
 * operators can watch them. The Raft log decides; a record that says otherwise is put right.
 */
export class MembersRecorder {
  private readonly parts: RecorderDependencies;
  private timer: Timer | undefined;
  private writing = false;
  private stopped = false;

  constructor(dependencies: RecorderDependencies) {
    this.parts = dependencies;
  }

  start(): void {
    if (this.stopped) return;
    if (!this.writing) void this.write();
    this.timer = this.parts.clock.setTimer(PERIOD_MS, () => this.start());
  }

  stop(): void {
    this.stopped = true;
    this.timer?.cancel();
  }

  private async write(): Promise<void> {
    const { store, logger } = this.parts;
    this.writing = true;
    try {
      for (const { key, modified, value } of this.differences()) {
        await store.txn({
          compare: [{ type: "modified", key, is: "equal", revision: modified }],
          then: [value === undefined ? { type: "delete", key } : { type: "put", key, value }],
        });
      }
    } catch (error) {
      // The next look is soon; without a quorum there is nothing to write anyway.
      if (!(error instanceof ControlError)) throw error;
      logger.debug("The members could not be written down.", { error });
    } finally {
      this.writing = false;
    }
  }

  private differences() {
    const { runner, book } = this.parts;
    const { role, members, membersPending, applied, commit } = runner.status;
    const settled = role === "leader" && !membersPending && applied === commit;
    if (!settled) return [];
    const states = new Map<string, ApiserverState>();
    for (const id of members.learners) states.set(id, "learner");
    for (const id of members.voters) states.set(id, "voter");
    const wrong: { key: string; modified: number; value: Uint8Array | undefined }[] = [];
    for (const [id, state] of states) {
      const known = book.record(id);
      const address = book.shown(id);
      if (address === undefined || known?.record.state === state) continue;
      const value = encodeApiserver({ address, state });
      wrong.push({ key: apiserverKey(id), modified: known?.modified ?? 0, value });
    }
    for (const [id, { record, modified }] of book.recorded)
      if (!states.has(id) && record.state !== "joining")
        wrong.push({ key: apiserverKey(id), modified, value: undefined });
    return wrong;
  }
}
