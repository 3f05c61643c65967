/**
 * What the parts of a monolith are called among themselves. Not `node.id`: that is the machine's name unless it is
 * set, and a data directory that moves to another machine, or into another container, stays the same cluster.
 */
export const CLUSTER = "monolith";
/** The apiserver, and the gameserver: their names are of different kinds. */
export const NODE = "monolith";
export const PROXY = "monolith-proxy";
