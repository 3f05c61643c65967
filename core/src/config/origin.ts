/** Where a value came from. */
export type Origin =
  | { kind: "default" }
  | { kind: "file"; file: string; line: number | undefined }
  | { kind: "env"; name: string }
  | { kind: "flag"; name: string };

/** `atlasnet.toml:12`, `ATLASNET_PROXY_PORT`, `--port` or `default`. */
export function originText(origin: Origin): string {
  switch (origin.kind) {
    case "default":
      return "default";
    case "file":
      return origin.line === undefined ? origin.file : `${origin.file}:${origin.line}`;
    case "env":
    case "flag":
      return origin.name;
  }
}
