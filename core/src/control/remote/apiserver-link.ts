import { type CallAnswer, callCode } from "../../link/calls.ts";
import type { LinkNetwork } from "../../link/link.ts";
import type { Logger } from "../../logging/logger.ts";
import type { Clock } from "../../ports/clock.ts";
import type { PseudoRandom } from "../../ports/random.ts";
import type { LeaderInfo } from "../control-store.ts";
import type { ControlCalls } from "./control-calls.ts";

/** What an apiserver says of itself when a link to it stands. */
export interface ApiserverHello {
  readonly cluster: string;
  readonly node: string;
  readonly leader: LeaderInfo | undefined;
  /** For logs: its software and version. */
  readonly software: string;
}

export interface ApiserverMember {
  readonly node: string;
  /** host:port where it takes links. */
  readonly address: string;
}

export interface ApiserverLinkOptions {
  /** Node ids. They stay known; those that apiservers tell of are added. */
  readonly apiservers: readonly string[];
  /** The apiserver has to be of this cluster; absent: any. */
  readonly cluster?: string | undefined;
  /** For the apiserver's log. */
  readonly software: string;
  /** First pause after all of them were tried; it doubles up to the longest. Default 50 and 2,000. */
  readonly minPauseMs?: number;
  readonly maxPauseMs?: number;
  /** After so long without an answer to a connect or a hello the next one is tried. Default 1,500. */
  readonly patienceMs?: number;
}

/** None of them is called from within a call of the link. */
export interface ApiserverLinkEvents {
  connected(hello: ApiserverHello): void;
  /** Others are tried at once. */
  disconnected(node: string, why: string): void;
  /**
   * All known apiservers refused this node, one after another. It goes on trying, but somebody has to change
   * something: the error says what.
   */
  refused(error: Error): void;
  /** The apiservers of the cluster, each time they were told. For whoever looks up addresses. */
  members(members: readonly ApiserverMember[]): void;
}

/** Keeps a link to one of several apiservers. */
export class ApiserverLink implements ControlCalls {
  constructor(
    _options: ApiserverLinkOptions,
    _dependencies: {
      readonly network: Pick<LinkNetwork, "connect">;
      readonly clock: Clock;
      readonly random: PseudoRandom;
      readonly logger: Logger;
      readonly events: Partial<ApiserverLinkEvents>;
    },
  ) {}

  /** The apiserver that is linked now. */
  get connected(): ApiserverHello | undefined {
    return undefined;
  }

  /** Begins to connect. Idempotent. */
  start(): void {}

  async ask(_method: string, _body: Uint8Array, _timeoutMs: number): Promise<CallAnswer> {
    return callCode("unreachable");
  }

  onConnected(_handler: () => void): void {}

  moveOn(): void {}

  /** Closes the link; what waits is answered with `lost`. Idempotent. */
  stop(): void {}
}
