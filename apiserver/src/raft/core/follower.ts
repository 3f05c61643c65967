import type { Append, Heartbeat } from "./messages.ts";
import type { RaftState } from "./state.ts";

/** Takes entries that follow what is here, or says where the logs may agree. */
export function onAppend(state: RaftState, message: Append): void {
  const { log } = state;
  state.outgrowNewLog(message.commit, log.commit);
  if (message.prevIndex < log.commit && !state.breaks("truncate-always")) {
    // Late or careful: up to the commit the logs agree anyway.
    state.acknowledge(message.from, log.commit);
    return;
  }
  const have = log.termAt(message.prevIndex);
  const trusts = state.breaks("ignore-previous-term") && have !== undefined;
  if (have !== message.prevTerm && !trusts) return refuse(state, message);
  merge(state, message);
  const match = state.breaks("acknowledge-whole-log")
    ? log.lastIndex
    : message.prevIndex + message.entries.length;
  const agreed = state.breaks("commit-beyond-match") ? log.lastIndex : match;
  log.commit = Math.max(log.commit, Math.min(message.commit, agreed));
  state.outgrowNewLog(message.commit, match);
  state.acknowledge(message.from, match);
}

/** Only a real difference truncates: an append that comes late or twice takes nothing away. */
function merge(state: RaftState, message: Append): void {
  const { log, history } = state;
  const first = state.breaks("truncate-always")
    ? message.entries.find((entry) => entry.index > log.commit)
    : log.firstNew(message.entries);
  if (first === undefined) {
    if (state.breaks("truncate-always"))
      log.truncateFrom(Math.max(log.commit, message.prevIndex) + 1);
    return;
  }
  if (first.index <= log.lastIndex) {
    log.truncateFrom(first.index);
    if (!state.breaks("keep-members-on-truncate")) history.truncateFrom(first.index);
  }
  const entries = message.entries.slice(first.index - message.prevIndex - 1);
  log.append(entries);
  history.add(entries);
}

/** The hint lets the leader skip a whole term of entries that cannot agree. */
function refuse(state: RaftState, message: Append): void {
  const { log } = state;
  const hintIndex = log.lastAtMost(message.prevIndex, message.prevTerm);
  const hintTerm = log.termAt(hintIndex) ?? 0;
  const { prevIndex } = message;
  state.send(
    message.from,
    { type: "append-refused", prevIndex, hintIndex, hintTerm },
    "after-sync",
  );
}

export function onHeartbeat(state: RaftState, message: Heartbeat): void {
  const { log } = state;
  if (message.match > log.lastIndex && !state.breaks("ignore-lost-entries")) {
    // In this term this node has acknowledged more than it has: its disk was replaced by an older one.
    state.retire("lost-entries");
    return;
  }
  log.commit = Math.max(log.commit, Math.min(message.commit, log.lastIndex));
  if (message.round === 0) return;
  // Says nothing about entries, so it need not wait for their sync: a slow disk is no dead node.
  state.send(message.from, { type: "heartbeat-answer", round: message.round }, "now");
}
