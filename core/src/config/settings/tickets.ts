import type { Setting } from "../setting.ts";

export const ticketSettings = {
  "tickets.keyFile": {
    type: "path",
    default: {
      says: "keys/tickets.jwks.json in data.dir",
      of: (_host, dataDir) => `${dataDir}/keys/tickets.jwks.json`,
    },
    example: "./data/keys/tickets.jwks.json",
    meaning:
      "JWKS file of the keys of tickets; made when it is not there. The first private key signs, all verify. A proxy of a cluster takes the CA's keys, or with this setting a file that has to be there.",
  },
} as const satisfies { readonly [path: string]: Setting };
