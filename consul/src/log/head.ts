import { isRecord } from "../agent/answers.ts";
import { ConsulError } from "../consul-error.ts";

/** The key that every write compares and sets: who reads it knows the whole log. */
export interface Head {
  /** Name of the cluster that the log belongs to. */
  readonly cluster: string;
  /** Of the last entry; 0 before the first one. */
  readonly index: number;
  readonly term: number;
  /** The node that leads in this term. */
  readonly leader: string;
  /** Of the last entry; every entry names the one before it. */
  readonly id: string;
  /** The first entry that is still kept. */
  readonly first: number;
  readonly checkpoint?: Checkpoint;
}

export interface Checkpoint {
  /** Of the last entry in it. */
  readonly index: number;
  readonly id: string;
  /** Below the checkpoints' key. */
  readonly name: string;
  readonly parts: number;
  readonly bytes: number;
}

const FORMAT = 1;

export function encodeHead(head: Head): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, ...head }));
}

/** @throws ConsulError "consul-unreadable" */
export function decodeHead(bytes: Uint8Array, key: string): Head {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw unreadable(key, "is no JSON", cause);
  }
  if (!isRecord(value)) throw unreadable(key, "is no JSON object");
  if (value["format"] !== FORMAT)
    throw unreadable(
      key,
      `has the format ${String(value["format"])}, and this version reads ${FORMAT}`,
    );
  const { cluster, index, term, leader, id, first, checkpoint } = value;
  if (!isText(cluster) || !isText(leader) || !isText(id)) throw unreadable(key, "lacks a name");
  if (!isCount(index) || !isCount(term) || !isCount(first)) throw unreadable(key, "lacks a number");
  const head = { cluster, index, term, leader, id, first };
  return checkpoint === undefined ? head : { ...head, checkpoint: checkpointOf(checkpoint, key) };
}

function checkpointOf(value: unknown, key: string): Checkpoint {
  if (!isRecord(value)) throw unreadable(key, "names no checkpoint");
  const { index, id, name, parts, bytes } = value;
  if (!isCount(index) || !isText(id) || !isText(name) || !isCount(parts) || !isCount(bytes))
    throw unreadable(key, "names no checkpoint");
  return { index, id, name, parts, bytes };
}

export function unreadable(key: string, problem: string, cause?: unknown): ConsulError {
  return new ConsulError("consul-unreadable", `the key ${key} in Consul ${problem}`, {
    cause,
    hint: "Nothing but apiservers of one version may write there. To begin anew, stop them, delete everything below the prefix (`consul kv delete -recurse`), start them, and restore a backup.",
  });
}

function isText(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= 512;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
