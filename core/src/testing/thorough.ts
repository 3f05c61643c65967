/** Set by `npm test -- --thorough`: everything in every form, with all its runs. */
export const THOROUGH = process.env["ATLASNET_THOROUGH"] === "1";

/** What a run of all tests takes of many alike. */
const SHARE = 0.4;

/** How many of so many runs or seeds: all when thorough, else a fixed share, the same on every machine. */
export function share(runs: number): number {
  return THOROUGH ? runs : Math.ceil(runs * SHARE);
}

/** Forms that are promised the same: all when thorough, else the last, which has the most below it. */
export function formsOf<T>(all: readonly T[]): readonly T[] {
  return THOROUGH ? all : all.slice(-1);
}
