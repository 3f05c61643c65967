import {
  type CallAnswer,
  type Channel,
  CONTROL_CHANNEL,
  callCode,
  type LeaderInfo,
  type Link,
  MAX_NODE_WATCHES,
  NODES_GROUP,
  type Peer,
  TakenCalls,
} from "@atlasnet/core";
import {
  METHODS,
  type Method,
  NodeCalls,
  type NodeCallsDependencies,
  type NodeCallsOptions,
} from "./node-calls.ts";

/** Nodes linked at one apiserver; the next are refused, and find another one. */
export const MAX_LINKED_NODES = 4096;
/** Questions of one node that are being answered, besides those that watches wait with; the next get `busy`. */
export const MAX_NODE_CALLS = 512;

const METHOD_NAMES: ReadonlySet<string> = new Set(METHODS);

interface Linked {
  readonly link: Link;
  readonly calls: NodeCalls;
}

/**
 * The links of proxies and gameservers: each asks over the channel `control`, and gets answers while its link
 * stands. A node has one link here: a newer one takes the place of the one before.
 */
export class NodeLinks {
  private readonly options: NodeCallsOptions;
  private readonly dependencies: NodeCallsDependencies;
  private readonly links = new Map<string, Linked>();
  /** By method and code of the answer. */
  private readonly answered = new Map<string, number>();
  private toldLeader: string | undefined;
  private stopped = false;

  constructor(options: NodeCallsOptions, dependencies: NodeCallsDependencies) {
    this.options = options;
    this.dependencies = dependencies;
  }

  get figures(): {
    readonly linked: { readonly [role in Peer["role"]]: number };
    readonly watches: number;
    readonly answered: readonly {
      readonly method: string;
      readonly code: string;
      readonly count: number;
    }[];
  } {
    const linked = { proxy: 0, gameserver: 0, apiserver: 0 };
    let watches = 0;
    for (const { link, calls } of this.links.values()) {
      linked[link.peer.role] += 1;
      watches += calls.watches.size;
    }
    const answered = [...this.answered].map(([name, count]) => {
      const [method = "", code = ""] = name.split(" ");
      return { method, code, count };
    });
    return { linked, watches, answered };
  }

  /** Takes a link that a node opened. */
  accept(link: Link): void {
    const { node } = link.peer;
    const { logger } = this.dependencies;
    const before = this.links.get(node);
    if (this.stopped) return link.close({ code: "closed", detail: "this apiserver stops" });
    if (before === undefined && this.links.size >= MAX_LINKED_NODES) {
      logger.warn("A node was refused: too many are linked here.", { node });
      const detail = `${MAX_LINKED_NODES} nodes are linked to this apiserver`;
      return link.close({ code: "refused", detail });
    }
    const calls = new NodeCalls(link.peer, this.options, this.dependencies);
    const linked: Linked = { link, calls };
    this.links.set(node, linked);
    before?.link.close({ code: "closed", detail: `a newer link of ${node} took its place` });
    this.answerOn(link.channel(CONTROL_CHANNEL), calls, node);
    const gone = () => {
      calls.watches.closeAll();
      if (this.links.get(node) === linked) this.links.delete(node);
    };
    link.closed.then(gone, gone);
  }

  /**
   * Another one leads, if it is one that they have not heard of: nodes renew their leases with it at once, without
   * which it gives them nothing.
   */
  leaderIs({ node, term }: LeaderInfo): void {
    const leader = `${term} ${node}`;
    if (leader === this.toldLeader) return;
    this.toldLeader = leader;
    for (const { calls } of this.links.values()) calls.watches.tellLeader();
  }

  /** Closes all links; nodes go to other apiservers. Idempotent. */
  stop(): void {
    this.stopped = true;
    for (const { link } of [...this.links.values()])
      link.close({ code: "closed", detail: "this apiserver stops" });
  }

  private answerOn(channel: Channel, calls: NodeCalls, node: string): void {
    const taken = new TakenCalls({
      group: NODES_GROUP,
      maxRunning: MAX_NODE_CALLS + MAX_NODE_WATCHES,
    });
    // What a node does not take waits in its channel: until that has drained nothing is done for it.
    let congested = false;
    channel.onDrain(() => {
      congested = false;
    });
    const line: Pick<Channel, "send"> = {
      send: (message) => {
        if (!channel.send(message)) congested = true;
        return !congested;
      },
    };
    channel.onMessage((message) => {
      if (message.type !== "call" || message.group !== NODES_GROUP) return;
      const { method } = message;
      const handler = isMethod(method)
        ? async (body: Uint8Array) =>
            congested ? callCode("busy") : await calls.answer(method, body)
        : undefined;
      taken.take(line, message, handler, {
        answered: (answer) => this.count(isMethod(method) ? method : "other", answer),
        failed: (error) =>
          this.dependencies.logger.error("A node's question failed.", { node, method, error }),
      });
    });
  }

  private count(method: string, { code }: CallAnswer): void {
    const name = `${method} ${code}`;
    this.answered.set(name, (this.answered.get(name) ?? 0) + 1);
  }
}

function isMethod(method: string): method is Method {
  return METHOD_NAMES.has(method);
}
