const UNIT_SECONDS = new Map([
  ["s", 1],
  ["m", 60],
  ["h", 3600],
  ["d", 86_400],
]);

export const DURATION_ALLOWED = "a whole number with s, m, h or d behind it, as in 90s, 30m or 7d";

/** `30m` as 1800 seconds; undefined for what is no duration above 0. */
export function parseDuration(text: string): number | undefined {
  const [, digits = "", unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNIT_SECONDS.get(unit) ?? 0);
  return seconds > 0 ? seconds : undefined;
}
