import { isAbsolute, resolve } from "node:path";
import { NodeDisk, systemClock, systemRandom } from "@atlasnet/core/node";
import { ArtifactError } from "./artifact-error.ts";
import type { ArtifactStore } from "./artifact-store.ts";
import { BucketStore, type BucketStoreOptions } from "./s3/bucket-store.ts";
import { DirectoryStore } from "./store/directory-store.ts";

export const STORE_ALLOWED =
  "a folder, or s3://BUCKET/PREFIX?region=REGION, for other servers than Amazon's with &endpoint=URL";

/** The variables of the environment that every S3 tool reads. */
export interface StoreEnvironment {
  readonly AWS_ACCESS_KEY_ID?: string | undefined;
  readonly AWS_SECRET_ACCESS_KEY?: string | undefined;
  readonly AWS_SESSION_TOKEN?: string | undefined;
  readonly AWS_REGION?: string | undefined;
}

export type StoreLocation =
  | { readonly type: "directory"; readonly dir: string }
  | ({ readonly type: "bucket" } & BucketStoreOptions);

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const PREFIX = /^[A-Za-z0-9._/-]{0,256}$/;
const REGION = /^[a-z0-9-]{1,32}$/;
const PARAMETERS: ReadonlySet<string> = new Set(["region", "endpoint", "addressing"]);
/** Longest silence of a bucket. */
const SILENCE_MS = 30_000;

/**
 * Reads the address of an artifact store.
 * @throws ArtifactError "bad-artifact-store", which says what is wrong with it
 */
export function parseStoreLocation(
  text: string,
  { workingDir, env }: { readonly workingDir: string; readonly env: StoreEnvironment },
): StoreLocation {
  if (text === "") throw bad(text, "it is empty");
  if (!text.startsWith("s3:")) {
    if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) throw bad(text, "it is no folder and no bucket");
    return { type: "directory", dir: isAbsolute(text) ? text : resolve(workingDir, text) };
  }
  if (!URL.canParse(text)) throw bad(text, "it cannot be read");
  const url = new URL(text);
  const bucket = url.host;
  if (!BUCKET.test(bucket)) throw bad(text, "the name of a bucket is needed");
  if (url.username !== "" || url.password !== "")
    throw bad(text, "credentials do not belong into it; they come from the environment");
  for (const name of url.searchParams.keys())
    if (!PARAMETERS.has(name)) throw bad(text, `${name} is unknown`);
  const prefix = url.pathname.replace(/^\//, "");
  if (!PREFIX.test(prefix)) throw bad(text, "the prefix has letters that are not allowed");
  const region = url.searchParams.get("region") ?? env.AWS_REGION ?? "us-east-1";
  if (!REGION.test(region)) throw bad(text, "the region cannot be read");
  const addressing = url.searchParams.get("addressing") ?? "path";
  if (addressing !== "path" && addressing !== "host") throw bad(text, "addressing is path or host");
  return {
    type: "bucket",
    bucket,
    prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`,
    region,
    addressing,
    endpoint: endpointOf(text, url.searchParams.get("endpoint"), region),
    credentials: credentialsOf(text, env),
    silenceMs: SILENCE_MS,
  };
}

/** The store at a place, with this machine's disk, clock and network. */
export function openArtifactStore(location: StoreLocation): ArtifactStore {
  if (location.type === "bucket") {
    const { type: _, ...options } = location;
    return new BucketStore(options, { clock: systemClock });
  }
  const dependencies = { disk: new NodeDisk(), clock: systemClock, random: systemRandom };
  return new DirectoryStore({ dir: location.dir }, dependencies);
}

function endpointOf(text: string, given: string | null, region: string): string {
  if (given === null) return `https://s3.${region}.amazonaws.com`;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.search !== "")
    throw bad(text, "the endpoint is no http or https address");
  return url.href;
}

function credentialsOf(text: string, env: StoreEnvironment) {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId = "",
    AWS_SECRET_ACCESS_KEY: secretAccessKey = "",
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (accessKeyId === "" || secretAccessKey === "")
    throw bad(text, "there are no credentials", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.");
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

function bad(text: string, problem: string, hint = `Allowed: ${STORE_ALLOWED}.`): ArtifactError {
  // Somebody may have put a secret into it.
  const shown = text.replace(/\/\/[^/@]*@/, "//…@");
  return new ArtifactError("bad-artifact-store", `artifact store "${shown}": ${problem}`, { hint });
}
