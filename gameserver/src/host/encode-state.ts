import type { Clock } from "@atlasnet/core";
import type { Shard } from "../shard/shard.ts";

/**
 * A state is encoded in pieces of about so much between the ticks of its thread, which a large one would hold up.
 * What fits in one piece is encoded at once.
 */
const PIECE_BYTES = 64 * 1024;
/** Between two of them. */
const PAUSE_MS = 1;

/**
 * The shard's state as it is now; it ticks, or follows, on while that is encoded. `isHurried`: no pauses any more.
 * @throws OperatingError "too-many-copies"
 */
export async function encodeState(
  shard: Shard,
  clock: Clock,
  isHurried: () => boolean,
): Promise<Uint8Array> {
  const copy = shard.beginCopy();
  const pieces: Uint8Array[] = [];
  try {
    for (;;) {
      const { data, last } = copy.read(PIECE_BYTES);
      pieces.push(data);
      if (last) return pieces.length === 1 ? data : joined(pieces);
      if (!isHurried()) await new Promise<void>((resolve) => clock.setTimer(PAUSE_MS, resolve));
    }
  } finally {
    copy.end();
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
