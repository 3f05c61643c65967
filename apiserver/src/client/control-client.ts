import {
  ControlError,
  type ControlStore,
  type ControlWatch,
  checkRange,
  checkTxn,
  checkWatch,
  failedWatch,
  type LeaderInfo,
  type Operation,
  type RangeRequest,
  type RangeResult,
  type TxnRequest,
  type TxnResult,
  type WatchEvents,
  type WatchRequest,
} from "@atlasnet/core";
import * as v from "valibot";
import { fromBase64, toBase64 } from "../http/schemas.ts";
import {
  changedData,
  rangeAnswer,
  type storedChange,
  type storedItem,
  txnAnswer,
} from "../http/store-schemas.ts";
import type { ApiClient } from "./api-client.ts";
import { EventReader } from "./event-reader.ts";

/**
 * The control store over the HTTP API; needs an administrator's token.
 *
 * 1. A transaction gets an id when it has none, so that it can be sent again to another apiserver.
 * 2. A watch outlives connections and apiservers without a gap.
 */
export class ControlClient implements ControlStore {
  private readonly client: ApiClient;

  /** The client stays its creator's, who closes it. */
  constructor({ client }: { client: ApiClient }) {
    this.client = client;
  }

  leader(): LeaderInfo | undefined {
    return this.client.leader;
  }

  async range(request: RangeRequest): Promise<RangeResult> {
    checkRange(request);
    const answer = await this.client.request({
      method: "POST",
      path: "/v1/store/range",
      body: request,
      // A read may be sent as often as one likes.
      id: this.client.newId(),
    });
    const { items, ...rest } = understood(rangeAnswer, answer);
    return { ...rest, items: items.map(itemOf) };
  }

  async txn(request: TxnRequest): Promise<TxnResult> {
    checkTxn(request);
    const id = request.id ?? this.client.newId();
    const answer = await this.client.request({
      method: "POST",
      path: "/v1/store/txn",
      id,
      body: {
        ...request,
        id,
        compare: request.compare.map((compare) =>
          compare.type === "value" ? { ...compare, equals: toBase64(compare.equals) } : compare,
        ),
        then: request.then.map(operationOf),
        otherwise: request.otherwise?.map(operationOf),
      },
    });
    return understood(txnAnswer, answer);
  }

  watch(request: WatchRequest, events: WatchEvents): ControlWatch {
    try {
      checkWatch(request);
    } catch (error) {
      return failedWatch(error, events);
    }
    const { key, prefix } = { key: undefined, prefix: undefined, ...request };
    return new EventReader(
      { path: "/v1/store/watch", query: { key, prefix }, after: request.after },
      {
        client: this.client,
        events: {
          changed: (data, revision) => {
            const { changes } = understood(changedData, data);
            events.changed({ revision, changes: changes.map(changeOf) });
          },
          compacted: (revision) => events.compacted({ revision }),
          failed: (error) => events.failed(error),
        },
      },
    );
  }
}

function understood<T>(schema: v.GenericSchema<unknown, T>, answer: unknown): T {
  const parsed = v.safeParse(schema, answer);
  if (parsed.success) return parsed.output;
  throw new ControlError("unreachable", "an apiserver answered in a way that is not understood", {
    hint: "It may be of another version than this program.",
  });
}

function itemOf(item: v.InferOutput<typeof storedItem>) {
  return { ...item, value: fromBase64(item.value) };
}

function changeOf(change: v.InferOutput<typeof storedChange>) {
  return change.type === "put" ? ({ type: "put", item: itemOf(change.item) } as const) : change;
}

function operationOf(operation: Operation) {
  return operation.type === "put" ? { ...operation, value: toBase64(operation.value) } : operation;
}
