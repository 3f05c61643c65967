/** `names("gs", 2)`: gs1, gs2. */
export function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, at) => `${prefix}${at + 1}`);
}
