import type { HeaderReader } from "@atlasnet/core/system";
import { WalError } from "./wal-error.ts";

/** Whose log it is. Every file says so, and a file of another is refused. */
export interface LogIdentity {
  readonly cluster: string;
  readonly node: string;
  /**
   * Drawn when the log is made; at least 1. A node that comes back with an empty log has another
   * one, so that the group sees that it forgot what it acknowledged (`Members.incarnations`).
   */
  readonly incarnation: number;
}

/** Largest incarnation that is drawn: exact in a double, and readable. */
export const MAX_INCARNATION = 2 ** 48;

/** @throws BadFile */
export function readIdentity(header: HeaderReader): LogIdentity {
  return {
    cluster: header.text("cluster"),
    node: header.text("node"),
    incarnation: header.count("incarnation"),
  };
}

/** @throws WalError when the file is another's. `expected` without an incarnation takes any. */
export function checkIdentity(
  path: string,
  found: LogIdentity,
  expected: Omit<LogIdentity, "incarnation"> & { readonly incarnation?: number | undefined },
): void {
  const facts = { path, foundCluster: found.cluster, foundNode: found.node };
  if (found.cluster !== expected.cluster)
    throw new WalError(
      "wal-wrong-cluster",
      `${path} belongs to the cluster "${found.cluster}"; this node is configured for "${expected.cluster}"`,
      {
        facts,
        hint: `Start this node with the data directory of "${expected.cluster}" or with an empty one, or set the cluster's name to "${found.cluster}".`,
      },
    );
  if (found.node !== expected.node)
    throw new WalError(
      "wal-wrong-node",
      `${path} belongs to the node "${found.node}"; this node is "${expected.node}"`,
      {
        facts,
        hint: `Two nodes must not share a log. Start "${found.node}" with this directory, or give "${expected.node}" its own or an empty one.`,
      },
    );
  if (expected.incarnation !== undefined && found.incarnation !== expected.incarnation)
    throw new WalError(
      "wal-mixed",
      `${path} has incarnation ${found.incarnation}; other files of the directory have ${expected.incarnation}`,
      {
        facts: { ...facts, found: found.incarnation, expected: expected.incarnation },
        hint: "Files of two logs were mixed, perhaps by copying a backup over a directory. Bring back the one or the other as a whole, into an empty directory.",
      },
    );
}
