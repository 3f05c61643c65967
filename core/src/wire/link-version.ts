/**
 * Versions of the link protocol this build speaks, each all of them from `oldest` to `newest`. Two
 * nodes take the newest that both speak (chosen in the link's handshake) and leave out what came
 * later. A new field or message raises `newest`; `oldest` rises when a version is given up, one release
 * after its successor at the earliest, so that a cluster is upgraded node by node.
 *
 * | version | brought |
 * |---|---|
 * | 1 | sessions, topics, hosting |
 * | 2 | `upstream.trace` |
 * | 3 | `raft`, `call`, `answer` |
 * | 4 | replicas between gameservers, `shard-sealed`, `shard-unsealed`, `placed` |
 */
export const LINK_VERSIONS: LinkVersions = { oldest: 1, newest: 4 };

export interface LinkVersions {
  readonly oldest: number;
  readonly newest: number;
}

/** The newest version both sides speak; undefined when there is none. */
export function commonLinkVersion(ours: LinkVersions, theirs: LinkVersions): number | undefined {
  const version = Math.min(ours.newest, theirs.newest);
  return version >= ours.oldest && version >= theirs.oldest ? version : undefined;
}
