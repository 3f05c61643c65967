import { type CallAnswer, type Clock, type ControlStore, isNodeName } from "@atlasnet/core";
import { ApiError } from "../http/api-error.ts";
import type { GroupView, MemberView, RaftPort } from "../http/ports.ts";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";
import { RaftError } from "../raft/shell/raft-error.ts";
import type { RaftRunner } from "../raft/shell/raft-runner.ts";
import { successorOf } from "../server/hand-over.ts";
import type { AddressBook } from "./address-book.ts";
import {
  apiserverKey,
  decodeApiserver,
  encodeApiserver,
  linkAddressText,
  parseLinkAddress,
} from "./apiserver-record.ts";
import {
  changeSchema,
  decodeBody,
  encodeBody,
  GROUP_CHANGE,
  GROUP_MEMBERS,
  GROUP_STATUS,
  GROUP_TRANSFER,
  type GroupChange,
  type GroupStatus,
  groupStatusOf,
  statusSchema,
  transferredSchema,
  transferSchema,
} from "./group-calls.ts";
import { groupError, mayComeTrue } from "./group-change-error.ts";
import { groupView, memberView } from "./group-view.ts";
import { lifeKey } from "./life-check.ts";
import { isQuorumWithout } from "./quorum-after.ts";

/** One request is tried again for so long; below what a client gives one attempt. */
const PATIENCE_MS = 3_500;
const PAUSE_MS = 50;
/** Of one question to another apiserver. */
const ASK_MS = 2_000;
/** An apiserver that does not say how it is by then is shown without that. */
const STATUS_MS = 1_000;
/** The record of an apiserver may be changed by others meanwhile. */
const MAX_TRIES = 8;
const NO_BYTES = new Uint8Array(0);

export interface GroupAdminDependencies {
  readonly runner: Pick<RaftRunner, "status" | "leader" | "changeMembers" | "transferLeadership">;
  readonly calls: Pick<PeerCalls, "ask" | "handle">;
  readonly store: ControlStore & { readBarrier(): Promise<void> };
  readonly book: AddressBook;
  readonly clock: Clock;
  /** Bytes of this apiserver's log on its disk. */
  logBytes(): number;
}

/**
 * Changes of the group by operators, at whichever apiserver they ask: what only the leader can do goes there.
 *
 * 1. Every request may be sent again: adding goes on where it stood, removing what is gone is done.
 * 2. The address of a new member is in the control store before the group knows of it, so all can reach it.
 * 3. A leader that is to be removed hands leadership over before.
 */
export class GroupAdmin implements RaftPort {
  private readonly node: string;
  private readonly parts: GroupAdminDependencies;

  constructor({ node }: { readonly node: string }, dependencies: GroupAdminDependencies) {
    this.node = node;
    this.parts = dependencies;
    const { calls } = dependencies;
    for (const method of [GROUP_STATUS, GROUP_CHANGE, GROUP_TRANSFER, GROUP_MEMBERS])
      calls.handle(method, (_from, body) => this.answer(method, body));
  }

  async view(): Promise<GroupView> {
    const own = this.ownStatus();
    const asked = [...own.voters, ...own.learners].filter((id) => id !== this.node);
    const answers = await Promise.all(asked.map((id) => this.statusOf(id, STATUS_MS)));
    const statuses = [own, ...answers.filter((status) => status !== undefined)];
    return groupView(this.node, statuses, this.parts.book);
  }

  async add(node: string, address: string): Promise<MemberView> {
    if (!isNodeName(node)) throw new ApiError("bad-request", "the id of a node is needed");
    const place = parseLinkAddress(address);
    if (place === undefined)
      throw new ApiError(
        "bad-request",
        `address: found "${address.slice(0, 100)}"`,
        "HOST:PORT is needed, where the new apiserver takes links, as in 10.0.0.4:2556.",
      );
    const deadline = this.deadline();
    await this.writeAddress(node, linkAddressText(place));
    const added = await this.change({ type: "add-learner", id: node }, deadline);
    if (added.code !== "ok" && added.code !== "already-member")
      throw groupError("add", node, added.code);
    const promoted = await this.change({ type: "promote", id: node }, deadline);
    const done = promoted.code === "ok" || promoted.code === "not-a-learner";
    if (!done && !mayComeTrue(promoted.code)) throw groupError("add", node, promoted.code);
    const leader = this.parts.runner.leader?.node;
    const status = leader === undefined ? undefined : await this.statusOf(leader, STATUS_MS);
    if (status === undefined) throw groupError("add", node, "not-leader");
    return memberView(node, status, this.parts.book);
  }

  async remove(node: string): Promise<void> {
    const deadline = this.deadline();
    await this.parts.store.readBarrier();
    const { members } = this.parts.runner.status;
    const isMember = members.voters.includes(node) || members.learners.includes(node);
    if (!isMember && this.parts.book.record(node) === undefined)
      throw groupError("remove", node, "not-a-member");
    if (isMember) {
      if (this.parts.runner.leader?.node === node && members.voters.length > 1)
        await this.transferWithin(undefined, deadline);
      const { code } = await this.change({ type: "remove", id: node }, deadline);
      // Not one any more: an attempt before this one was carried out.
      if (code !== "ok" && code !== "not-a-member") throw groupError("remove", node, code);
    }
    await this.parts.store.txn({
      compare: [],
      then: [
        { type: "delete", key: apiserverKey(node) },
        { type: "delete", key: lifeKey(node) },
      ],
    });
  }

  transfer(to: string | undefined): Promise<string> {
    return this.transferWithin(to, this.deadline());
  }

  private async transferWithin(to: string | undefined, deadline: number): Promise<string> {
    const body = encodeBody(to === undefined ? {} : { to });
    const { code, body: answer } = await this.untilDecided(GROUP_TRANSFER, body, deadline);
    const done = code === "ok" ? decodeBody(transferredSchema, answer) : undefined;
    if (done === undefined) throw groupError("transfer", to ?? "the other apiserver", code);
    return done.to;
  }

  private change(change: GroupChange, deadline: number): Promise<CallAnswer> {
    return this.untilDecided(GROUP_CHANGE, encodeBody(change), deadline);
  }

  private async untilDecided(
    method: string,
    body: Uint8Array,
    deadline: number,
  ): Promise<CallAnswer> {
    const { clock, runner, calls } = this.parts;
    for (;;) {
      const leader = runner.leader?.node;
      const leftMs = Math.max(PAUSE_MS, deadline - clock.now());
      const answer =
        leader === undefined
          ? { code: "not-leader", body: NO_BYTES }
          : leader === this.node
            ? await this.answer(method, body)
            : await calls.ask(leader, method, body, Math.min(leftMs, ASK_MS));
      if (!mayComeTrue(answer.code) || clock.now() >= deadline) return answer;
      await new Promise<void>((resolve) => {
        clock.setTimer(PAUSE_MS, resolve);
      });
    }
  }

  /** Questions of other apiservers, and of this one to itself. */
  private async answer(method: string, body: Uint8Array): Promise<CallAnswer> {
    try {
      return await this.answerOf(method, body);
    } catch (error) {
      if (error instanceof RaftError) return { code: error.code, body: NO_BYTES };
      throw error;
    }
  }

  private async answerOf(method: string, body: Uint8Array): Promise<CallAnswer> {
    const { runner, store } = this.parts;
    switch (method) {
      case GROUP_STATUS:
        return { code: "ok", body: encodeBody(this.ownStatus()) };
      case GROUP_CHANGE: {
        const change = decodeBody(changeSchema, body);
        if (change === undefined) return { code: "bad-request", body: NO_BYTES };
        if (change.type === "remove" && !(await this.isFree(change.id)))
          return { code: "behind", body: NO_BYTES };
        await runner.changeMembers(change);
        return { code: "ok", body: NO_BYTES };
      }
      case GROUP_TRANSFER: {
        const asked = decodeBody(transferSchema, body);
        if (asked === undefined) return { code: "bad-request", body: NO_BYTES };
        if (runner.status.role !== "leader") return { code: "not-leader", body: NO_BYTES };
        const to = asked.to ?? successorOf(runner.status);
        if (to === undefined) return { code: "nobody", body: NO_BYTES };
        await runner.transferLeadership(to);
        return { code: "ok", body: encodeBody({ to }) };
      }
      case GROUP_MEMBERS: {
        await store.readBarrier();
        const { members, membersPending } = runner.status;
        if (membersPending) return { code: "busy", body: NO_BYTES };
        return {
          code: "ok",
          body: encodeBody({ members: [...members.voters, ...members.learners] }),
        };
      }
      default:
        return { code: "unknown-method", body: NO_BYTES };
    }
  }

  /** The others answer now, and are a quorum without it; on the leader, and elsewhere of no consequence. */
  private async isFree(node: string): Promise<boolean> {
    const { voters } = this.parts.runner.status.members;
    const left = voters.filter((id) => id !== node);
    const answers = await Promise.all(left.map((id) => this.statusOf(id, STATUS_MS)));
    const answering = answers.flatMap((status) => (status === undefined ? [] : [status.node]));
    return isQuorumWithout(voters, node, new Set(answering));
  }

  private ownStatus(): GroupStatus {
    return groupStatusOf(this.parts.runner.status, this.parts.logBytes());
  }

  private async statusOf(node: string, timeoutMs: number): Promise<GroupStatus | undefined> {
    if (node === this.node) return this.ownStatus();
    const { code, body } = await this.parts.calls.ask(node, GROUP_STATUS, NO_BYTES, timeoutMs);
    return code === "ok" ? decodeBody(statusSchema, body) : undefined;
  }

  private async writeAddress(node: string, address: string): Promise<void> {
    const { store } = this.parts;
    const key = apiserverKey(node);
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const [item] = (await store.range({ key })).items;
      const before = item && decodeApiserver(item.value);
      if (before?.address === address) return;
      const value = encodeApiserver({ address, state: before?.state ?? "joining" });
      const { succeeded } = await store.txn({
        compare: [{ type: "modified", key, is: "equal", revision: item?.modified ?? 0 }],
        then: [{ type: "put", key, value }],
      });
      if (succeeded) return;
    }
    throw new ApiError(
      "conflict",
      `others change the record of ${node} all the time`,
      "Try again.",
    );
  }

  private deadline(): number {
    return this.parts.clock.now() + PATIENCE_MS;
  }
}
