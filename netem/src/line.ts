import type { Endpoint } from "./address.ts";
import type { RelayLimits } from "./limits.ts";
import type { Conditions } from "./model/conditions.ts";

/** Conditions of both directions; the relay's owner changes them. */
export interface LineConditions {
  readonly up: Conditions;
  readonly down: Conditions;
}

/** What the relays of both protocols go by. */
export interface LineOptions {
  readonly listen: Endpoint;
  readonly target: Endpoint;
  readonly conditions: () => LineConditions;
  readonly limits: RelayLimits;
}
