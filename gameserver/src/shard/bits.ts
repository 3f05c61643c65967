/** The index of the lowest bit of a mask that is not 0. */
export function lowestIndex(mask: number): number {
  return 31 - Math.clz32(mask & -mask);
}
