/** Resolves when every promise that can go on by itself has done so. What drives a SimClock. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
