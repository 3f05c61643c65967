import {
  ANY_MODULE,
  ApiserverLink,
  bootsInMemory,
  type Clock,
  type LinkNetwork,
  noopLogger,
  type Peer,
  type Random,
  RemoteStore,
} from "@atlasnet/core";
import { NodeSession } from "@atlasnet/core/sim";

export interface ControlTieOptions {
  readonly self: Peer & { readonly role: "gameserver" | "proxy" };
  readonly leaseMs: number;
  readonly apiservers: readonly string[];
  /** That a gameserver has; default: whatever anybody names. */
  readonly modules?: readonly string[] | undefined;
}

export interface ControlTieDependencies {
  readonly network: LinkNetwork;
  readonly clock: Clock;
  readonly random: Random;
  fatal(error: Error): void;
}

export const CLUSTER = "sim";

/** A node's tie to the control plane: the real session, store and link to apiservers, over the simulated network. */
export class ControlTie {
  readonly session: NodeSession;
  readonly store: RemoteStore;
  private readonly link: ApiserverLink;

  constructor(
    { self, leaseMs, apiservers, modules = [ANY_MODULE] }: ControlTieOptions,
    deps: ControlTieDependencies,
  ) {
    const { network, clock, random } = deps;
    const common = { clock, random, logger: noopLogger };
    this.link = new ApiserverLink(
      { apiservers, cluster: CLUSTER, software: "simulated" },
      { network, ...common },
    );
    this.store = new RemoteStore({}, { calls: this.link, clock, random });
    this.session = new NodeSession(
      { node: self.node, leaseMs },
      {
        ...common,
        store: this.store,
        renewals: this.store,
        boots: bootsInMemory(),
        describe: async () => ({
          role: self.role,
          labels: {},
          capacity: { weight: 100, sessions: 0, memoryBytes: 0 },
          modules,
          address: `${self.node}:2556`,
          fingerprint: "00".repeat(32),
        }),
        fatal: (error) => deps.fatal(error),
      },
    );
    this.link.start();
  }

  stop(): void {
    this.store.stop();
    this.link.stop();
  }
}
