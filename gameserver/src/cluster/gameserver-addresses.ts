import { parseNodeAddress } from "@atlasnet/core";
import type { ClusterLinksOptions } from "@atlasnet/core/node";

/** Knows the records of nodes. */
export interface KnowsNodes {
  /** Where a gameserver takes links, as it has registered it. */
  addressOf(node: string): string | undefined;
}

/**
 * Where other gameservers are. Links are opened before anybody knows the records of nodes: until `use`, nobody is
 * anywhere.
 */
export class GameserverAddresses {
  private source: KnowsNodes | undefined;

  use(source: KnowsNodes): void {
    this.source = source;
  }

  readonly lookup: ClusterLinksOptions["lookup"] = (node) => {
    const address = parseNodeAddress(this.source?.addressOf(node) ?? "");
    return address === undefined ? undefined : { ...address, role: "gameserver" };
  };
}
