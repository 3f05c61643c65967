import type { Link, LinkClosed, LinkListener, LinkNetwork, Peer } from "../link/link.ts";
import { type Carrier, LinkEnd } from "../link/link-end.ts";
import { LinkError } from "../link/link-error.ts";
import { DEFAULT_LINK_LIMITS, type LinkLimits, LinkStats } from "../link/link-limits.ts";
import type { Clock } from "../ports/clock.ts";
import type { PseudoRandom } from "../ports/random.ts";
import { decodeLinkMessage, encodeLinkMessage } from "../wire/link-codec.ts";
import type { LinkMessage } from "../wire/link-messages.ts";
import { LINK_VERSIONS } from "../wire/link-version.ts";

/** Two messages of a lane arrive so far apart at least: more than adding up times is wrong by, which would swap them. */
const APART_MS = 1e-6;

/** A message on its way, as it is sent. */
export interface SimPassage {
  readonly from: string;
  readonly to: string;
  readonly channel: string;
  readonly message: LinkMessage;
  readonly bytes: number;
}

export interface SimNetworkDependencies {
  readonly clock: Clock;
  readonly random: PseudoRandom;
  /** Sees every message that leaves a node, before it is known whether it arrives. */
  readonly tap?: ((passage: SimPassage) => void) | undefined;
  /** Runs what arrives at a node, now or once the node's process goes on. Default: now. */
  readonly at?: ((node: string, arrive: () => void) => void) | undefined;
}

export interface SimNetworkOptions {
  readonly limits?: Partial<LinkLimits>;
  /** One way, drawn anew for everything that is sent. Default 0.2 to 2 ms. */
  readonly minDelayMs?: number;
  readonly maxDelayMs?: number;
  /** Share of datagrams that are lost, 0 to 1. Default 0. */
  readonly datagramLoss?: number;
  /** A link between nodes that do not hear each other ends after this. Default 5,000. */
  readonly idleTimeoutMs?: number;
  /** `connect` gives up after this. Default 3,000. */
  readonly connectTimeoutMs?: number;
  /** The link version of all links, for tests of nodes of before. Default: the newest. */
  readonly version?: number;
}

/** One link: its two ends, and what waits for a cut to heal. */
interface Wire {
  readonly ends: readonly [LinkEnd, LinkEnd];
  /** Arrivals that a cut holds back, per sending end, in their order. */
  readonly held: readonly [(() => void)[], (() => void)[]];
  /** When the last arrival of a channel is due: later ones may not overtake it. */
  readonly due: readonly [Map<string, number>, Map<string, number>];
  readonly nodes: readonly [string, string];
  /** Set while the nodes do not hear each other. */
  dying: { cancel(): void } | undefined;
  over: boolean;
}

/**
 * A network under one seed: delay, datagram loss, cuts and deaths, driven by a simulated clock.
 * Messages cross as bytes through the link codec, so nothing is shared between the nodes.
 *
 * 1. A channel keeps its order; a cut holds messages back (a transport would send them again).
 * 2. A killed node says nothing: its peers notice after `idleTimeoutMs`, as they do a cut that lasts.
 */
export class SimNetwork implements Carrier {
  readonly stats = new LinkStats();
  private readonly options: Required<Omit<SimNetworkOptions, "limits">>;
  private readonly limits: LinkLimits;
  private readonly clock: Clock;
  private readonly random: PseudoRandom;
  private readonly tap: SimNetworkDependencies["tap"];
  private readonly at: NonNullable<SimNetworkDependencies["at"]>;
  private readonly listeners = new Map<string, { peer: Peer; handler: (link: Link) => void }>();
  private readonly wires = new Map<LinkEnd, Wire>();
  private readonly generations = new Map<string, number>();
  /** Directed: `from\nto`. */
  private readonly cuts = new Set<string>();
  /** Grows when a node dies, so that what its old life began does not reach the new one. */
  private readonly lives = new Map<string, number>();

  constructor(options: SimNetworkOptions, dependencies: SimNetworkDependencies) {
    this.limits = { ...DEFAULT_LINK_LIMITS, ...options.limits };
    this.options = {
      minDelayMs: options.minDelayMs ?? 0.2,
      maxDelayMs: options.maxDelayMs ?? 2,
      datagramLoss: options.datagramLoss ?? 0,
      idleTimeoutMs: options.idleTimeoutMs ?? 5_000,
      connectTimeoutMs: options.connectTimeoutMs ?? 3_000,
      version: options.version ?? LINK_VERSIONS.newest,
    };
    this.clock = dependencies.clock;
    this.random = dependencies.random;
    this.tap = dependencies.tap;
    this.at = dependencies.at ?? ((_node, arrive) => arrive());
  }

  /** The network as one node sees it; after `kill`, call it again for the node's next life. */
  node(self: Peer): LinkNetwork {
    const life = this.lifeOf(self.node);
    return {
      connect: (node) => this.connect(self, node, life),
      listen: (handler) => this.listen(self, handler, life),
    };
  }

  /** Nothing gets from one node to the other; both ways unless `oneWay`. */
  cut(from: string, to: string, options: { oneWay?: boolean } = {}): void {
    this.cuts.add(`${from}\n${to}`);
    if (options.oneWay !== true) this.cuts.add(`${to}\n${from}`);
    for (const wire of this.wiresBetween(from, to)) this.startDying(wire);
  }

  /** Both ways; what was held back arrives now. */
  heal(a: string, b: string): void {
    this.cuts.delete(`${a}\n${b}`);
    this.cuts.delete(`${b}\n${a}`);
    for (const wire of this.wiresBetween(a, b)) this.revive(wire);
  }

  healAll(): void {
    this.cuts.clear();
    for (const wire of new Set(this.wires.values())) this.revive(wire);
  }

  /** The node is gone at once: it hears and says nothing any more. */
  kill(node: string): void {
    this.lives.set(node, this.lifeOf(node) + 1);
    this.listeners.delete(node);
    for (const wire of new Set(this.wires.values())) {
      const side = wire.nodes.indexOf(node);
      if (side < 0) continue;
      wire.ends[side]?.end({ code: "closed", detail: "this node was killed" });
      this.startDying(wire);
    }
  }

  private async connect(self: Peer, node: string, life: number): Promise<Link> {
    const { clock } = this;
    const deadline = clock.now() + this.options.connectTimeoutMs;
    const unreachable = (why: string) => new LinkError("unreachable", `node ${node}: ${why}`, node);
    // The request and its answer.
    await this.wait(this.delay());
    const listener = this.listeners.get(node);
    const reachable = !this.isCut(self.node, node) && !this.isCut(node, self.node);
    if (!reachable || listener === undefined) {
      await this.wait(deadline - clock.now());
      throw unreachable(`no answer within ${this.options.connectTimeoutMs} ms`);
    }
    const pair = [self.node, node].sort().join("\n");
    const generation = (this.generations.get(pair) ?? 0) + 1;
    this.generations.set(pair, generation);
    if (life !== this.lifeOf(self.node)) throw unreachable("this node was killed");
    const about = { generation, limits: this.limits, version: this.options.version };
    const dependencies = { carrier: this, stats: this.stats };
    const near = new LinkEnd({ peer: listener.peer, ...about }, dependencies);
    const far = new LinkEnd({ peer: self, ...about }, dependencies);
    const wire: Wire = {
      ends: [near, far],
      held: [[], []],
      due: [new Map(), new Map()],
      nodes: [self.node, node],
      dying: undefined,
      over: false,
    };
    this.wires.set(near, wire);
    this.wires.set(far, wire);
    listener.handler(far);
    await this.wait(this.delay());
    if (near.isClosed) throw unreachable("the link ended while it was opened");
    return near;
  }

  private async listen(
    self: Peer,
    handler: (link: Link) => void,
    life: number,
  ): Promise<LinkListener> {
    if (life !== this.lifeOf(self.node))
      throw new LinkError("unreachable", `node ${self.node} was killed`, self.node);
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
    const wire = this.tap && this.wires.get(from);
    if (wire !== undefined) {
      const side = wire.ends[0] === from ? 0 : 1;
      const passage = { from: wire.nodes[side], to: wire.nodes[1 - side] ?? "", channel, message };
      this.tap?.({ ...passage, bytes: size });
    }
    // A copy, because encoded bytes may share a buffer and the decoded message views them.
    const decoded = decodeLinkMessage(new Uint8Array(encodeLinkMessage(message)));
    if (!decoded.ok) throw new Error(`the codec does not read what it wrote: ${decoded.problem}`);
    this.carry(from, `message ${channel}`, (to) => {
      to.accept(channel, decoded.message, size);
      to.deliver();
    });
  }

  datagram(from: LinkEnd, bytes: Uint8Array): void {
    const wire = this.wires.get(from);
    if (wire === undefined) return;
    const side = wire.ends[0] === from ? 0 : 1;
    const copy = new Uint8Array(bytes);
    const lost = this.random.float() < this.options.datagramLoss || this.isCutFrom(wire, side);
    if (lost) this.stats.droppedDatagrams += 1;
    else
      this.clock.setTimer(this.delay(), () => {
        const to = wire.ends[1 - side];
        this.at(wire.nodes[1 - side] ?? "", () => {
          to?.acceptDatagram(copy);
          to?.deliver();
        });
      });
  }

  release(by: LinkEnd, channel: string, size: number): void {
    this.carry(by, `release ${channel}`, (other) => other.channel(channel).released(size));
  }

  wake(end: LinkEnd): void {
    this.clock.setTimer(0, () => {
      if (!end.isClosed) end.deliver();
    });
  }

  ended(end: LinkEnd, reason: LinkClosed): void {
    const wire = this.wires.get(end);
    if (wire === undefined) return;
    // The goodbye may be held back by a cut; the idle timeout comes then.
    this.carry(end, "close", (other) => {
      this.finish(wire, reason);
      other.end(reason);
    });
  }

  /** Runs `arrive` with the other end after a delay, in order within `lane`. */
  private carry(from: LinkEnd, lane: string, arrive: (to: LinkEnd) => void): void {
    const wire = this.wires.get(from);
    if (wire === undefined || wire.over) return;
    const side = wire.ends[0] === from ? 0 : 1;
    const to = wire.ends[side === 0 ? 1 : 0];
    const now = this.clock.now();
    const at = Math.max(now + this.delay(), (wire.due[side].get(lane) ?? 0) + APART_MS);
    wire.due[side].set(lane, at);
    const there = wire.nodes[side === 0 ? 1 : 0];
    const taken = () =>
      this.at(there, () => {
        if (!wire.over) arrive(to);
      });
    const land = () => {
      if (wire.over) return;
      const held = wire.held[side];
      if (held.length > 0 || this.isCutFrom(wire, side)) held.push(taken);
      else taken();
    };
    this.clock.setTimer(at - now, land);
  }

  private startDying(wire: Wire): void {
    if (wire.over || wire.dying !== undefined) return;
    wire.dying = this.clock.setTimer(this.options.idleTimeoutMs, () =>
      this.finish(wire, { code: "peer-gone", detail: "nothing was heard from the peer" }),
    );
  }

  private revive(wire: Wire): void {
    if (wire.over || this.isCutFrom(wire, 0) || this.isCutFrom(wire, 1)) return;
    // A dead end stays dead: the timeout goes on for the one that is left.
    if (!wire.ends.some((end) => end.isClosed)) {
      wire.dying?.cancel();
      wire.dying = undefined;
    }
    for (const side of [0, 1] as const)
      if (wire.held[side].length > 0) this.clock.setTimer(0, () => this.releaseHeld(wire, side));
  }

  /** In one event, and what lands before it is held as well: nothing overtakes. */
  private releaseHeld(wire: Wire, side: 0 | 1): void {
    if (this.isCutFrom(wire, side)) return;
    for (const arrive of wire.held[side].splice(0)) if (!wire.over) arrive();
  }

  private finish(wire: Wire, reason: LinkClosed): void {
    if (wire.over) return;
    wire.over = true;
    wire.dying?.cancel();
    for (const end of wire.ends) {
      this.wires.delete(end);
      end.end(reason);
    }
  }

  private isCutFrom(wire: Wire, side: number): boolean {
    const [a, b] = wire.nodes;
    return side === 0 ? this.isCut(a, b) : this.isCut(b, a);
  }

  private isCut(from: string, to: string): boolean {
    return this.cuts.has(`${from}\n${to}`);
  }

  private wiresBetween(a: string, b: string): Set<Wire> {
    const wires = [...this.wires.values()];
    return new Set(wires.filter(({ nodes }) => nodes.includes(a) && nodes.includes(b)));
  }

  private lifeOf(node: string): number {
    return this.lives.get(node) ?? 0;
  }

  private delay(): number {
    const { minDelayMs, maxDelayMs } = this.options;
    return minDelayMs + this.random.float() * (maxDelayMs - minDelayMs);
  }

  private wait(ms: number): Promise<void> {
    return new Promise((resolve) => this.clock.setTimer(Math.max(0, ms), resolve));
  }
}
