import { parsePeers } from "../peers.ts";
import type { ProcessRole } from "../service-host.ts";
import type { Announced, DiscoveredProcess, Discovery } from "./discovery.ts";

export interface StaticAddresses {
  /** `apiserver.peers` and `links.peers`: entries NODE=HOST:PORT. */
  readonly apiservers: readonly string[];
  readonly gameservers: readonly string[];
  /** `cluster.apiservers`: addresses of HTTP APIs, whose nodes nobody knows by name. */
  readonly apis: readonly string[];
}

/** Addresses as the settings name them: nothing is told, and nothing changes. */
export class StaticDiscovery implements Discovery {
  private readonly found: readonly DiscoveredProcess[];
  private stopped = false;

  /** @throws OperatingError "bad-peer" */
  constructor({ apiservers, gameservers, apis }: StaticAddresses) {
    this.found = [
      ...fromPeers("apiserver", "apiserver.peers", apiservers),
      ...apis.map((api): DiscoveredProcess => {
        return { node: api, role: "apiserver", links: undefined, api, ready: true };
      }),
      ...fromPeers("gameserver", "links.peers", gameservers),
    ];
  }

  announce(): Announced {
    return { withdraw: async () => undefined };
  }

  async find(role: ProcessRole): Promise<readonly DiscoveredProcess[]> {
    return this.found.filter((process) => process.role === role);
  }

  watch(role: ProcessRole, changed: (found: readonly DiscoveredProcess[]) => void): () => void {
    let open = true;
    queueMicrotask(() => {
      if (open && !this.stopped) changed(this.found.filter((process) => process.role === role));
    });
    return () => {
      open = false;
    };
  }

  async stop(): Promise<void> {
    this.stopped = true;
  }
}

function fromPeers(
  role: ProcessRole,
  path: string,
  entries: readonly string[],
): readonly DiscoveredProcess[] {
  if (entries.length === 0) return [];
  const peers = parsePeers(entries, {
    path,
    missing: { problem: "is empty", hint: "Name them." },
    hint: "One entry per node, with its node id, as in api-1=10.0.0.1:2556.",
  });
  return [...peers].map(([node, links]) => ({ node, role, links, api: undefined, ready: true }));
}
