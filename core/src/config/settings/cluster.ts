import type { Setting } from "../setting.ts";
import { API_ADDRESS, API_ADDRESS_ALLOWED } from "./parts.ts";

/** Apiservers that a node is told of. */
const MAX_APISERVERS = 16;

export const clusterSettings = {
  "cluster.apiservers": {
    type: "list",
    pattern: API_ADDRESS,
    allowed: API_ADDRESS_ALLOWED,
    maxItems: MAX_APISERVERS,
    commas: true,
    default: [],
    alias: "apiserver",
    example: ["https://10.0.0.1:8080", "https://10.0.0.2:8080", "https://10.0.0.3:8080"],
    meaning:
      "Apiservers of the cluster that a gameserver or proxy belongs to, by the addresses of their HTTP APIs. One that answers is enough. Worlds are then placed by the cluster (`atlasnet world create`), and proxies find gameservers by themselves.",
  },
} as const satisfies { readonly [path: string]: Setting };
