import { parentPort } from "node:worker_threads";
import type {
  NodeRegistration,
  RangeRequest,
  RangeResult,
  TxnRequest,
  TxnResult,
  WatchRequest,
  WorldRecord,
} from "@atlasnet/core";
import { FakeControlPlane } from "@atlasnet/gameserver/testing";

/** The control plane of the measured gameserver, in a thread of its own: what it holds is not the gameserver's. */

export type StoreQuestion =
  | { readonly type: "range"; readonly request: RangeRequest }
  | { readonly type: "txn"; readonly request: TxnRequest }
  | { readonly type: "state"; readonly state: "ready" | "draining" | "stopped" }
  /** Worlds that are made at once, all meant for the gameserver. */
  | {
      readonly type: "worlds";
      readonly names: readonly string[];
      readonly record: Partial<WorldRecord>;
    }
  | { readonly type: "epoch"; readonly world: string }
  | { readonly type: "register" };

export interface StoreAnswers {
  readonly range: RangeResult;
  readonly txn: TxnResult;
  readonly state: undefined;
  readonly worlds: undefined;
  readonly epoch: number;
  readonly register: NodeRegistration | undefined;
}

export const NODE = "g";

if (parentPort !== null) {
  const port = parentPort;
  const control = new FakeControlPlane({ node: NODE });
  const handle = async (question: StoreQuestion): Promise<StoreAnswers[StoreQuestion["type"]]> => {
    switch (question.type) {
      case "range":
        return control.store.range(question.request);
      case "txn":
        return control.store.txn(question.request);
      case "state":
        await control.setState(question.state);
        return undefined;
      case "worlds":
        for (const name of question.names) control.createWorld(name, question.record, NODE);
        return undefined;
      case "epoch":
        return control.owner(question.world).modified;
      case "register":
        control.register();
        return control.registration;
    }
  };
  const watch = (request: WatchRequest, number: number) =>
    control.store.watch(request, {
      changed: (news) => port.postMessage({ watch: number, news }),
      compacted: () => undefined,
      failed: () => undefined,
    });
  port.on(
    "message",
    (message: { number: number; question?: StoreQuestion; watch?: WatchRequest }) => {
      const { number, question } = message;
      if (message.watch !== undefined) watch(message.watch, number);
      if (question === undefined) return;
      handle(question).then(
        (value) => port.postMessage({ number, value }),
        (error: unknown) => port.postMessage({ number, error: String(error) }),
      );
    },
  );
}
