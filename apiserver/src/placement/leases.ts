/**
 * Whose lease has run out, as the leader's table of leases knows it (`LeaseTable`). Times are of the clock
 * that the planner is given.
 */
export interface Leases {
  /** Nodes that cannot act any more, those that are being declared lost included. */
  expired(now: number): readonly string[];
  /** When the next lease ends that is not being declared; undefined: none runs. */
  nextExpiry(): number | undefined;
  /** Right before the proposal. False: it must not be proposed. Until `declined` no renewal is answered. */
  declare(node: string, now: number): boolean;
  /** It was decided that the node is not lost by this proposal. */
  declined(node: string): void;
}

/** Nobody ever loses a lease. */
export const NO_LEASES: Leases = {
  expired: () => [],
  nextExpiry: () => undefined,
  declare: () => false,
  declined: () => {},
};
