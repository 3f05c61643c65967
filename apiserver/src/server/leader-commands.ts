import {
  type CallAnswer,
  ControlError,
  callCode,
  decodeRefusal,
  encodeRefusal,
  type LeaderInfo,
} from "@atlasnet/core";
import type { PeerCalls } from "../raft/shell/peer-calls.ts";
import { decodeCommand } from "../store/commands.ts";
import type { ReplicatedStore } from "../store/replicated-store.ts";

const METHOD = "store-administer";

export interface LeaderCommandsOptions {
  /** This apiserver. */
  readonly node: string;
  readonly timeoutMs: number;
}

export interface LeaderCommandsDependencies {
  readonly store: Pick<ReplicatedStore, "administer" | "readBarrier" | "leader">;
  readonly calls: Pick<PeerCalls, "askLeader" | "handle">;
}

/** Commands of operators at any apiserver: the leader proposes them through its store. */
export class LeaderCommands {
  private readonly options: LeaderCommandsOptions;
  private readonly dependencies: LeaderCommandsDependencies;

  constructor(options: LeaderCommandsOptions, dependencies: LeaderCommandsDependencies) {
    this.options = options;
    this.dependencies = dependencies;
    dependencies.calls.handle(METHOD, async (_from, body) => {
      try {
        // The message's buffer would stay as long as what the command says otherwise.
        await this.here(body.slice());
        return callCode("ok");
      } catch (error) {
        if (error instanceof ControlError) return encodeRefusal(error);
        throw error;
      }
    });
  }

  /** Resolves once the command is applied here. @throws ControlError */
  async submit(command: Uint8Array): Promise<void> {
    const { store, calls } = this.dependencies;
    const { node, timeoutMs } = this.options;
    const leader = store.leader();
    if (leader === undefined || leader.node === node) return await this.here(command);
    told(leader, await calls.askLeader(leader.node, METHOD, command, timeoutMs));
    await store.readBarrier();
  }

  private async here(bytes: Uint8Array): Promise<void> {
    const command = decodeCommand(bytes, 0);
    if (command.type === "txns")
      throw new ControlError("bad-request", "transactions are no commands of operators");
    await this.dependencies.store.administer(command);
  }
}

function told(leader: LeaderInfo, { code, body }: CallAnswer): void {
  if (code === "ok") return;
  if (code === "refused") throw decodeRefusal(body);
  throw new ControlError("timeout", `${leader.node} did not say whether it was done (${code})`, {
    hint: "Look at the state of the apiservers (`atlasnet status`), then try again, as a whole.",
  });
}
