/**
 * Something that the protocol rules out has happened: a bug, or a log that is not what it says it is.
 * The node must stop and must not go on from memory; what is on disk is still as good as it was.
 */
export class RaftInvariantError extends Error {
  constructor(message: string) {
    super(`raft: ${message}. The node stops; restart it, and replace it if this comes again`);
    this.name = "RaftInvariantError";
  }
}

export function invariant(condition: boolean, message: () => string): asserts condition {
  if (!condition) throw new RaftInvariantError(message());
}
