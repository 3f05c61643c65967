import type { Readable } from "node:stream";
import {
  ArtifactError,
  type ArtifactErrorCode,
  type ArtifactStore,
  listModules,
  StoreLibrary,
  spoolTarball,
} from "@atlasnet/artifacts";
import {
  isModuleName,
  isModuleVersion,
  MAX_MODULE_BYTES,
  MAX_MODULE_NAME_BYTES,
  MAX_VERSION_BYTES,
} from "@atlasnet/core";
import * as v from "valibot";
import { ApiError, type ApiErrorCode } from "../api-error.ts";
import { jsonRoute, type Route, uploadRoute } from "../route.ts";
import type { RouteParts } from "../route-parts.ts";

/** Modules that are taken in at once; each lies on the disk meanwhile. More are told to come again. */
export const MAX_MODULE_UPLOADS = 2;

const params = v.strictObject({
  name: v.pipe(
    v.string(),
    v.maxLength(MAX_MODULE_NAME_BYTES),
    v.check(isModuleName, "the name of an npm package is needed"),
  ),
  version: v.pipe(
    v.string(),
    v.maxLength(MAX_VERSION_BYTES),
    v.check(isModuleVersion, "a version such as 1.2.3 is needed"),
  ),
});

const upload = v.strictObject({
  /** SHA-256 of the tarball. */
  digest: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/, "64 hexadecimal digits are needed")),
  bytes: v.pipe(
    v.string(),
    v.regex(/^[1-9]\d{0,9}$/, "the length of the tarball is needed"),
    v.transform(Number),
    v.maxValue(MAX_MODULE_BYTES),
  ),
});

const module = {
  name: v.string(),
  version: v.string(),
  /** SHA-256 of the tarball. */
  digest: v.string(),
  /** File that exports `world`. */
  entry: v.string(),
  /** Length of the tarball. */
  bytes: v.number(),
};

export function moduleRoutes({ store, artifacts }: RouteParts): Route[] {
  const library = () => new StoreLibrary({ artifacts: wanted(artifacts), control: store });
  let uploads = 0;
  return [
    jsonRoute({
      method: "GET",
      path: "/v1/modules",
      name: "modules.list",
      summary: "The world modules that were pushed, by name and version.",
      role: "read",
      answer: v.strictObject({ modules: v.array(v.strictObject(module)) }),
      handle: async () => ({ modules: [...(await listModules(store))] }),
    }),
    uploadRoute({
      method: "PUT",
      path: "/v1/modules/{name}/{version}",
      name: "modules.push",
      summary:
        "Keeps a world module, the .tgz of an npm package. The same one again is content, another one is refused.",
      role: "admin",
      changes: true,
      params,
      query: upload,
      answer: v.strictObject({
        ...module,
        /** False: exactly this module was there already. */
        added: v.boolean(),
        /** Install scripts that it has and that are never run. */
        scripts: v.array(v.string()),
      }),
      handle: async (body, { params: { name, version }, query }) => {
        const kept = library();
        if (uploads >= MAX_MODULE_UPLOADS)
          throw new ApiError(
            "busy",
            `${MAX_MODULE_UPLOADS} modules are being pushed to this apiserver`,
            "Try again in a moment.",
          );
        uploads += 1;
        try {
          const tarball = await spoolTarball(arriving(body), query);
          try {
            const pushed = await kept.push(tarball, { name, version });
            return { ...pushed, scripts: [...pushed.scripts] };
          } finally {
            await tarball.remove();
          }
        } catch (error) {
          throw asApiError(error);
        } finally {
          uploads -= 1;
        }
      },
    }),
    jsonRoute({
      method: "DELETE",
      path: "/v1/modules/{name}/{version}",
      name: "modules.remove",
      summary: "Removes a module that no world names.",
      role: "admin",
      changes: true,
      params,
      answer: v.strictObject(module),
      handle: async ({ params: { name, version } }) => {
        try {
          return await library().remove(name, version);
        } catch (error) {
          throw asApiError(error);
        }
      },
    }),
  ];
}

function wanted(artifacts: ArtifactStore | undefined): ArtifactStore {
  if (artifacts === undefined)
    throw new ApiError(
      "not-available",
      "this apiserver was not told where modules are kept",
      "Set artifacts.store on every apiserver and gameserver, to the same folder or bucket.",
    );
  return artifacts;
}

/** The bytes of a request, with words for its early end. */
async function* arriving(body: Readable): AsyncIterable<Uint8Array> {
  try {
    // Left early, it has to stay open: the answer goes over the same connection.
    yield* body.iterator({ destroyOnReturn: false });
  } catch {
    // Whoever sent it is gone; there is nobody to tell more to.
    throw new ApiError("bad-request", "the upload broke off", "Push it again.");
  }
}

const CODES: { readonly [code in ArtifactErrorCode]: ApiErrorCode } = {
  "artifact-not-found": "not-found",
  "artifact-mismatch": "bad-request",
  "artifact-damaged": "internal",
  "artifact-too-large": "too-large",
  "artifact-store-unreachable": "unreachable",
  "artifact-store-refused": "internal",
  "artifact-storage": "internal",
  "bad-artifact-store": "internal",
  "no-artifact-store": "not-available",
  "bad-module": "bad-request",
  "module-exists": "conflict",
  "module-not-found": "not-found",
  "module-in-use": "conflict",
  "module-cache-full": "internal",
};

function asApiError(error: unknown): unknown {
  if (!(error instanceof ArtifactError)) return error;
  return new ApiError(CODES[error.code], error.message, error.hint);
}
