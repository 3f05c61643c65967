const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * 1024;

/** `1.5 MiB`, `12.0 KiB`: so that what is small is not nothing. */
export function sizeText(bytes: number): string {
  return bytes < MEBIBYTE ? `${(bytes / KIBIBYTE).toFixed(1)} KiB` : `${mebibytes(bytes)} MiB`;
}

/** `1.5` of MiB. */
export function mebibytes(bytes: number): string {
  return (bytes / MEBIBYTE).toFixed(1);
}

/** `[######------]`: what share of the whole is done, 0 to 1. */
export function barText(share: number, width: number): string {
  const done = Math.round(Math.min(1, Math.max(0, share)) * width);
  return `[${"#".repeat(done)}${"-".repeat(width - done)}]`;
}
