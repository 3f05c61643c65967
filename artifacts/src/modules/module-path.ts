/** Of a path within a module, in UTF-8. */
export const MAX_PATH_BYTES = 400;
/** Folders one in another. */
export const MAX_PATH_DEPTH = 32;

/** What Windows takes for a device, with any ending. */
const DEVICE = /^(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?$/i;
/** Drives, streams and wildcards of Windows; letters nobody sees; halves of letters. */
const FORBIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\\:*?"<>|]/u;

/**
 * Why a path cannot be that of a file within a module, or undefined. What is fine here is fine on every system, and
 * stays below the folder it is joined to.
 */
export function pathProblem(path: string): string | undefined {
  if (path === "") return "a path is needed";
  if (Buffer.byteLength(path) > MAX_PATH_BYTES) return `a path has at most ${MAX_PATH_BYTES} bytes`;
  if (path.startsWith("/")) return "the path is absolute";
  if (FORBIDDEN.test(path)) return "the path has a letter that not every system allows";
  const parts = path.split("/");
  if (parts.length > MAX_PATH_DEPTH) return `at most ${MAX_PATH_DEPTH} folders deep is allowed`;
  for (const part of parts) {
    if (part === "..") return "the path leads out of the module";
    if (part === "" || part === ".") return "the path has an empty part";
    if (/[. ]$/.test(part)) return "a name ends with a dot or a blank";
    if (DEVICE.test(part)) return `${part} is a device on Windows`;
  }
  return undefined;
}

/** Equal for paths that are the same file on a system which ignores case or the form of accents. */
export function samePlace(path: string): string {
  return path.normalize("NFC").toLowerCase().normalize("NFC");
}
