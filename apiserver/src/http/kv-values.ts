import { fromBase64 } from "./schemas.ts";

/** Where the key-value stores of the cluster and of its nodes are in the control store. */
export function kvPrefix(node: string | undefined): string {
  return node === undefined ? "kv/cluster/" : `kv/node/${node}/`;
}

interface ValueBody {
  readonly text?: string | undefined;
  readonly base64?: string | undefined;
}

export function exactlyOne({ text, base64 }: ValueBody): boolean {
  return (text === undefined) !== (base64 === undefined);
}

export function fromBody({ text, base64 }: ValueBody): Uint8Array {
  return base64 === undefined ? new TextEncoder().encode(text ?? "") : fromBase64(base64);
}
