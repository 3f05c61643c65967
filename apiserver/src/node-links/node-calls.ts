import {
  type ApiserverMember,
  type CallAnswer,
  type Clock,
  CONTROL_CALLS_VERSION,
  ControlError,
  type ControlStore,
  callCode,
  encodeRefusal,
  type HelloAnswer,
  type HelloRequest,
  helloAnswer,
  helloRequest,
  type KeySelector,
  type Logger,
  membersAnswer,
  nothing,
  OLDEST_CONTROL_CALLS_VERSION,
  type Peer,
  rangeAnswer,
  rangeRequest,
  renewalAnswer,
  renewalRequest,
  txnAnswer,
  txnRequest,
  watchAnswer,
  watchName,
  watchNews,
  watchRequest,
} from "@atlasnet/core";
import type { Renewals } from "../leader/lease-keeper.ts";
import { readProblem, txnProblem } from "./node-access.ts";
import { NodeWatches, type WatchSource } from "./node-watches.ts";

export interface NodeCallsOptions {
  readonly cluster: string;
  /** This apiserver. */
  readonly node: string;
  readonly software: string;
}

export interface NodeCallsDependencies {
  readonly store: Pick<ControlStore, "range" | "txn"> & WatchSource;
  readonly renewals: Renewals;
  /** The apiservers whose addresses are known. */
  readonly members: () => readonly ApiserverMember[];
  readonly clock: Clock;
  readonly logger: Logger;
  /** For tests of the store alone: who asks may do everything. */
  readonly unrestricted?: boolean;
}

export const METHODS = [
  "hello",
  "ping",
  "members",
  "range",
  "txn",
  "watch",
  "watch-next",
  "watch-close",
  "renew",
] as const;
export type Method = (typeof METHODS)[number];

/** Encodes an answer once it is there: what goes wrong then is a fault of this apiserver. */
type Encoded = () => Uint8Array;

/** Answers one node, which the certificate of its link names. */
export class NodeCalls {
  readonly watches: NodeWatches;
  private readonly peer: Peer;
  private readonly options: NodeCallsOptions;
  private readonly dependencies: NodeCallsDependencies;
  private readonly methods: { readonly [M in Method]: (body: Uint8Array) => Promise<Encoded> } = {
    hello: async (body) => this.hello(helloRequest.decode(body)),
    ping: async (body) => {
      nothing.decode(body);
      return () => nothing.encode({});
    },
    members: async (body) => {
      nothing.decode(body);
      const members = this.dependencies.members();
      return () => membersAnswer.encode({ members });
    },
    range: async (body) => {
      const request = rangeRequest.decode(body);
      this.mayRead(request);
      const result = await this.dependencies.store.range(request);
      return () => rangeAnswer.encode({ ...result, ...this.led() });
    },
    txn: async (body) => {
      const request = txnRequest.decode(body);
      this.refuse(() => txnProblem(this.peer, request));
      const { succeeded, revision } = await this.dependencies.store.txn(request);
      return () => txnAnswer.encode({ succeeded, revision, ...this.led() });
    },
    watch: async (body) => {
      const { watch, ...request } = watchRequest.decode(body);
      this.mayRead(request);
      const revision = this.watches.open(watch, request);
      return () => watchAnswer.encode({ revision, ...this.led() });
    },
    "watch-next": async (body) => {
      const news = await this.watches.next(watchName.decode(body).watch);
      return () => watchNews.encode(news);
    },
    "watch-close": async (body) => {
      this.watches.close(watchName.decode(body).watch);
      return () => nothing.encode({});
    },
    renew: async (body) => {
      const answer = await this.dependencies.renewals.renew(
        this.peer.node,
        renewalRequest.decode(body),
      );
      return () => renewalAnswer.encode(answer);
    },
  };

  constructor(peer: Peer, options: NodeCallsOptions, dependencies: NodeCallsDependencies) {
    this.peer = peer;
    this.options = options;
    this.dependencies = dependencies;
    const { store, clock } = dependencies;
    this.watches = new NodeWatches({ source: store, clock });
  }

  /** A rejection is a fault of this apiserver. */
  async answer(method: Method, body: Uint8Array): Promise<CallAnswer> {
    let encode: Encoded;
    try {
      encode = await this.methods[method](body);
    } catch (error) {
      if (error instanceof ControlError) return encodeRefusal(error);
      throw error;
    }
    return { ...callCode("ok"), body: encode() };
  }

  private hello({ versions, cluster, software }: HelloRequest): Encoded {
    const { options, peer } = this;
    if (cluster !== undefined && cluster !== options.cluster)
      throw new ControlError(
        "forbidden",
        `apiserver ${options.node} is of the cluster ${options.cluster}, ${peer.node} of ${cluster}`,
        { hint: "Give the node the addresses of its own cluster's apiservers." },
      );
    const version = Math.min(versions.newest, CONTROL_CALLS_VERSION);
    if (version < Math.max(versions.oldest, OLDEST_CONTROL_CALLS_VERSION))
      throw new ControlError(
        "forbidden",
        `apiserver ${options.node} speaks the versions ${OLDEST_CONTROL_CALLS_VERSION} to ${CONTROL_CALLS_VERSION} of control calls, ${peer.node} ${versions.oldest} to ${versions.newest}`,
        { hint: "Update the older one of the two." },
      );
    this.dependencies.logger.info("A node is linked.", {
      peer: peer.node,
      role: peer.role,
      software,
    });
    const hello: HelloAnswer = { ...options, version, ...this.led() };
    return () => helloAnswer.encode(hello);
  }

  private mayRead(request: KeySelector): void {
    this.refuse(() => readProblem(request));
  }

  private refuse(problemOf: () => string | undefined): void {
    const problem = this.dependencies.unrestricted ? undefined : problemOf();
    if (problem !== undefined) throw new ControlError("forbidden", problem);
  }

  private led(): Pick<HelloAnswer, "leader"> {
    const leader = this.dependencies.store.leader();
    return leader === undefined ? {} : { leader };
  }
}
