import { createReadStream, createWriteStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import * as v from "valibot";
import { badModule } from "../bad-module.ts";
import { type TarFile, writeTar } from "../tar/tar-writer.ts";
import { readManifest } from "./module-manifest.ts";
import { packedFiles } from "./packed-files.ts";
import { type TemporaryTarball, tarballFile, temporary } from "./tarball-source.ts";

const lists = v.object({
  files: v.optional(v.array(v.string())),
  bundleDependencies: v.optional(v.array(v.string())),
  bundledDependencies: v.optional(v.array(v.string())),
});

/**
 * Packs the folder of a module into a tarball in a temporary file. The same files make the same bytes with
 * the same version of Node. Scripts of the package are not run: it has to be built before.
 * @throws ArtifactError "bad-module"; errors of the file system as they are.
 */
export async function packModule(dir: string): Promise<TemporaryTarball> {
  const manifest = await readFile(join(dir, "package.json")).catch((cause: unknown) => {
    throw badModule(`${dir} has no package.json that can be read`, {
      hint: "Give the folder of a package, or a .tgz file.",
      cause,
    });
  });
  const paths = await packedFiles(dir, listsOf(manifest));
  // Wrong manifests are told before anything is packed.
  readManifest(manifest, new Set(paths));
  return await temporary(async (file) => {
    await pipeline(
      Readable.from(writeTar(filesOf(dir, paths))),
      createGzip({ level: 9 }),
      sameEverywhere(),
      createWriteStream(file, { flags: "wx" }),
    );
    return await tarballFile(file);
  });
}

function listsOf(manifest: Uint8Array) {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(manifest).toString("utf8"));
  } catch (cause) {
    throw badModule("is not JSON", { path: "package.json", cause });
  }
  const parsed = v.safeParse(lists, json);
  if (!parsed.success)
    throw badModule(`${v.getDotPath(parsed.issues[0]) ?? ""}: a list of texts is needed`, {
      path: "package.json",
    });
  const { files, bundleDependencies, bundledDependencies } = parsed.output;
  return {
    ...(files === undefined ? {} : { files }),
    bundled: bundleDependencies ?? bundledDependencies ?? [],
  };
}

async function* filesOf(dir: string, paths: readonly string[]): AsyncGenerator<TarFile> {
  for (const path of paths) {
    const file = join(dir, path);
    const { size } = await stat(file);
    yield { path: `package/${path}`, size, content: createReadStream(file) };
  }
}

/** Position of the byte in a gzip header that names the operating system. */
const OS_BYTE = 9;
const OS_UNKNOWN = 255;

function sameEverywhere(): Transform {
  let at = 0;
  return new Transform({
    transform(piece: Uint8Array, _encoding, done) {
      if (at <= OS_BYTE && OS_BYTE < at + piece.length) piece[OS_BYTE - at] = OS_UNKNOWN;
      at += piece.length;
      done(null, piece);
    },
  });
}
