import type { ByteStream } from "../artifact-store.ts";
import { badModule } from "../bad-module.ts";
import { MAX_MANIFEST_BYTES, MODULE_LIMITS, type ModuleLimits } from "./module-limits.ts";
import { type ModuleManifest, readManifest } from "./module-manifest.ts";
import { type ModuleFile, readModuleTarball } from "./module-tarball.ts";

export interface InspectedModule extends ModuleManifest {
  readonly files: number;
  /** Of all files together. */
  readonly unpackedBytes: number;
}

/**
 * Reads a tarball to its end and checks all of it; `keep` gets each file's bytes besides. Nothing of it is
 * ever run.
 * @throws ArtifactError "bad-module"; errors of `tgz` and `keep` as they are.
 */
export async function inspectModule(
  tgz: ByteStream,
  keep: (file: ModuleFile) => Promise<void> = async () => undefined,
  limits: ModuleLimits = MODULE_LIMITS,
): Promise<InspectedModule> {
  const files = new Set<string>();
  let unpackedBytes = 0;
  let manifest: Uint8Array | undefined;
  await readModuleTarball(
    tgz,
    async (file) => {
      files.add(file.path);
      unpackedBytes += file.size;
      if (file.path !== "package.json") return await keep(file);
      manifest = await gather(file);
      await keep({ ...file, content: once(manifest) });
    },
    limits,
  );
  if (manifest === undefined) throw badModule("there is no package.json in it");
  return { ...readManifest(manifest, files), files: files.size, unpackedBytes };
}

async function gather({ path, size, content }: ModuleFile): Promise<Uint8Array> {
  if (size > MAX_MANIFEST_BYTES)
    throw badModule(`has ${size} bytes; at most ${MAX_MANIFEST_BYTES} are allowed`, { path });
  const bytes = new Uint8Array(size);
  let at = 0;
  for await (const piece of content) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

async function* once(bytes: Uint8Array): ByteStream {
  if (bytes.length > 0) yield bytes;
}
