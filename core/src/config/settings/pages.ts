import type { Setting } from "../setting.ts";
import { HOST, HOST_ALLOWED, port } from "./parts.ts";

export const pageSettings = {
  "http.enabled": {
    type: "bool",
    default: true,
    meaning: "Serve pages: the example games, or http.staticDir.",
  },
  "http.host": {
    type: "text",
    pattern: HOST,
    allowed: HOST_ALLOWED,
    default: "0.0.0.0",
    meaning: "Address of the pages.",
  },
  "http.port": port("Port of the pages.", 3000),
  "http.staticDir": {
    type: "path",
    example: "./public",
    meaning: "Folder with one's own page, served instead of the example games.",
  },
} as const satisfies { readonly [path: string]: Setting };
