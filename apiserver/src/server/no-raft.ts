import { ApiError } from "../http/api-error.ts";
import type { GroupView, MemberView, RaftPort } from "../http/ports.ts";

/** Without a Raft group there is nothing to show or to change. */
export class NoRaft implements RaftPort {
  view(): Promise<GroupView> {
    return Promise.reject(
      refused(
        "`atlasnet status` shows the apiservers; docs/consul.md says how who leads is settled.",
      ),
    );
  }

  add(node: string): Promise<MemberView> {
    return Promise.reject(
      refused(
        `Start ${node} with --apiserver.store consul and the same apiserver.consulPrefix: it takes part by that alone.`,
      ),
    );
  }

  remove(node: string): Promise<void> {
    return Promise.reject(
      refused(`Stop ${node}: it takes no part any more then. Leave it out of apiserver.peers.`),
    );
  }

  transfer(): Promise<string> {
    return Promise.reject(
      refused("Stop the apiserver that leads (`atlasnet status`): another one leads at once."),
    );
  }
}

function refused(hint: string): ApiError {
  return new ApiError(
    "not-available",
    "these apiservers keep their state in Consul (apiserver.store = consul): there is no Raft group",
    hint,
  );
}
