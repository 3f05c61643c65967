import { randomBytes } from "node:crypto";
import { intFrom, type Random } from "../ports/random.ts";

/** The machine's generators: `bytes` is fit for keys, `float` and `int` are not. */
export const systemRandom: Random = {
  // A copy: small results of randomBytes share a pool, and these are kept for long.
  bytes: (count) => Uint8Array.from(randomBytes(count)),
  float: () => Math.random(),
  int: (min, max) => intFrom(Math.random(), min, max),
};
