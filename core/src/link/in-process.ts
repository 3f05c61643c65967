import { decodeLinkMessage, encodeLinkMessage } from "../wire/link-codec.ts";
import type { LinkMessage } from "../wire/link-messages.ts";
import { LINK_VERSIONS } from "../wire/link-version.ts";
import type { Link, LinkClosed, LinkListener, LinkNetwork, Peer } from "./link.ts";
import { type Carrier, LinkEnd } from "./link-end.ts";
import { LinkError } from "./link-error.ts";
import { DEFAULT_LINK_LIMITS, type LinkLimits, LinkStats } from "./link-limits.ts";

export interface InProcessOptions {
  readonly limits?: Partial<LinkLimits>;
  /**
   * Sends every message through the codec, as a link between processes would, and copies datagrams:
   * for tests. A message the codec refuses throws at its sender. Default false.
   */
  readonly verify?: boolean;
  /** The link version of all links, for tests of nodes of before. Messages lose no fields by it. Default: the newest. */
  readonly version?: number;
}

export interface InProcessDependencies {
  /** Calls back in a later turn of the event loop. Default `setImmediate`. */
  readonly defer?: (callback: () => void) => void;
}

/**
 * Links between the roles of one process. Messages pass by reference, so they and their bytes belong
 * to the receiver once sent: nobody changes them any more.
 *
 * 1. All that is sent in one turn of the event loop is delivered together in a later one.
 * 2. A link ends on both sides at the same moment; what was not delivered yet is dropped.
 * 3. A handler that throws is a fault of the process: the error surfaces as an uncaught exception, and
 *    should the process survive it, deliveries go on behind the message that failed.
 */
export class InProcessNetwork implements Carrier {
  readonly stats = new LinkStats();
  private readonly limits: LinkLimits;
  private readonly verify: boolean;
  private readonly version: number;
  private readonly defer: (callback: () => void) => void;
  private readonly listeners = new Map<string, { peer: Peer; handler: (link: Link) => void }>();
  private readonly others = new WeakMap<LinkEnd, LinkEnd>();
  /** How many links there were between two nodes. */
  private readonly generations = new Map<string, number>();
  private awake = new Set<LinkEnd>();
  private scheduled = false;

  constructor(options: InProcessOptions = {}, dependencies: InProcessDependencies = {}) {
    this.limits = { ...DEFAULT_LINK_LIMITS, ...options.limits };
    this.verify = options.verify ?? false;
    this.version = options.version ?? LINK_VERSIONS.newest;
    this.defer = dependencies.defer ?? ((callback) => setImmediate(callback));
  }

  /** The network as one node sees it. */
  node(self: Peer): LinkNetwork {
    return {
      connect: (node) => this.connect(self, node),
      listen: (handler) => this.listen(self, handler),
    };
  }

  private async connect(self: Peer, node: string): Promise<Link> {
    const listener = this.listeners.get(node);
    if (listener === undefined)
      throw new LinkError("unreachable", `nobody listens as node ${node} in this process`, node);
    const pair = [self.node, node].sort().join("\n");
    const generation = (this.generations.get(pair) ?? 0) + 1;
    this.generations.set(pair, generation);
    const { limits, stats, version } = this;
    const dependencies = { carrier: this, stats };
    const near = new LinkEnd({ peer: listener.peer, generation, limits, version }, dependencies);
    const far = new LinkEnd({ peer: self, generation, limits, version }, dependencies);
    this.others.set(near, far);
    this.others.set(far, near);
    return new Promise((resolve) =>
      this.defer(() => {
        resolve(near);
        listener.handler(far);
      }),
    );
  }

  private async listen(self: Peer, handler: (link: Link) => void): Promise<LinkListener> {
    if (this.listeners.has(self.node))
      throw new LinkError("already-listening", `node ${self.node} listens already`, self.node);
    const entry = { peer: self, handler };
    this.listeners.set(self.node, entry);
    return {
      close: async () => {
        if (this.listeners.get(self.node) === entry) this.listeners.delete(self.node);
      },
    };
  }

  message(from: LinkEnd, channel: string, message: LinkMessage, size: number): void {
    const to = this.others.get(from);
    if (to === undefined) return;
    to.accept(channel, this.verify ? this.throughCodec(message) : message, size);
    this.wake(to);
  }

  datagram(from: LinkEnd, bytes: Uint8Array): void {
    const to = this.others.get(from);
    if (to === undefined) return;
    to.acceptDatagram(this.verify ? bytes.slice() : bytes);
    this.wake(to);
  }

  release(by: LinkEnd, channel: string, size: number): void {
    this.others.get(by)?.channel(channel).released(size);
  }

  ended(end: LinkEnd, reason: LinkClosed): void {
    this.others.get(end)?.end(reason);
  }

  wake(end: LinkEnd): void {
    this.awake.add(end);
    if (this.scheduled) return;
    this.scheduled = true;
    this.defer(() => this.flush());
  }

  private flush(): void {
    this.scheduled = false;
    const ends = this.awake;
    this.awake = new Set();
    try {
      for (const end of ends) {
        ends.delete(end);
        end.deliver();
      }
    } finally {
      for (const end of ends) this.wake(end);
    }
  }

  private throughCodec(message: LinkMessage): LinkMessage {
    // A copy, because encoded bytes may share a buffer and the decoded message views them.
    const decoded = decodeLinkMessage(encodeLinkMessage(message).slice());
    if (!decoded.ok) throw new Error(`the codec does not read what it wrote: ${decoded.problem}`);
    return decoded.message;
  }
}
