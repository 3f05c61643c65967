import { isAbsolute, join, resolve } from "node:path";
import { NodeDisk, systemClock, systemRandom } from "@atlasnet/core/system";
import { ArtifactError } from "./artifact-error.ts";
import type { ArtifactKind, ArtifactStore } from "./artifact-store.ts";
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
  {
    workingDir,
    env,
    what = "artifact store",
  }: {
    readonly workingDir: string;
    readonly env: StoreEnvironment;
    /** How errors call the store. */
    readonly what?: string;
  },
): StoreLocation {
  try {
    return locationOf(text, workingDir, env);
  } catch (error) {
    if (!(error instanceof LocationProblem)) throw error;
    // Somebody may have put a secret into it.
    const shown = text.replace(/\/\/[^/@]*@/, "//…@");
    const { message, hint } = error;
    throw new ArtifactError("bad-artifact-store", `${what} "${shown}": ${message}`, { hint });
  }
}

function locationOf(text: string, workingDir: string, env: StoreEnvironment): StoreLocation {
  if (text === "") throw bad("it is empty");
  if (!text.startsWith("s3:")) {
    if (/^[a-z][a-z0-9+.-]+:\/\//i.test(text)) throw bad("it is no folder and no bucket");
    return { type: "directory", dir: isAbsolute(text) ? text : resolve(workingDir, text) };
  }
  if (!URL.canParse(text)) throw bad("it cannot be read");
  const url = new URL(text);
  const bucket = url.host;
  if (!BUCKET.test(bucket)) throw bad("the name of a bucket is needed");
  if (url.username !== "" || url.password !== "")
    throw bad("credentials do not belong into it; they come from the environment");
  for (const name of url.searchParams.keys())
    if (!PARAMETERS.has(name)) throw bad(`${name} is unknown`);
  const prefix = url.pathname.replace(/^\//, "");
  if (!PREFIX.test(prefix)) throw bad("the prefix has letters that are not allowed");
  const region = url.searchParams.get("region") ?? env.AWS_REGION ?? "us-east-1";
  if (!REGION.test(region)) throw bad("the region cannot be read");
  const addressing = url.searchParams.get("addressing") ?? "path";
  if (addressing !== "path" && addressing !== "host") throw bad("addressing is path or host");
  return {
    type: "bucket",
    bucket,
    prefix: prefix === "" || prefix.endsWith("/") ? prefix : `${prefix}/`,
    region,
    addressing,
    endpoint: endpointOf(url.searchParams.get("endpoint"), region),
    credentials: credentialsOf(env),
    silenceMs: SILENCE_MS,
  };
}

/** A place of its own within another: a folder below a folder, a longer prefix in a bucket. */
export function placeWithin(location: StoreLocation, names: readonly string[]): StoreLocation {
  if (location.type === "directory") return { ...location, dir: join(location.dir, ...names) };
  return { ...location, prefix: `${location.prefix}${names.join("/")}/` };
}

/** The store at a place, with this machine's disk, clock and network. `kind`: default MODULE_TARBALLS. */
export function openArtifactStore(location: StoreLocation, kind?: ArtifactKind): ArtifactStore {
  const ofKind = kind === undefined ? {} : { kind };
  if (location.type === "bucket") {
    const { type: _, ...options } = location;
    return new BucketStore({ ...options, ...ofKind }, { clock: systemClock });
  }
  const dependencies = { disk: new NodeDisk(), clock: systemClock, random: systemRandom };
  return new DirectoryStore({ dir: location.dir, ...ofKind }, dependencies);
}

function endpointOf(given: string | null, region: string): string {
  if (given === null) return `https://s3.${region}.amazonaws.com`;
  const url = URL.canParse(given) ? new URL(given) : undefined;
  if (url === undefined || !["http:", "https:"].includes(url.protocol) || url.search !== "")
    throw bad("the endpoint is no http or https address");
  return url.href;
}

function credentialsOf(env: StoreEnvironment) {
  const {
    AWS_ACCESS_KEY_ID: accessKeyId = "",
    AWS_SECRET_ACCESS_KEY: secretAccessKey = "",
    AWS_SESSION_TOKEN: sessionToken,
  } = env;
  if (accessKeyId === "" || secretAccessKey === "")
    throw bad("there are no credentials", "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.");
  return { accessKeyId, secretAccessKey, ...(sessionToken ? { sessionToken } : {}) };
}

class LocationProblem extends Error {
  readonly hint: string;
  constructor(problem: string, hint: string) {
    super(problem);
    this.hint = hint;
  }
}

function bad(problem: string, hint = `Allowed: ${STORE_ALLOWED}.`): LocationProblem {
  return new LocationProblem(problem, hint);
}
