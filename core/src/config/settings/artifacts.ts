import type { Setting } from "../setting.ts";
import { ADDRESS_OF_BUCKET } from "./parts.ts";

export const artifactSettings = {
  "artifacts.store": {
    type: "path",
    address: ADDRESS_OF_BUCKET,
    allowed: "a folder, or s3://BUCKET/PREFIX?region=REGION",
    example: "/srv/atlasnet/artifacts",
    meaning:
      "Where the world modules of the cluster are kept: a folder that apiservers and gameservers all reach, or a bucket of Amazon S3 or of another server (&endpoint=URL), with credentials in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY. Apiservers write to it, gameservers fetch from it. Left out: worlds only from modules that gameservers have themselves.",
  },
  "artifacts.cacheBytes": {
    type: "integer",
    min: 1_048_576,
    max: 1_099_511_627_776,
    unit: "bytes",
    default: 2_147_483_648,
    meaning:
      "Most that a gameserver keeps of fetched modules, unpacked, below data.dir. Above it the one not used for longest goes; when all are in use, a world whose module is not among them cannot start here.",
  },
} as const satisfies { readonly [path: string]: Setting };
