import { createHash } from "node:crypto";
import type { Shard } from "../shard/shard.ts";
import { StateCodec } from "../shard/state-codec.ts";

/** How a state goes from one shard to another: the ports that ShardCopies and ReplicaRunner work with. */

/** A state as it was at one tick, given out piece by piece while the shard goes on. */
export interface StateCopy {
  readonly tick: number;
  read(maxBytes: number): { data: Uint8Array<ArrayBuffer>; last: boolean };
  end(): void;
}

export function copyState(shard: Shard): StateCopy {
  const state = shard.snapshot();
  let at = 0;
  return {
    tick: shard.store.tick,
    read(maxBytes) {
      const data = state.slice(at, at + maxBytes);
      at += data.length;
      return { data, last: at === state.length };
    },
    end() {},
  };
}

export function hashOf(shard: Shard): Uint8Array {
  return new Uint8Array(createHash("md5").update(shard.snapshot()).digest());
}

/** A state that comes in pieces. */
export interface StateLoad {
  /** @throws DecodeError */
  take(data: Uint8Array): void;
  /** All pieces were taken. @throws DecodeError */
  finish(): void;
}

export function loadState(shard: Shard): StateLoad {
  const pieces: Uint8Array[] = [];
  return {
    take: (data) => void pieces.push(data),
    finish: () => shard.load(Buffer.concat(pieces)),
  };
}

/** What a tick changed elsewhere. @throws DecodeError */
export function follow(shard: Shard, _tick: number, delta: Uint8Array): void {
  new StateCodec(shard.store.definition).apply(delta, shard.store);
}

export function takeOver(shard: Shard, run: { epoch: number; timeline: number }): void {
  shard.resumeState();
  shard.assume(run);
}
