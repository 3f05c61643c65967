import type { ConsulAgent } from "../agent/consul-agent.ts";
import type { LogKeys } from "./keys.ts";

/** Below Consul's bound of 512 KiB for a value. */
const PART_BYTES = 384 * 1024;

export interface Written {
  readonly parts: number;
  readonly bytes: number;
}

/** Writes pieces one behind the other, in parts as large as Consul takes them. Nobody looks at them yet. */
export async function writeParts(
  agent: Pick<ConsulAgent, "set">,
  keys: LogKeys,
  name: string,
  pieces: Iterable<Uint8Array>,
): Promise<Written> {
  let parts = 0;
  let bytes = 0;
  for (const part of cut(pieces)) {
    await agent.set(keys.part(name, parts), part);
    parts += 1;
    bytes += part.length;
  }
  return { parts, bytes };
}

/** The parts one by one. Undefined where one is gone. */
export async function* readParts(
  agent: Pick<ConsulAgent, "get">,
  keys: LogKeys,
  name: string,
  parts: number,
): AsyncGenerator<Uint8Array | undefined> {
  for (let part = 0; part < parts; part++)
    yield (await agent.get(keys.part(name, part))).value?.value;
}

/** All of it, unless a part is gone. */
export async function readBlob(
  agent: Pick<ConsulAgent, "get">,
  keys: LogKeys,
  { name, parts }: { readonly name: string; readonly parts: number },
): Promise<Uint8Array | undefined> {
  const read: Uint8Array[] = [];
  for await (const part of readParts(agent, keys, name, parts)) {
    if (part === undefined) return undefined;
    read.push(part);
  }
  return Buffer.concat(read);
}

function* cut(pieces: Iterable<Uint8Array>): Generator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let bytes = 0;
  for (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      const taken = piece.subarray(at, at + PART_BYTES - bytes);
      waiting.push(taken);
      bytes += taken.length;
      at += taken.length;
      if (bytes < PART_BYTES) continue;
      yield Buffer.concat(waiting);
      waiting = [];
      bytes = 0;
    }
  }
  if (bytes > 0) yield Buffer.concat(waiting);
}
