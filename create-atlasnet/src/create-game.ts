import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { basename, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** A game cannot be made. The message says why and where, the hint what to do next. */
export class CreateError extends Error {
  readonly code = "cannot-create";
  readonly hint: string;

  constructor(message: string, hint: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CreateError";
    this.hint = hint;
  }
}

export interface CreatedGame {
  /** The package's name, made from the folder's. */
  readonly name: string;
  readonly dir: string;
  /** The folder as it is typed from where the command ran. */
  readonly typed: string;
}

const PACKAGE_DIR = fileURLToPath(new URL("..", import.meta.url));
const TEMPLATE_DIR = join(PACKAGE_DIR, "template");

/** Names in the template that npm would not pack, or would take for its own, under their right name. */
const RENAMED = new Map([
  ["gitignore", ".gitignore"],
  ["dockerignore", ".dockerignore"],
]);
/** What may be in the folder of a new game: a fresh repository has these. */
const HARMLESS = new Set([".git", ".gitkeep", ".DS_Store"]);
/** What an editor or a build leaves in the template's folder while it is worked on. */
const NOT_COPIED = new Set(["node_modules", "dist", "build", "data"]);

/**
 * Copies the template into `dir`, with the folder's name and this version of the packages in it.
 * @throws CreateError when there is something in the folder, or it cannot be written.
 */
export async function createGame(options: {
  dir: string;
  workingDir: string;
}): Promise<CreatedGame> {
  const dir = resolve(options.workingDir, options.dir);
  await checkEmpty(dir);
  const name = packageName(basename(dir));
  try {
    await copyFolder(TEMPLATE_DIR, dir, name, await ownVersion());
  } catch (error) {
    throw new CreateError(
      `${dir} cannot be written`,
      "Choose a folder you may write to, and look whether the disk is full.",
      { cause: error },
    );
  }
  return { name, dir, typed: relative(options.workingDir, dir) || "." };
}

/** What to type next. */
export function createdText({ name, typed }: CreatedGame): string {
  const enter = typed === "." ? "" : `  cd ${typed.includes(" ") ? `"${typed}"` : typed}\n`;
  return `
${name} is made. Next:

${enter}  npm install
  npm run dev      play it at http://localhost:3000, change src/world.ts while you do
  npm test         run the world's test

`;
}

async function checkEmpty(dir: string): Promise<void> {
  let names: string[];
  try {
    names = await readdir(dir);
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (code === "ENOENT") return;
    const problem = code === "ENOTDIR" ? "is a file" : "cannot be read";
    throw new CreateError(`${dir} ${problem}`, "Choose another folder.", { cause: error });
  }
  const found = names.filter((name) => !HARMLESS.has(name));
  if (found.length > 0)
    throw new CreateError(
      `${dir} is not empty: there is ${found.slice(0, 3).join(", ")}${found.length > 3 ? ", …" : ""}`,
      "Choose a folder that is not there yet, or an empty one.",
    );
}

async function copyFolder(
  from: string,
  to: string,
  gameName: string,
  version: string,
): Promise<void> {
  await mkdir(to, { recursive: true });
  for (const entry of await readdir(from, { withFileTypes: true })) {
    if (NOT_COPIED.has(entry.name)) continue;
    const source = join(from, entry.name);
    const target = join(to, RENAMED.get(entry.name) ?? entry.name);
    if (entry.isDirectory()) {
      await copyFolder(source, target, gameName, version);
    } else {
      const text = await readFile(source, "utf8");
      const filled =
        entry.name === "package.json"
          ? gameManifest(text, gameName, version)
          : text.replaceAll("my-game", gameName);
      // Windows checkouts of the template may have other line ends.
      await writeFile(target, filled.replaceAll("\r\n", "\n"), { flag: "wx" });
    }
  }
}

/** The game's package.json: its own name, and the version of AtlasNet that made it. */
export function gameManifest(template: string, gameName: string, version: string): string {
  const manifest: { [key: string]: unknown } = JSON.parse(template);
  manifest["name"] = gameName;
  for (const group of ["dependencies", "devDependencies"]) {
    const versions = Object.entries(Object(manifest[group]));
    manifest[group] = Object.fromEntries(
      versions.map(([name, given]) => [name, isOwn(name) ? version : given]),
    );
  }
  return `${JSON.stringify(manifest, undefined, 2)}\n`;
}

function isOwn(name: string): boolean {
  return name === "atlasnet" || name.startsWith("@atlasnet/");
}

async function ownVersion(): Promise<string> {
  const manifest: unknown = JSON.parse(await readFile(join(PACKAGE_DIR, "package.json"), "utf8"));
  if (typeof manifest === "object" && manifest !== null && "version" in manifest)
    return String(manifest.version);
  throw new Error(`${PACKAGE_DIR} has no version in its package.json`);
}

/** A folder's name as the name of a package: small letters, digits and dashes. */
export function packageName(folder: string): string {
  const name = folder
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, "-")
    .replace(/^[._-]+/, "")
    .replace(/-+$/, "");
  return name.slice(0, 100) || "my-game";
}
