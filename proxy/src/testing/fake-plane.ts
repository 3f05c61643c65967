import type {
  ControlPlaneEvents,
  ControlStore,
  LinkNetwork,
  NodeLoad,
  NodeRegistration,
} from "@atlasnet/core";
import type { ClusterLinks, NodeControlPlane } from "@atlasnet/core/node";
import { FakeControlStore } from "./fake-control-store.ts";

/** A node's tie to a control plane that a test plays. */
export class FakePlane implements NodeControlPlane {
  readonly node = "p1";
  readonly fake = new FakeControlStore();
  readonly store: ControlStore;
  readonly links: ClusterLinks;
  registration: NodeRegistration | undefined;
  readonly states: string[] = [];
  /** What `setState` answers with. */
  answer: () => Promise<void> = async () => undefined;
  events: ControlPlaneEvents | undefined;
  load: (() => NodeLoad) | undefined;
  stopped = false;
  private settle: { resolve(): void; reject(error: Error): void } | undefined;

  /** Without a network nobody opens links. */
  constructor(network: LinkNetwork = noLinks) {
    this.links = {
      network,
      address: undefined,
      identity: { cluster: "c", role: "proxy", node: "p1", notAfter: 0 },
      certificate: { fingerprint: "ab".repeat(32), authorities: "" },
    };
    const { fake } = this;
    this.store = {
      range: (request) => fake.range(request),
      watch: (request, events) => fake.watch(request, events),
      txn: async (request) => fake.tiny.txn(request),
      leader: () => undefined,
    };
  }

  start(events: ControlPlaneEvents, load: () => NodeLoad): Promise<void> {
    this.events = events;
    this.load = load;
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
    });
  }

  register(): void {
    this.registration = { boot: "1", generation: 0, revision: 1 };
    this.settle?.resolve();
    this.events?.registered(this.registration);
  }

  refuse(error: Error): void {
    this.settle?.reject(error);
  }

  hurry(): void {}

  mayAct(): boolean {
    return true;
  }

  setState(state: string): Promise<void> {
    this.states.push(state);
    return this.answer();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.settle?.reject(new Error("the control plane is stopped"));
  }
}

const noLinks: LinkNetwork = {
  connect: () => Promise.reject(new Error("there are no links in this test")),
  listen: () => Promise.reject(new Error("there are no links in this test")),
};
