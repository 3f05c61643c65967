import type { Setting } from "../setting.ts";
import { ADDRESS_OF_BUCKET, DAY_MS } from "./parts.ts";

export const snapshotSettings = {
  "snapshot.intervalMs": {
    type: "integer",
    min: 1000,
    max: DAY_MS,
    unit: "ms",
    default: 300_000,
    meaning: "Time between two snapshots of a world; one more is written at a stop.",
  },
  "snapshot.keep": {
    type: "integer",
    min: 1,
    max: 1000,
    unit: "snapshots",
    default: 3,
    meaning:
      "Snapshots kept per world, on the disk and in snapshot.store (there at most 64); older ones are deleted.",
  },
  "snapshot.store": {
    type: "path",
    address: ADDRESS_OF_BUCKET,
    allowed: "a folder, or s3://BUCKET/PREFIX?region=REGION",
    example: "/srv/atlasnet/snapshots",
    meaning:
      "Where the cluster keeps snapshots of its worlds, so that any gameserver can go on with them: a folder that all gameservers reach, or a bucket as with artifacts.store. To be set on gameservers and on apiservers, for there it makes failover automatic for worlds that do not say otherwise. Left out: a world's snapshots are on the disk of its node only.",
  },
  "snapshot.uploadBytesPerSecond": {
    type: "integer",
    min: 65_536,
    max: 10_000_000_000,
    unit: "bytes/s",
    default: 33_554_432,
    meaning:
      "Most that a gameserver sends to snapshot.store while its worlds run; the last snapshot of a world that moves or stops does not wait for it.",
  },
} as const satisfies { readonly [path: string]: Setting };
