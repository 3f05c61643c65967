import type { LinkMessage } from "../wire/link-messages.ts";

/** Names, numbers and object headers of a message. */
const OVERHEAD_BYTES = 256;
/** A definition is shared by all who hold it; this stands for its place in the message. */
const DEFINITION_BYTES = 4096;

/**
 * About how many bytes a message keeps alive, without encoding it: what links that pass objects count
 * against their bounds. Exact for the packed part, which is all that is ever large.
 */
export function messageSize(message: LinkMessage): number {
  switch (message.type) {
    case "upstream":
    case "downstream":
      return OVERHEAD_BYTES + message.batch.byteLength;
    case "raft":
    case "call":
    case "answer":
      return OVERHEAD_BYTES + message.body.byteLength;
    case "replica-piece":
    case "replica-delta":
      return OVERHEAD_BYTES + message.data.byteLength;
    case "replica-close":
      return OVERHEAD_BYTES + message.reason.length;
    case "attach":
      return OVERHEAD_BYTES * 4 + (message.params?.byteLength ?? 0);
    case "attached":
      return OVERHEAD_BYTES + (message.definition === undefined ? 0 : DEFINITION_BYTES);
    case "watching":
    case "replica-copy":
      return OVERHEAD_BYTES + DEFINITION_BYTES;
    case "closed":
      return OVERHEAD_BYTES + message.reason.length;
    case "notice":
      return OVERHEAD_BYTES + message.text.length;
    case "hosting":
      return OVERHEAD_BYTES * (1 + message.worlds.length);
    default:
      return OVERHEAD_BYTES;
  }
}
