import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { type InProcessNetwork, type Link, type LoadedConfig, noopLogger } from "@atlasnet/core";
import { loadConfig, type NodeAddress, type OpenClusterLinks } from "@atlasnet/core/node";
import { reached } from "@atlasnet/core/testing";
import { createCa } from "@atlasnet/identity";
import { openClusterLinks } from "@atlasnet/quic";
import { type ApiserverProcess, createApiserverProcess } from "../../process.ts";
import { isUnreachedVoter } from "../../raft/testing/unreached-voter.ts";

/** For the list of peers: which ports are taken really is known once they are. */
const ANY_PORT = 1;

/** By their paths, as in `apiserver.port`. */
export interface Settings {
  readonly [path: string]: string;
}

/** Apiservers as their processes have them, with links, disks and a CA in a folder; all in this process. */
export class ApiserverGroup {
  readonly dir: string;
  readonly running = new Map<string, ApiserverProcess>();
  /** Errors that a node could not go on with. */
  readonly fatal = new Map<string, Error>();
  private readonly addresses = new Map<string, NodeAddress>();
  private readonly cuts = new Map<string, () => Promise<void>>();
  private readonly network: InProcessNetwork | undefined;

  private constructor(dir: string, network: InProcessNetwork | undefined) {
    this.dir = dir;
    this.network = network;
  }

  /** Links are QUIC, or those of a network within this process. */
  static async create(t: TestContext, network?: InProcessNetwork): Promise<ApiserverGroup> {
    const dir = await mkdtemp(join(tmpdir(), "atlasnet-apiserver-"));
    const group = new ApiserverGroup(dir, network);
    t.after(async () => {
      for (const process of [...group.running.values()]) await process.stop();
      await rm(group.dir, { recursive: true, force: true, maxRetries: 5 });
    });
    await group.ca("ca", "test");
    return group;
  }

  async ca(name: string, cluster: string): Promise<void> {
    await createCa(join(this.dir, name), { cluster });
  }

  async start(
    node: string,
    names: readonly string[],
    settings: Settings = {},
  ): Promise<ApiserverProcess> {
    const process = createApiserverProcess(await this.load(node, names, settings), {
      logger: noopLogger,
      onFatal: (error) => void this.fatal.set(node, error),
      openLinks: this.openLinks(node),
    });
    await process.start();
    this.running.set(node, process);
    this.addresses.set(node, process.addresses.links);
    return process;
  }

  /** Its links end first, without a goodbye to anybody. */
  async kill(node: string): Promise<void> {
    await this.cuts.get(node)?.();
    await this.stop(node);
  }

  async stop(node: string): Promise<void> {
    const process = this.running.get(node);
    this.running.delete(node);
    this.addresses.delete(node);
    await process?.stop();
  }

  /**
   * Who leads, once somebody does and has reached all that run. One it has not reached yet cannot help the
   * others to elect the next: with the leader killed in that moment, two of three would wait for it for ever.
   */
  async leader(): Promise<string> {
    let found: string | undefined;
    await reached(() => {
      for (const { service } of this.running.values())
        if (service?.status !== undefined && isUnreachedVoter(service.status)) return false;
      found = [...this.running].find(([, { service }]) => service?.status?.role === "leader")?.[0];
      return found !== undefined;
    });
    return found ?? this.leader();
  }

  private load(node: string, names: readonly string[], settings: Settings): Promise<LoadedConfig> {
    const given: Settings = {
      "node.id": node,
      "data.dir": join(this.dir, node),
      "health.port": "0",
      "links.host": "127.0.0.1",
      "links.port": "0",
      "identity.ca": join(this.dir, "ca"),
      "apiserver.port": "0",
      "apiserver.peers": names.map((name) => `${name}=127.0.0.1:${ANY_PORT}`).join(","),
      ...settings,
    };
    const flags = Object.entries(given).map(([path, text]) => ({ name: `--${path}`, path, text }));
    return loadConfig({ env: {}, flags, workingDir: this.dir });
  }

  /** Of QUIC the addresses are those where the nodes listen really. */
  private openLinks(node: string): OpenClusterLinks {
    return async (options, host) => {
      const links = await this.linksOf(node)(
        {
          ...options,
          lookup: (peer) => {
            const address = this.addresses.get(peer);
            return address && { ...address, role: "apiserver" };
          },
        },
        host,
      );
      const open: Link[] = [];
      const remember = (link: Link): Link => {
        open.push(link);
        return link;
      };
      let isCut = false;
      this.cuts.set(node, async () => {
        isCut = true;
        for (const link of open) link.close({ code: "closed" });
      });
      const { network } = links;
      return {
        get address() {
          return links.address;
        },
        get identity() {
          return links.identity;
        },
        get certificate() {
          return links.certificate;
        },
        network: {
          connect: async (peer) => {
            if (isCut) throw new Error(`${node} is cut off`);
            return remember(await network.connect(peer));
          },
          listen: (handler) =>
            network.listen((link) => {
              if (isCut) link.close({ code: "closed" });
              else handler(remember(link));
            }),
        },
      };
    };
  }

  private linksOf(node: string): OpenClusterLinks {
    const { network } = this;
    if (network === undefined) return openClusterLinks;
    const self = { role: "apiserver", node } as const;
    return async () => ({
      network: network.node(self),
      address: { host: "127.0.0.1", port: ANY_PORT },
      identity: { ...self, cluster: "test", notAfter: Number.MAX_SAFE_INTEGER },
      certificate: { fingerprint: "0".repeat(64), authorities: "" },
    });
  }
}
